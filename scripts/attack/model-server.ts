import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { environment } from '../../inference-container/environment.ts';
import { freePort } from '../local/ports.ts';
import { type PostData, post } from './post.ts';

/** What one attack on the model server did to everybody else. */
export interface Attacked {
  name: string;
  /** Answers to the attack, by status. */
  statuses: Record<number, number>;
  /** Milliseconds that a request to a quick model took meanwhile. */
  p99: number;
  /** Quick requests meanwhile. */
  asked: number;
  /** Megabytes of resident memory: warm before, the most meanwhile, and after the attack. */
  before: number;
  peak: number;
  after: number;
}

export interface AttackOptions {
  /** The built server: dist/inference-container/main.js. */
  script: string;
  /** A repository with the text model `intents`. */
  models: string;
  /** Seconds after each attack until memory is measured. */
  settle: number;
  /** The first so many attacks; all of them where it is not given. */
  only?: number | undefined;
  progress(text: string): void;
}

interface Attack {
  name: string;
  path: string;
  /** Each sent over a connection of its own, at once. */
  bodies: () => Buffer[];
}

/** How long each attack is kept up, at the least: one that is refused at once comes again, so that enough is asked beside it. */
const LEAST_MS = 2_000;
const PREDICT = '/v1/models/intents:predict';
const INFER = '/v2/models/intents/infer';
const MEGABYTE = 1024 * 1024;

const words = (count: number, row: number) =>
  Array.from({ length: count }, (_, at) => `wort${(row * 31 + at * 7) % 5_000}`).join(' ');
const instances = (rows: number, text: (row: number) => string) =>
  Buffer.from(JSON.stringify({ instances: Array.from({ length: rows }, (_, row) => text(row)) }));
const times = <T>(count: number, make: () => T) => Array.from({ length: count }, make);
const filled = (head: string, unit: string, bytes: number, tail: string) =>
  Buffer.from(`${head}${unit.repeat(Math.floor((bytes - head.length - tail.length) / unit.length))}${tail}`);

/** Requests that are allowed by their size alone. */
const attacks: readonly Attack[] = [
  { name: '3,000 rows of 60 words', path: PREDICT, bodies: () => [instances(3_000, (row) => words(60, row))] },
  {
    name: '10,000 rows of 2,000 characters',
    path: PREDICT,
    bodies: () => [instances(10_000, (row) => words(250, row).slice(0, 2_000))],
  },
  {
    name: 'four bodies of 60 MB of empty lists',
    path: PREDICT,
    bodies: () => times(4, () => filled('{"instances":[', '[],', 60 * MEGABYTE, '[]]}')),
  },
  {
    name: 'four bodies of 60 MB of empty objects',
    path: INFER,
    bodies: () =>
      times(4, () =>
        filled('{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":[', '{},', 60 * MEGABYTE, '{}]}]}'),
      ),
  },
  {
    name: 'four bodies of 60 MB of empty strings',
    path: PREDICT,
    bodies: () => times(4, () => filled('{"instances":[', '"",', 60 * MEGABYTE, '""]}')),
  },
  {
    name: '30,000,000 levels of lists',
    path: PREDICT,
    bodies: () => [filled('{"instances":', '[', 30 * MEGABYTE, '')],
  },
  {
    name: 'four bodies of 60 MB of one text',
    path: PREDICT,
    bodies: () => times(4, () => filled('{"instances":["', 'x', 60 * MEGABYTE, '"]}')),
  },
  {
    name: 'four requests of 10,000 short rows',
    path: PREDICT,
    bodies: () => times(4, () => instances(10_000, (row) => `where is order ${row}`)),
  },
];

