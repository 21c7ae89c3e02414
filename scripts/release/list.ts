import { parseArgs } from 'node:util';
import { listReleases } from '../../functions/services/releases.ts';
import { loadSettings } from './environment.ts';

const HELP = `npm run releases: the newest releases: state, models, metrics, who and when

  --steps   every step of each
`;
const { values } = parseArgs({
  options: { steps: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h' } },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}

try {
  await loadSettings();
  const releases = await listReleases(20);
  if (releases.length === 0) console.log('No release yet:  npm run release -- <model folder>');
  for (const { state, digest, models, steps, reason, checks, since } of releases) {
    const last = steps.findLast(({ by }) => by);
    const what = models
      .map(({ name, version, metrics }) => {
        const accuracy =
          metrics.accuracyRaw === undefined ? '' : ` (accuracy ${(100 * metrics.accuracyRaw).toFixed(1)}%)`;
        return `${name} ${version}${accuracy}`;
      })
      .join(', ');
    console.log(
      `${state.padEnd(11)}  ${time(since)}  ${digest.slice(7, 19)}  ${what}${last?.by ? `  by ${last.by}` : ''}`,
    );
    if (reason) console.log(`${' '.repeat(13)}${reason.split('\n')[0]}`);
    if (!values.steps) continue;
    for (const step of steps)
      console.log(
        `${' '.repeat(13)}${time(step.at)}  ${step.state.padEnd(11)}  ${[step.note, step.by && `by ${step.by}`].filter(Boolean).join('  ')}`,
      );
    for (const [what, judgement] of [
      ['judged by people', checks?.judgement],
      ['questions to the FAQ', checks?.faq],
    ] as const) {
      if (!judgement) continue;
      const { inside, outside, before, after, better, worse, changed } = judgement;
      const pair = (from: number, to: number, of: number) =>
        of === 0 ? '–' : `${((100 * to) / of).toFixed(1)}% (production ${((100 * from) / of).toFixed(1)}%)`;
      console.log(
        `${' '.repeat(13)}${what}: right ${pair(before.right, after.right, inside)}, of none and refused ${pair(before.refused, after.refused, outside)}; ${better} better, ${worse} worse, ${changed} changed`,
      );
    }
    if (checks?.comparison)
      console.log(
        `${' '.repeat(13)}p95 ${checks.comparison.stagingP95.toFixed(0)} ms, in production ${checks.comparison.productionP95.toFixed(0)} ms; answered otherwise: ${checks.comparison.compared - checks.comparison.same}`,
      );
  }
  process.exit(0);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

function time(at: number): string {
  return new Date(at).toISOString().slice(0, 19).replace('T', ' ');
}
