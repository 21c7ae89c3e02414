import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { environment } from '../../inference-container/environment.ts';
import { buildInference } from '../build.ts';
import { freePorts } from '../local/ports.ts';
import { rows as modelRows, text, writeModels } from './models.ts';
import { machine, percentile } from './report.ts';

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
const CORES = 2;
/** Seconds until every contender's code is compiled and its caches are warm. */
const WARM_UP = 6;

/** What is asked: the sections of the report. */
const sections = {
  small: 'Small text model: ids[batch, 32] → the likeliest of 150 classes and its probability',
  wide: 'The same, all 150 probabilities',
  mid: 'Mid-size model: x[batch, 256] → 64',
} as const;
type Section = keyof typeof sections;
type Model = keyof typeof modelRows;
interface Contender {
  name: string;
  section: Section;
  start(port: number): ChildProcess;
  path: string;
  body: Buffer;
  headers?: string[];
  ready: string;
  connections: number[];
}
interface Measured {
  rps: number;
  p50: number;
  p99: number;
  errors: number;
}

await buildInference();
await writeModels(models);
const input = (model: Model) => ({
  name: model === 'small' ? 'ids' : 'x',
  datatype: model === 'small' ? 'INT64' : 'FP32',
  shape: [1, modelRows[model].length],
});
const json = (body: object) => Buffer.from(JSON.stringify(body));
const v2 = (model: Model) => json({ inputs: [{ ...input(model), data: modelRows[model] }] });
const natural = (model: Model) => json({ [input(model).name]: [modelRows[model]] });

/** The small model's row by the binary tensor extension, both ways. */
function binary(): { body: Buffer; headers: string[] } {
  const bytes = Buffer.from(BigInt64Array.from(modelRows.small, (id) => BigInt(id)).buffer);
  const inputs = [{ ...input('small'), parameters: { binary_data_size: bytes.length } }];
  const head = json({ inputs, parameters: { binary_data_output: true } });
  return {
    body: Buffer.concat([head, bytes]),
    headers: ['Content-Type: application/octet-stream', `Inference-Header-Content-Length: ${head.length}`],
  };
}

const maru =
  (workers: number, http = CORES) =>
  (port: number) =>
    node(join(root, 'dist/inference-container/main.js'), [], {
      PORT: String(port),
      HOST: '127.0.0.1',
      MODEL_DIR: models,
      WORKERS: String(workers),
      HTTP_THREADS: String(http),
      LOG_LEVEL: 'warn',
      MODEL_WATCH_SECONDS: '0',
    });

const MANY = [1, 8, 32, 128];
const server = { ready: '/v2/health/ready', connections: MANY };
const ceiling = (kind: 'maru' | 'node', section: 'small' | 'wide', threads: number): Contender => ({
  name: `${kind === 'maru' ? "Maru's HTTP" : "Node's HTTP"}, constant answer, ${threads} thread${threads > 1 ? 's' : ''}`,
  section,
  start: (port: number) =>
    node(join(root, 'scripts/bench/constant.ts'), [kind, String(port), constantAnswer(section), String(threads)]),
  path: '/',
  body: v2('small'),
  ready: '',
  connections: section === 'small' && kind === 'maru' ? MANY : [32],
});
const contenders: Contender[] = [
  ...([1, CORES] as const).flatMap((threads) => [ceiling('maru', 'small', threads), ceiling('node', 'small', threads)]),
  ceiling('maru', 'wide', CORES),
];
for (const section of ['small', 'mid'] as const) {
  const body = v2(section);
  for (const workers of [1, 2])
    contenders.push({
      ...server,
      name: `Maru, ${workers} worker${workers > 1 ? 's' : ''}`,
      section,
      start: maru(workers),
      path: `/v2/models/${section}/infer`,
      body,
    });
  if (section === 'small')
    contenders.push({
      ...server,
      name: 'Maru, 1 worker, 1 HTTP thread',
      section,
      start: maru(1, 1),
      path: '/v2/models/small/infer',
      body,
    });
  const single = `/v2/models/${section}-single/infer`;
  contenders.push({ ...server, name: 'Maru, unbatched', section, start: maru(1), path: single, body });
}
contenders.push(
  {
    ...server,
    name: 'Maru, binary tensors',
    section: 'small',
    start: maru(1),
    path: '/v2/models/small/infer',
    ...binary(),
  },
  {
    ...server,
    name: 'Maru, strings (12 words)',
    section: 'small',
    start: maru(1),
    path: '/v1/models/words:predict',
    body: json({ instances: [text] }),
  },
  {
    ...server,
    name: 'Maru, 1 worker',
    section: 'wide',
    start: maru(1),
    path: '/v2/models/wide/infer',
    body: v2('small'),
    connections: [32],
  },
);
if (values.peers) contenders.push(...(await peers()));

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
await writeReport();

