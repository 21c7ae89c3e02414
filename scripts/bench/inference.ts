import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { buildInference } from '../build/inference.ts';
import { freePorts } from '../local/ports.ts';
import { type Contender, ours, peers } from './contenders.ts';
import { type Measured, writeReport } from './inference-report.ts';
import { rows as modelRows, writeModels } from './models.ts';

const HELP = `npm run bench:inference: the model server beside its ceilings and its peers, in one run

  --seconds 5   of each measurement     --rounds 3   alternated; medians are reported
  --no-peers    without the Python servers

Needs wrk (apt-get install wrk); Python 3.11 for the peers.
`;
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    peers: { type: 'boolean', default: true },
    help: { type: 'boolean', short: 'h' },
  },
  allowNegative: true,
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
if (spawnSync('wrk', ['--version']).error) {
  console.error('wrk is missing: apt-get install wrk');
  process.exit(1);
}

const root = join(import.meta.dirname, '../..');
const folder = join(root, '.local/bench');
const models = join(folder, 'models');
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
/** Seconds until every contender's code is compiled and its caches are warm. */
const WARM_UP = 6;

await buildInference();
await writeModels(models);
const contenders = [...ours(models), ...(values.peers ? peers(folder, models) : [])];
const results = new Map<Contender, Map<number, Measured[]>>();
for (let round = 1; round <= rounds; round += 1)
  for (const contender of contenders) {
    const { gateway: port } = await freePorts();
    const server = contender.start(port);
    try {
      await ready(`http://127.0.0.1:${port}${contender.ready}`, server);
      await load(contender, port, 32, WARM_UP);
      for (const connections of contender.connections) {
        const measured = await load(contender, port, connections, seconds);
        const all = results.get(contender) ?? new Map<number, Measured[]>();
        all.set(connections, [...(all.get(connections) ?? []), measured]);
        results.set(contender, all);
        console.log(
          `round ${round}/${rounds}  ${contender.section.padEnd(5)} ${contender.name.padEnd(32)} ${String(connections).padStart(3)} connections  ${measured.rps.toFixed(0).padStart(6)} requests/s  p99 ${measured.p99.toFixed(1)} ms${measured.errors ? `  ${measured.errors} errors` : ''}`,
        );
      }
    } catch (error) {
      console.log(`${contender.name}: ${error instanceof Error ? error.message : error}`);
    } finally {
      await stop(server);
    }
  }
const floors = { small: await floor('small'), mid: await floor('mid') };
await writeReport({ seconds, rounds, results, floors });

async function ready(url: string, server: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    if (server.exitCode !== null) throw new Error(`ended with code ${server.exitCode}`);
    const method = url.endsWith('/') || !url.slice(8).includes('/') ? 'POST' : 'GET';
    const answered = await fetch(url, { method, ...(method === 'POST' ? { body: '{}' } : {}) }).then(
      (response) => response.ok,
      () => false,
    );
    if (answered) return;
    await sleep(100);
  }
  throw new Error('not ready after 30 s');
}

async function load(
  { path, body, headers = [] }: Contender,
  port: number,
  connections: number,
  time: number,
): Promise<Measured> {
  const file = join(folder, `body-${port}`);
  await writeFile(file, body);
  const wrk = spawn('wrk', [
    '-t1',
    `-c${connections}`,
    `-d${time}s`,
    '--timeout',
    '20s',
    '-s',
    join(root, 'scripts/bench/post.lua'),
    `http://127.0.0.1:${port}${path}`,
    '--',
    file,
    ...headers,
  ]);
  let output = '';
  wrk.stdout.on('data', (chunk) => {
    output += chunk;
  });
  await once(wrk, 'exit');
  const line = /^JSON (\{.*\})/m.exec(output)?.[1];
  if (!line) throw new Error(`wrk: ${output.slice(0, 300)}`);
  const { rps, p50_ms, p99_ms, non2xx, sockerr, timeouts } = JSON.parse(line) as Record<string, number>;
  return { rps: rps!, p50: p50_ms!, p99: p99_ms!, errors: non2xx! + sockerr! + timeouts! };
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null) return;
  const exited = once(server, 'exit');
  server.kill('SIGTERM');
  const timer = setTimeout(() => server.kill('SIGKILL'), 15_000);
  await exited;
  clearTimeout(timer);
  await sleep(300);
}

/** Rows a second of session.run in a loop on one thread, at the best batch. */
async function floor(model: keyof typeof modelRows): Promise<{ rows: number; batch: number }> {
  const session = await InferenceSession.create(join(models, model, '1/model.onnx'), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  let best = { rows: 0, batch: 0 };
  for (const batch of [1, 8, 16, 32, 64]) {
    const data = Array.from({ length: batch }, () => modelRows[model]).flat();
    const shape = [batch, modelRows[model].length];
    const feeds: Record<string, Tensor> =
      model === 'small'
        ? {
            ids: new Tensor(
              'int64',
              BigInt64Array.from(data, (id) => BigInt(id)),
              shape,
            ),
          }
        : { x: new Tensor('float32', Float32Array.from(data), shape) };
    const started = performance.now();
    let count = 0;
    while (performance.now() - started < 2_000) {
      await session.run(feeds);
      count += batch;
    }
    const rate = (count * 1_000) / (performance.now() - started);
    if (rate > best.rows) best = { rows: rate, batch };
  }
  return best;
}
