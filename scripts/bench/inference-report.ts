import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CORES, type Contender, type Section, sections, versions } from './contenders.ts';
import { machine, percentile } from './report.ts';

/** What wrk measured of one contender at one number of connections; milliseconds. */
export interface Measured {
  rps: number;
  p50: number;
  p99: number;
  errors: number;
}

export interface Run {
  seconds: number;
  rounds: number;
  /** By contender, then by connections: one a round. */
  results: Map<Contender, Map<number, Measured[]>>;
  /** Rows a second of `session.run` alone, and at which batch. */
  floors: Record<'small' | 'mid', { rows: number; batch: number }>;
}

const folder = join(import.meta.dirname, '../../docs/benchmarks');

/** Writes `docs/benchmarks/inference.md` and its chart. */
export async function writeReport({ seconds, rounds, results, floors }: Run): Promise<void> {
  const median = (of: Measured[], pick: (measured: Measured) => number) => percentile(of.map(pick), 0.5);
  const lines: string[] = [
    '# Inference',
    '',
    `${machine()}; ${await versions()}. \`npm run bench:inference\`: wrk with one thread on the same ${CORES} cores, keep-alive, ${seconds} s each, ${rounds} alternated rounds, median (least–most). Maru with ${CORES} HTTP threads where it does not say. Peers as their documentation sets them up, and where that is not the fastest also tuned (scripts/bench/peers). A constant answer is the ceiling: the request is read, its JSON parsed, nothing is run.`,
    '',
  ];
  lines.push(...short(results));
  const bars: { name: string; rps: number }[] = [];
  for (const section of Object.keys(sections) as Section[]) {
    lines.push(`## ${sections[section]}`, '');
    if (section !== 'wide') {
      const { rows, batch } = floors[section];
      lines.push(
        `\`session.run\` in a loop on one thread, at its best batch (${batch}): ${rows.toFixed(0)} rows/s.`,
        '',
      );
    }
    lines.push('| server | connections | requests/s | p50 ms | p99 ms | errors |', '|---|--:|--:|--:|--:|--:|');
    for (const [contender, all] of results)
      for (const [connections, measured] of all) {
        if (contender.section !== section) continue;
        const rates = measured.map(({ rps }) => rps);
        const rps = median(measured, (each) => each.rps);
        lines.push(
          `| ${contender.name} | ${connections} | ${rps.toFixed(0)} (${Math.min(...rates).toFixed(0)}–${Math.max(...rates).toFixed(0)}) | ${median(measured, (each) => each.p50).toFixed(2)} | ${median(measured, (each) => each.p99).toFixed(2)} | ${measured.reduce((sum, each) => sum + each.errors, 0)} |`,
        );
        if (connections === COMPARED) bars.push({ name: `${section}: ${contender.name}`, rps });
      }
    lines.push('');
  }
  lines.push(`![Requests a second at ${COMPARED} connections](inference.svg)`, '');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'inference.md'), lines.join('\n'));
  await writeFile(join(folder, 'inference.svg'), chart(bars));
  console.log(`\n${lines.join('\n')}\nWritten to docs/benchmarks/inference.md`);
}

/** What is compared with all others: the batched server as it comes. */
const OURS = 'Maru, 1 worker';
/** Connections at which they are compared. */
const COMPARED = 32;

/** How many times each other this server is, round by round: what the machine does to one round it does to both. */
function short(results: Run['results']): string[] {
  const lines = [
    `## In short: ${COMPARED} connections, times as many requests/s as`,
    '',
    '| | small text model | mid-size model |',
    '|---|--:|--:|',
  ];
  const at = (section: Section, name: string) =>
    [...results].find(([contender]) => contender.section === section && contender.name === name)?.[1].get(COMPARED);
  const times = (section: Section, name: string): string => {
    const [own, other] = [at(section, OURS), at(section, name)];
    if (!own || !other) return '';
    const ratios = own.flatMap(({ rps }, round) => (other[round] ? [rps / other[round].rps] : []));
    const [least, median, most] = [Math.min(...ratios), percentile(ratios, 0.5), Math.max(...ratios)];
    return `${median.toFixed(2)} (${least.toFixed(2)}–${most.toFixed(2)})`;
  };
  const names = new Set([...results.keys()].map(({ name }) => name).filter((name) => !name.startsWith('Maru, ')));
  for (const name of names) lines.push(`| ${name} | ${times('small', name)} | ${times('mid', name)} |`);
  return [...lines, ''];
}

/** Bars on a logarithmic scale: a tenth of the width is a tenth of the logarithm. This server's are green. */
function chart(bars: { name: string; rps: number }[]): string {
  const [width, row] = [760, 24];
  const most = Math.log10(Math.max(...bars.map(({ rps }) => rps)));
  const parts = bars.map(({ name, rps }, index) => {
    const length = Math.max(2, ((Math.log10(Math.max(rps, 10)) - 1) / (most - 1)) * (width - 380));
    const colour = name.includes(': Maru, ') ? '#0b6e4f' : '#9aa5a0';
    return `<text x="280" y="${index * row + 17}" text-anchor="end">${name}</text><rect x="288" y="${index * row + 4}" width="${length.toFixed(0)}" height="${row - 8}" fill="${colour}"/><text x="${(294 + length).toFixed(0)}" y="${index * row + 17}">${rps.toFixed(0)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${bars.length * row + 8}" font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>${parts.join('')}</svg>\n`;
}