function node(script: string, args: string[], settings: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, ...args], {
    env: { ...process.env, ...environment, ...settings },
    stdio: 'ignore',
  });
}

/** An answer as long as the model's. */
function constantAnswer(section: 'small' | 'wide'): string {
  const count = section === 'small' ? 2 : 150;
  const data = Array.from({ length: count }, (_, index) => Math.fround(1 / (index + 100)));
  return JSON.stringify({
    model_name: 'small',
    model_version: '1',
    outputs: [{ name: section === 'small' ? 'best' : 'probabilities', datatype: 'FP32', shape: [1, count], data }],
  });
}

async function peers(): Promise<Contender[]> {
  const found: Contender[] = [];
  for (const peer of ['flask', 'fastapi', 'mlserver', 'bentoml']) {
    const own = join(root, 'scripts/bench/peers', peer);
    const venv = join(folder, 'peers', peer);
    if (spawnSync(join(venv, 'bin/python'), ['--version']).error) {
      console.log(`Making a Python environment for ${peer} …`);
      const made = spawnSync('bash', [join(root, 'scripts/bench/peers/setup.sh'), own, venv], {
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      if (made.status !== 0) {
        console.log(`${peer} is left out.`);
        continue;
      }
    }
    const setups = peer === 'flask' || peer === 'fastapi' ? ['documented', 'tuned'] : [''];
    for (const model of ['small', 'mid'] as const) {
      const file = join(folder, `${model}.onnx`);
      execFileSync('cp', [join(models, model, '1/model.onnx'), file]);
      for (const setup of setups) {
        const environment = {
          ...process.env,
          PEER_VENV: venv,
          PEER_RUN: join(folder, 'run'),
          PEER_SETUP: setup,
          BENTOML_HOME: join(folder, 'bentoml'),
          ...(model === 'small' ? { PEER_IO: 'ids,int64,best' } : {}),
        };
        found.push({
          name: setup ? `${peer}, ${setup}` : peer,
          section: model,
          start: (port) =>
            spawn('bash', [join(own, 'serve.sh'), String(port), file, String(CORES)], {
              env: environment,
              stdio: 'ignore',
            }),
          path: peer === 'mlserver' ? `/v2/models/${model}/infer` : '/predict',
          body: peer === 'mlserver' ? v2(model) : natural(model),
          ready: { mlserver: `/v2/models/${model}/ready`, bentoml: '/readyz' }[peer] ?? '/health',
          connections: [32],
        });
      }
    }
  }
  return found;
}

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
  const line = /JSON (\{.*\})/.exec(output)?.[1];
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
async function floor(model: Model): Promise<{ rows: number; batch: number }> {
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

async function writeReport(): Promise<void> {
  const median = (of: Measured[], pick: (measured: Measured) => number) => percentile(of.map(pick), 0.5);
  const lines: string[] = [
    '# Inference',
    '',
    `${machine()}. \`npm run bench:inference\`: wrk with one thread on the same ${CORES} cores, keep-alive, ${seconds} s each, ${rounds} alternated rounds, median (least–most). Maru with ${CORES} HTTP threads where it does not say. Peers as their documentation sets them up, and where that is not the fastest also tuned (scripts/bench/peers). A constant answer is the ceiling: the request is read, its JSON parsed, nothing is run.`,
    '',
  ];
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
        if (connections === 32) bars.push({ name: `${section}: ${contender.name}`, rps });
      }
    lines.push('');
  }
  lines.push('![Requests a second at 32 connections](inference.svg)', '');
  await mkdir(join(root, 'docs/benchmarks'), { recursive: true });
  await writeFile(join(root, 'docs/benchmarks/inference.md'), lines.join('\n'));
  await writeFile(join(root, 'docs/benchmarks/inference.svg'), chart(bars));
  console.log(`\n${lines.join('\n')}\nWritten to docs/benchmarks/inference.md`);
}

/** Bars on a logarithmic scale: a tenth of the width is a tenth of the logarithm. */
function chart(bars: { name: string; rps: number }[]): string {
  const [width, row] = [760, 24];
  const most = Math.log10(Math.max(...bars.map(({ rps }) => rps)));
  const parts = bars.map(({ name, rps }, index) => {
    const length = Math.max(2, ((Math.log10(Math.max(rps, 10)) - 1) / (most - 1)) * (width - 380));
    const colour = name.includes('Maru') ? '#0b6e4f' : '#9aa5a0';
    return `<text x="280" y="${index * row + 17}" text-anchor="end">${name}</text><rect x="288" y="${index * row + 4}" width="${length.toFixed(0)}" height="${row - 8}" fill="${colour}"/><text x="${(294 + length).toFixed(0)}" y="${index * row + 17}">${rps.toFixed(0)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${bars.length * row + 8}" font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>${parts.join('')}</svg>\n`;
}