/** Attacks a model server of its own, with quick requests beside it all the while. */
export async function attackModelServer({
  script,
  models,
  settle,
  only,
  progress,
}: AttackOptions): Promise<Attacked[]> {
  const port = await freePort();
  const child = spawn(process.execPath, [script], {
    env: {
      ...process.env,
      ...environment,
      PORT: String(port),
      HOST: '127.0.0.1',
      MODEL_DIR: models,
      LOG_LEVEL: 'error',
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const results: Attacked[] = [];
  try {
    await until(async () => (await post(agent, port, 'GET', '/v2/health/ready')) === 200);
    // Warm: the quick model is where it will be, and caches are full.
    for (let round = 0; round < 4_000; round += 1) await quick(agent, port, round);
    for (let round = 0; round < 20; round += 1)
      await post(
        agent,
        port,
        'POST',
        PREDICT,
        instances(200, (row) => words(60, row)),
      );
    // And a body of each size was there, of words that are all different.
    for (let round = 0; round < 4; round += 1)
      for (const rows of [500, 2_500])
        await post(
          agent,
          port,
          'POST',
          PREDICT,
          instances(rows, (row) => `${round}x${row} `.repeat(3) + words(60, row)),
        );
    await sleep(settle * 1_000);
    const before = await resident(child);
    for (const { name, path, bodies } of attacks.slice(0, only)) {
      progress(name);
      results.push({ name, ...(await one(agent, port, child, path, bodies())), before, after: 0 });
      await sleep(settle * 1_000);
      results.at(-1)!.after = await resident(child);
    }
  } finally {
    agent.destroy();
    child.kill('SIGTERM');
    const killed = setTimeout(() => child.kill('SIGKILL'), 10_000);
    if (child.exitCode === null) await new Promise((done) => child.once('exit', done));
    clearTimeout(killed);
  }
  return results;
}

/** What did not hold, in words. */
export function modelServerFailures(results: Attacked[]): string[] {
  return results.flatMap(({ name, p99, before, after, statuses }) => [
    ...(p99 > 50 ? [`${name}: a quick request took ${p99.toFixed(0)} ms (p99), and not under 50`] : []),
    ...(after > before * 1.2 ? [`${name}: ${after.toFixed(0)} MB stay, ${before.toFixed(0)} MB before`] : []),
    ...Object.keys(statuses)
      .filter((status) => !['200', '400', '413', '503'].includes(status))
      .map((status) => `${name}: answered ${status}`),
  ]);
}

async function one(agent: Agent, port: number, child: ChildProcess, path: string, bodies: Buffer[]) {
  const statuses: Record<number, number> = {};
  const latencies: number[] = [];
  let peak = 0;
  let running = true;
  const beside = (async () => {
    for (let round = 0; running; round += 1) {
      const started = performance.now();
      await quick(agent, port, round);
      latencies.push(performance.now() - started);
      peak = Math.max(peak, await resident(child));
      await sleep(2);
    }
  })();
  const answers = await postFromElsewhere({ port, path, bodies, leastMs: LEAST_MS });
  running = false;
  await beside;
  for (const status of answers) statuses[status] = (statuses[status] ?? 0) + 1;
  latencies.sort((a, b) => a - b);
  return { statuses, p99: latencies[Math.ceil(latencies.length * 0.99) - 1] ?? 0, asked: latencies.length, peak };
}

/** In a thread of its own, so that what is measured is the server and not this process. */
function postFromElsewhere(data: PostData): Promise<number[]> {
  return new Promise((resolve, reject) => {
    // Given away, because to copy them would take this thread's time, which is measured.
    const transferList = data.bodies.map(({ buffer }) => buffer as ArrayBuffer);
    const worker = new Worker(new URL('./post.ts', import.meta.url), { workerData: data, transferList });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

function quick(agent: Agent, port: number, round: number): Promise<number> {
  return post(
    agent,
    port,
    'POST',
    PREDICT,
    instances(1, () => `what are your opening hours ${round % 7}`),
  );
}

async function resident({ pid }: ChildProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}

async function until(look: () => Promise<boolean>): Promise<void> {
  for (let time = 0; time < 300; time += 1) {
    if (await look()) return;
    await sleep(100);
  }
  throw new Error('the model server is not ready after 30 s');
}
