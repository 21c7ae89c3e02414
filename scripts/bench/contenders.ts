import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { environment } from '../../inference-container/environment.ts';
import { rows as modelRows, text } from './models.ts';

/** What is asked: the sections of the report. */
export const sections = {
  small: 'Small text model: ids[batch, 32] → the likeliest of 150 classes and its probability',
  wide: 'The same, all 150 probabilities',
  mid: 'Mid-size model: x[batch, 256] → 64',
} as const;
export type Section = keyof typeof sections;
type Model = keyof typeof modelRows;

/** A server that is measured: how it is started, what it is asked, and over how many connections at once. */
export interface Contender {
  name: string;
  section: Section;
  start(port: number): ChildProcess;
  path: string;
  body: Buffer;
  headers?: string[];
  ready: string;
  connections: number[];
}

const root = join(import.meta.dirname, '../..');
/** Cores, and with them threads and workers of each. */
export const CORES = 2;

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
  (models: string, workers: number, http = CORES) =>
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

/** This server and its ceilings, with the models of a folder. */
export function ours(models: string): Contender[] {
  const contenders: Contender[] = [
    ...([1, CORES] as const).flatMap((threads) => [
      ceiling('maru', 'small', threads),
      ceiling('node', 'small', threads),
    ]),
    ceiling('maru', 'wide', CORES),
  ];
  for (const section of ['small', 'mid'] as const) {
    const body = v2(section);
    for (const workers of [1, 2])
      contenders.push({
        ...server,
        name: `Maru, ${workers} worker${workers > 1 ? 's' : ''}`,
        section,
        start: maru(models, workers),
        path: `/v2/models/${section}/infer`,
        body,
      });
    if (section === 'small')
      contenders.push({
        ...server,
        name: 'Maru, 1 worker, 1 HTTP thread',
        section,
        start: maru(models, 1, 1),
        path: '/v2/models/small/infer',
        body,
      });
    const single = `/v2/models/${section}-single/infer`;
    contenders.push({ ...server, name: 'Maru, unbatched', section, start: maru(models, 1), path: single, body });
  }
  contenders.push(
    {
      ...server,
      name: 'Maru, binary tensors',
      section: 'small',
      start: maru(models, 1),
      path: '/v2/models/small/infer',
      ...binary(),
    },
    {
      ...server,
      name: 'Maru, strings (12 words)',
      section: 'small',
      start: maru(models, 1),
      path: '/v1/models/words:predict',
      body: json({ instances: [text] }),
    },
    {
      ...server,
      name: 'Maru, 1 worker',
      section: 'wide',
      start: maru(models, 1),
      path: '/v2/models/wide/infer',
      body: v2('small'),
      connections: [32],
    },
  );
  return contenders;
}

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

const PEERS = ['flask', 'fastapi', 'mlserver', 'bentoml'];

/** The peers that Python and its packages can be had for; `folder` keeps their environments. */
export function peers(folder: string, models: string): Contender[] {
  const found: Contender[] = [];
  for (const peer of PEERS) {
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
        const settings = {
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
              env: settings,
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

/** The versions of what is measured, as they are pinned. */
export async function versions(): Promise<string> {
  const { dependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const found = [`onnxruntime-node ${dependencies['onnxruntime-node']}`];
  const packages = { flask: ['Flask', 'gunicorn', 'onnxruntime'], fastapi: ['fastapi', 'uvicorn'] };
  for (const peer of PEERS) {
    const pinned = await readFile(join(root, 'scripts/bench/peers', peer, 'requirements.txt'), 'utf8');
    for (const name of packages[peer as keyof typeof packages] ?? [peer])
      found.push(`${name} ${new RegExp(`^${name}==(.*)$`, 'm').exec(pinned)?.[1]}`);
  }
  return found.join(', ');
}
