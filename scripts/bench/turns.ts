import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { conversationId } from '../../functions/conversation/identifier.ts';
import type { LoggedTurn } from '../../functions/services/call-log.ts';
import { buildFunctions } from '../build/functions.ts';
import { buildInference } from '../build/inference.ts';
import { ensureBotModels } from '../local/bot-models.ts';
import { type Platform, startPlatform } from '../local/platform.ts';
import { freePorts } from '../local/ports.ts';
import { countOperations, type Operation } from './operations.ts';
import { machine, percentile } from './report.ts';
import type { Load, Measured } from './turns-load.ts';

const root = join(import.meta.dirname, '../..');
const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '30' }, help: { type: 'boolean', short: 'h' } },
});
if (values.help) {
  console.log('npm run bench:turns [-- --seconds 30]: latency of turns, idle and under load, and where the time goes');
  process.exit(0);
}
const seconds = Number(values.seconds);

const CONVERSATIONS = 500;

await Promise.all([buildFunctions(), buildInference()]);
const models = await ensureBotModels(join(root, '.local/models'), () => {});
const folder = await mkdtemp(join(tmpdir(), 'maru-bench-'));
const rows: string[][] = [];
const hops: string[][] = [];
/** What a turn asked of Cosmos DB at a steady rate. */
let operations: { turns: number; found: Operation[] } | undefined;
let held = 0;
for (const rate of [0, 20, 50, 100, 150, 200]) {
  // Beyond a rate that was not held there is only a longer queue to see.
  if (rate > 0 && rows.length > 1 && !rows.at(-1)![0]!.startsWith(`${held}/`)) break;
  // A fresh platform each time: the emulators slow down with what they hold.
  const platform = await startPlatform({
    ports: await freePorts(),
    folder: join(folder, String(rate)),
    models,
    keep: false,
  });
  try {
    await load(platform, { rate: 20, seconds: 3, name: 'warm' });
    const counted = countOperations(platform.cosmos.server);
    const cpu = process.cpuUsage();
    const measured = await load(platform, { rate, seconds, name: `r${rate}` });
    const used = process.cpuUsage(cpu);
    const throughput = measured.latencies.length / measured.seconds;
    const p99 = percentile(measured.latencies, 0.99);
    if (rate > 0 && measured.failed === 0 && throughput > 0.95 * rate && p99 < 2_000) held = Math.max(held, rate);
    rows.push([
      rate === 0 ? 'idle' : `${rate}/s`,
      throughput.toFixed(1),
      percentile(measured.latencies, 0.5).toFixed(0),
      p99.toFixed(0),
      String(measured.failed),
      (((used.user + used.system) / 1e6 / measured.seconds) * 100).toFixed(0),
    ]);
    console.log(rows.at(-1)!.join('  '));
    await sleep(1_500);
    if (rate === 20) operations = { turns: measured.latencies.length, found: [...counted.values()] };
    hops.push([rate === 0 ? 'idle' : `${rate}/s`, ...(await hopsOf(platform, `r${rate}`))]);
  } finally {
    await platform.stop();
  }
}
await rm(folder, { recursive: true, force: true });

const text = [
  '# Turns',
  '',
  `${machine()}. Everything runs on it: gateway, inference container, Azurite, the stand-in of Cosmos DB and the load (one`,
  `process for stand-ins, channel and shop; the load is a thread of it). HTTP API with \`Prefer: wait\`, ${seconds} s a row, inline skills.`,
  '',
  '| load | turns/s answered | p50 ms | p99 ms | failed | CPU % of the emulator and load process |',
  '|---|---|---|---|---|---|',
  ...rows.map((row) => `| ${row.join(' | ')} |`),
  '',
  `Highest rate held for ${seconds} s (95% of it answered, p99 under 2 s): **${held} turns/s**.`,
  '',
  'Where the time goes, p50 / p99 ms (from the call log):',
  '',
  '| load | accept → taken from the queue | inference | accept → answered in the document |',
  '|---|---|---|---|',
  ...hops.map((row) => `| ${row.join(' | ')} |`),
  '',
  ...operationRows(),
].join('\n');
await mkdir(join(root, 'docs/benchmarks'), { recursive: true });
await writeFile(join(root, 'docs/benchmarks/turns.md'), text);
console.log(`\n${text}\nWritten to docs/benchmarks/turns.md`);

/** Operations, bytes and request units as counted at the stand-in (scripts/local/cosmos/request-units.ts). */
function operationRows(): string[] {
  if (!operations) return [];
  const { turns, found } = operations;
  let sum = 0;
  const lines = found
    .filter(({ count }) => count / turns >= 0.05)
    .sort((a, b) => b.count - a.count)
    .map(({ operation, container, count, bytes, units: all }) => {
      const kilobytes = bytes / count / 1_024;
      const units = all / turns;
      sum += units;
      return `| ${operation} | ${container} | ${(count / turns).toFixed(2)} | ${kilobytes.toFixed(1)} | ${units.toFixed(0)} |`;
    });
  return [
    `What a turn asked of Cosmos DB at 20 turns/s, counted over ${turns} turns; request units by Azure's prices for these sizes:`,
    '',
    '| operation | container | a turn | KB | RU a turn |',
    '|---|---|--:|--:|--:|',
    ...lines,
    `| | | | | **${sum.toFixed(0)}** |`,
    '',
  ];
}

async function load(
  { gateway, key }: Platform,
  given: Omit<Load, 'gateway' | 'key' | 'conversations'>,
): Promise<Measured> {
  const worker = new Worker(new URL('./turns-load.ts', import.meta.url), {
    workerData: { gateway, key, conversations: CONVERSATIONS, ...given } satisfies Load,
  });
  return await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

async function hopsOf(platform: Platform, name: string): Promise<string[]> {
  const { resources } = await platform.cosmos.client
    .database('maru')
    .container('turns')
    .items.readAll<LoggedTurn>()
    .fetchAll();
  const own = new Set(Array.from({ length: CONVERSATIONS }, (_, at) => conversationId('api', `${name}-${at}`)));
  const turns = resources.filter((turn) => own.has(turn.conversationId));
  const show = (of: (turn: LoggedTurn) => number) => {
    const numbers = turns.map(of).filter(Number.isFinite);
    return `${percentile(numbers, 0.5).toFixed(0)} / ${percentile(numbers, 0.99).toFixed(0)}`;
  };
  return [
    show((turn) => turn.timings.queue!),
    show((turn) => turn.timings.inference!),
    show((turn) => turn.answeredAt - turn.acceptedAt),
  ];
}
