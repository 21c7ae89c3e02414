import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { environment } from '../../inference-container/environment.ts';
import { pythonFound } from '../attack/schemathesis.ts';
import { buildInference } from '../build.ts';
import { freePort } from '../local/ports.ts';
import { breaks, type Row, summary, table } from './report.ts';

const HELP = `node scripts/run.mjs scripts/onnx-backend/index.ts: the ONNX backend suite through the model server

  --only <part>      cases whose kind/name has this in it
  --server <file>    a built server, instead of one of this tree: …/main.js
  --most <count>     models of one server; 400
  --write            docs/benchmarks/onnx-backend.md
  --rows <file>      every result, a line of JSON each

Each case by JSON and by binary tensors, compared with Python's onnxruntime (requirements.txt; needs Python 3.11 or newer,
installed below .local once). Ends with 1 where Python is right and the server is not, but for what V2 can't carry.
`;

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    server: { type: 'string' },
    most: { type: 'string', default: '400' },
    write: { type: 'boolean', default: false },
    rows: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}

interface Repository {
  kind: string;
  repository: string;
  cases: number;
}

const root = join(import.meta.dirname, '../..');
const suite = join(import.meta.dirname, 'suite.py');
const show = (text: string) => console.log(`${new Date().toISOString().slice(11, 19)}  ${text}`);

/** How long a server may take to open the models of one repository. */
const LOAD_MS = 600_000;

const python = await install(join(root, '.local/onnx-backend-venv'));
const versions = JSON.parse(run(['versions'])) as Record<string, string>;
// A build of its own, and not dist: that may be made again meanwhile, and each repository has a server of its own.
const build = join(root, '.local/onnx-backend-server');
if (!values.server) await buildInference(build);
const script = values.server ? resolve(values.server) : join(build, 'main.js');
const folder = await mkdtemp(join(tmpdir(), 'maru-onnx-backend-'));
const started: ChildProcess[] = [];
const rows: Row[] = [];
process.once('SIGINT', () => process.exit(1)).once('SIGTERM', () => process.exit(1));
process.once('exit', () => {
  for (const child of started) child.kill('SIGKILL');
});
try {
  const { repositories, leftOut } = JSON.parse(run(['lay-out', folder, values.most, values.only])) as {
    repositories: Repository[];
    leftOut: string[];
  };
  if (repositories.length === 0) throw new Error(`no case has ${values.only} in its kind/name`);
  const { 'node_modules/onnxruntime-node': ours } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
    .packages as Record<string, { version: string }>;
  show(`onnx ${versions.onnx}, onnxruntime ${versions.onnxruntime} (Python), onnxruntime-node ${ours!.version}`);
  if (leftOut.length > 0) show(`left out, because their models must be downloaded: ${leftOut.join(', ')}`);
  const width = Math.max(...repositories.map(({ repository }) => repository.length));
  for (const repository of repositories) {
    const came = await ask(repository);
    rows.push(...came);
    const right = (way: 'python' | 'json' | 'binary') =>
      String(came.filter((row) => row[way].state === 'right').length).padStart(4);
    show(
      `${repository.repository.padEnd(width)} ${String(came.length).padStart(4)} cases  right: Python ${right('python')}, JSON ${right('json')}, binary ${right('binary')}  breaks: ${came.filter(breaks).length}`,
    );
  }
  console.log(`\n${summary(rows)}`);
  if (values.rows) await writeFile(values.rows, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  if (values.write)
    await writeFile(
      join(root, 'docs/benchmarks/onnx-backend.md'),
      table(rows, { ...versions, 'onnxruntime-node': ours!.version }, leftOut),
    );
} finally {
  await rm(folder, { recursive: true, force: true });
}
process.exitCode = rows.some(breaks) ? 1 : 0;

/** A virtual environment with the packages of requirements.txt, made again when those change. */
async function install(venv: string): Promise<string> {
  const wanted = join(import.meta.dirname, 'requirements.txt');
  const stamp = join(venv, 'requirements.txt');
  const program = join(venv, 'bin/python');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === readFileSync(wanted, 'utf8')) return program;
  const found = pythonFound();
  if (!found) throw new Error('the ONNX backend suite needs Python 3.11 or newer');
  show('installing the packages of requirements.txt');
  for (const [command, ...args] of [
    [found, '-m', 'venv', '--clear', venv],
    [join(venv, 'bin/pip'), 'install', '--quiet', '--no-deps', '-r', wanted],
  ]) {
    const { status, stderr } = spawnSync(command!, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${command} ${args[0]}: ${stderr.slice(-1_000)}`);
  }
  await copyFile(wanted, stamp);
  return program;
}

function run(args: string[]): string {
  const { status, stdout } = spawnSync(python, [suite, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) throw new Error(`suite.py ${args[0]} ended with ${status}`);
  return stdout;
}

/** All cases of a repository. A server that ends in the middle is started again for those that are left. */
async function ask({ repository, cases }: Repository): Promise<Row[]> {
  const models = join(folder, repository);
  const came: Row[] = [];
  while (came.length < cases) {
    const before = came.length;
    const { child, url } = await serve(models, cases);
    const asked = start(python, [suite, 'ask', models, url, String(before)], ['ignore', 'pipe', 'inherit']);
    const ended = new Promise((done) => asked.once('close', done));
    for await (const line of createInterface({ input: asked.stdout! })) came.push(JSON.parse(line) as Row);
    const code = await ended;
    await end(child);
    if (came.length === before || (code !== 0 && came.length < cases))
      throw new Error(`suite.py ended with ${code} after ${came.length} of ${cases} cases of ${repository}`);
  }
  return came;
}

/** A server of one repository, once it has tried all of its models; it isn't ready while one of them can't be served. */
async function serve(models: string, cases: number): Promise<{ child: ChildProcess; url: string }> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = start(process.execPath, [script], ['ignore', 'ignore', 'inherit'], {
    ...environment,
    PORT: String(port),
    HOST: '127.0.0.1',
    MODEL_DIR: models,
    WORKERS: '1',
    MODEL_SETTLE_SECONDS: '0',
    MODEL_WATCH_SECONDS: '0',
    LOG_LEVEL: 'error',
  });
  const late = Date.now() + LOAD_MS;
  for (;;) {
    const index = await states(url);
    if (index.length >= cases && index.every((state) => state === 'READY' || state === 'UNAVAILABLE'))
      return { child, url };
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`the server ended (${child.exitCode ?? child.signalCode}) while it opened ${models}`);
    if (Date.now() > late) {
      await end(child);
      throw new Error(`of ${cases} models in ${models}, ${index.length} are in the index after ${LOAD_MS / 1_000} s`);
    }
    await sleep(250);
  }
}

async function states(url: string): Promise<string[]> {
  try {
    const answer = await fetch(`${url}/v2/repository/index`, { method: 'POST', body: '{}' });
    return ((await answer.json()) as { state: string }[]).map(({ state }) => state);
  } catch {
    // It does not listen yet.
    return [];
  }
}

function start(
  command: string,
  args: string[],
  stdio: ('ignore' | 'pipe' | 'inherit')[],
  settings: Record<string, string> = {},
): ChildProcess {
  const child = spawn(command, args, { env: { ...process.env, ...settings }, stdio });
  started.push(child);
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((done) => child.once('close', done));
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await ended;
  clearTimeout(late);
}
