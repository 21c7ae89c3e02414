import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Random } from '../../functions/training/random.ts';
import { environment } from '../../inference-container/environment.ts';
import { buildInference } from '../build/inference.ts';
import { freePorts } from '../local/ports.ts';
import { ROWS, writeLargeModel } from './large-model.ts';
import { writeModels } from './models.ts';
import { machine } from './report.ts';

const { values } = parseArgs({
  options: { requests: { type: 'string', default: '10000' }, help: { type: 'boolean', short: 'h' } },
});
if (values.help) {
  console.log(`npm run bench:memory: a model with an embedding of 1.7 GB in one file, mapped by the model server and loaded whole

  --requests 10000   between the two measurements

Needs 2 GB of disk under .local, 4 GB of memory, and Linux.
`);
  process.exit(0);
}

const root = join(import.meta.dirname, '../..');
const folder = join(root, '.local/bench');
const file = join(folder, 'large/model.onnx');
const models = join(folder, 'large/models');
const requests = Number(values.requests);
const MB = 1024 * 1024;

/** Megabytes, as the kernel counts them: resident (a page that is mapped twice once), anonymous (its own, not mapped from a file), and the most so far. */
interface Memory {
  resident: number;
  anonymous: number;
  peak: number;
}
interface Measured {
  name: string;
  seconds: number;
  before: Memory;
  after: Memory;
}

console.log('Writing the model …');
await writeLargeModel(file);
await rm(models, { recursive: true, force: true });
await mkdir(join(models, 'large/1'), { recursive: true });
await link(file, join(models, 'large/1/model.onnx'));
// The same server under the same load with a model of 20 MB: what of its memory is not the large model's.
const small = join(folder, 'small-models');
await writeModels(join(folder, 'made'));
await rm(small, { recursive: true, force: true });
await cp(join(folder, 'made/wide'), join(small, 'wide'), { recursive: true });
await buildInference();

const server = (workers: number, modelDir: string) => (port: number) =>
  node(join(root, 'dist/inference-container/main.js'), [], {
    PORT: String(port),
    HOST: '127.0.0.1',
    MODEL_DIR: modelDir,
    WORKERS: String(workers),
    MODEL_WATCH_SECONDS: '0',
    LOG_LEVEL: 'warn',
  });
const path = '/v2/models/large/infer';
const results: Measured[] = [];
const baseline: Measured[] = [];
for (const workers of [1, 2]) {
  const named = `Maru, ${workers} worker${workers > 1 ? 's' : ''}`;
  results.push(await measure(named, server(workers, models), path, ROWS));
  const other = `${named}, a model of 20 MB instead`;
  baseline.push(await measure(other, server(workers, small), '/v2/models/wide/infer', 40_000));
}
results.push(
  await measure(
    'loaded whole, 1 process',
    (port) => node(join(root, 'scripts/bench/whole.ts'), [String(port), file], {}),
    '/',
    ROWS,
  ),
);

const row = ({ name, seconds, before, after }: Measured) =>
  `| ${name} | ${seconds.toFixed(2)} | ${[before.peak, before.resident, before.anonymous, after.resident, after.anonymous].map((mb) => mb.toFixed(0)).join(' | ')} |`;
const text = [
  '# Memory',
  '',
  `${machine()}. \`npm run bench:memory\`: one file of 1.7 GB (an embedding of ${ROWS.toLocaleString('en')} × 128), MB. The first answer is from the start of the process, with the file in the page cache; the second measurement after ${requests.toLocaleString('en')} requests of 32 skewed ids.`,
  '',
  '| server | first answer, s | peak until then | resident | of it anonymous | resident after | of it anonymous |',
  '|---|--:|--:|--:|--:|--:|--:|',
  ...results.map(row),
  ...baseline.map(row),
  '',
  `Anonymous memory of the whole process after the requests: ${results[0]!.after.anonymous.toFixed(0)} MB with the 1.7 GB model and one worker, ${baseline[0]!.after.anonymous.toFixed(0)} MB with the model of 20 MB, whose weights are read and not mapped; a second worker adds ${(results[1]!.after.anonymous - results[0]!.after.anonymous).toFixed(0)} MB. What is resident and not anonymous are pages of the file that the kernel takes back when it needs them, one copy for all workers.`,
  '',
].join('\n');
await mkdir(join(root, 'docs/benchmarks'), { recursive: true });
await writeFile(join(root, 'docs/benchmarks/memory.md'), text);
console.log(`\n${text}\nWritten to docs/benchmarks/memory.md`);

function node(script: string, args: string[], settings: Record<string, string>): ChildProcess {
  return spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, ...args], {
    env: { ...process.env, ...environment, ...settings },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

async function measure(
  name: string,
  start: (port: number) => ChildProcess,
  at: string,
  rows: number,
): Promise<Measured> {
  console.log(`${name} …`);
  const { gateway: port } = await freePorts();
  const url = `http://127.0.0.1:${port}${at}`;
  const random = new Random(5);
  const started = performance.now();
  const child = start(port);
  try {
    while (!(await ask(url, random, rows).catch(() => false))) {
      if (child.exitCode !== null) throw new Error(`${name} ended with code ${child.exitCode}`);
      if (performance.now() - started > 120_000) throw new Error(`${name} gave no answer in 2 minutes`);
      await sleep(10);
    }
    const seconds = (performance.now() - started) / 1_000;
    const before = await memory(child);
    let left = requests;
    const client = async () => {
      while (left-- > 0) if (!(await ask(url, random, rows))) throw new Error(`${name} refused a request`);
    };
    await Promise.all(Array.from({ length: 8 }, client));
    return { name, seconds, before, after: await memory(child) };
  } finally {
    await stop(child);
  }
}

/** One request of 32 ids, few of them often and most of them seldom, as words are. */
async function ask(url: string, random: Random, rows: number): Promise<boolean> {
  const data = Array.from({ length: 32 }, () => Math.floor(rows ** random.next()) - 1);
  const inputs = [{ name: 'ids', datatype: 'INT64', shape: [1, 32], data }];
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ inputs }),
    signal: AbortSignal.timeout(120_000),
  });
  const { outputs } = (await response.json()) as { outputs?: [{ data: number[] }] };
  return response.ok && outputs?.[0].data.length === 150;
}

async function memory({ pid }: ChildProcess): Promise<Memory> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const mb = (field: string) => (Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) * 1024) / MB;
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const resident = (Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1]) * 1024) / MB;
  return { resident, anonymous: mb('RssAnon'), peak: mb('VmHWM') };
}

async function stop(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
