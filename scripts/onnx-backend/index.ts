import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { environment } from '../../inference-container/environment.ts';
import { pythonFound } from '../attack/schemathesis.ts';
import { buildInference } from '../build/inference.ts';
import { freePort } from '../local/ports.ts';
import * as joining from './joining-report.ts';
import * as report from './report.ts';

const HELP = `npm run bench:onnx: the ONNX backend suite through the model server

  --joining          instead: whether what is proven to answer rows by themselves does so when they are asked together
  --only <part>      cases whose kind/name has this in it
  --server <file>    a built server, instead of one of this tree: …/main.js
  --most <count>     models of one server; 400
  --write            docs/benchmarks/onnx-backend.md; each of both checks its part of it
  --rows <file>      every result, a line of JSON each

Each case by JSON and by binary tensors, compared with Python's onnxruntime (requirements.txt; needs Python 3.11 or newer,
installed below .local once). Ends with 1 where Python is right and the server is not, but for what V2 can't carry.
With --joining, each case's model with its first dimension open, in every choice of its inputs: ends with 1 where one is proven
and answers otherwise, or was until a probe of the server found it.
`;

const { values } = parseArgs({
  options: {
    joining: { type: 'boolean', default: false },
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
const program = values.joining ? 'joining.py' : 'suite.py';
const document = join(root, 'docs/benchmarks/onnx-backend.md');
const show = (text: string) => console.log(`${new Date().toISOString().slice(11, 19)}  ${text}`);

/** How long a server may take to open the models of one repository. */
const LOAD_MS = 600_000;

const python = await install(join(root, '.local/onnx-backend-venv'));
const { 'node_modules/onnxruntime-node': ours } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  .packages as Record<string, { version: string }>;
const versions: Record<string, string> = { ...run('suite.py', ['versions']), 'onnxruntime-node': ours!.version };
// A build of its own, and not dist: that may be made again meanwhile, and each repository has a server of its own.
const build = join(root, '.local/onnx-backend-server');
if (!values.server) await buildInference(build);
const script = values.server ? resolve(values.server) : join(build, 'main.js');
const folder = await mkdtemp(join(tmpdir(), 'maru-onnx-backend-'));
const started: ChildProcess[] = [];
process.once('SIGINT', () => process.exit(1)).once('SIGTERM', () => process.exit(1));
process.once('exit', () => {
  for (const child of started) child.kill('SIGKILL');
});
try {
  show(`onnx ${versions.onnx}, onnxruntime ${versions.onnxruntime} (Python), onnxruntime-node ${ours!.version}`);
  process.exitCode = (await (values.joining ? checkJoining() : checkSuite())) ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** Each case as it is. Whether the rule holds. */
async function checkSuite(): Promise<boolean> {
  const { repositories, leftOut } = layOut<{ leftOut: string[] }>();
  if (leftOut.length > 0) show(`left out, because their models must be downloaded: ${leftOut.join(', ')}`);
  const rows = await askEach<report.Row>(repositories, (came) => {
    const right = (way: 'python' | 'json' | 'binary') =>
      String(came.filter((row) => row[way].state === 'right').length).padStart(4);
    return `cases  right: Python ${right('python')}, JSON ${right('json')}, binary ${right('binary')}  breaks: ${came.filter(report.breaks).length}`;
  });
  console.log(`\n${report.summary(rows)}`);
  if (values.write) await write(report.table(rows, versions, leftOut));
  return !rows.some(report.breaks);
}

/** Variants whose rows may be joined. Whether the rule holds. */
async function checkJoining(): Promise<boolean> {
  const laid = layOut<joining.Laid>();
  const rows = await askEach<joining.Variant>(laid.repositories, (came) => {
    const said = (batching: string) =>
      String(came.filter((row) => row.batching.startsWith(batching)).length).padStart(4);
    return `variants  proven: ${said('proven')}  off: ${said('off')}  breaks: ${came.filter(joining.isWrong).length}`;
  });
  console.log(`\n${joining.summary(rows, laid)}`);
  if (values.write) await write(joining.section(rows, versions, laid));
  return !rows.some(joining.isWrong);
}

/** Writes the document's part of this check; the other's stays. */
async function write(part: string): Promise<void> {
  const text = existsSync(document) ? await readFile(document, 'utf8') : '';
  const at = text.indexOf(joining.HEADING);
  const [first, second] = at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at)];
  const parts = (values.joining ? [first, part] : [part, second]).map((one) => one.trimEnd());
  await writeFile(document, `${parts.filter(Boolean).join('\n\n')}\n`);
}

function layOut<Laid>(): Laid & { repositories: Repository[] } {
  const laid = run<Laid & { repositories: Repository[] }>(program, ['lay-out', folder, values.most, values.only]);
  if (laid.repositories.length === 0) throw new Error(`no case has ${values.only} in its kind/name`);
  return laid;
}

/** All cases of all repositories; `line` says of one what came. */
async function askEach<Row>(repositories: Repository[], line: (came: Row[]) => string): Promise<Row[]> {
  const rows: Row[] = [];
  const width = Math.max(...repositories.map(({ repository }) => repository.length));
  for (const repository of repositories) {
    const came = await ask<Row>(repository);
    for (const row of came) rows.push(row);
    show(`${repository.repository.padEnd(width)} ${String(came.length).padStart(4)} ${line(came)}`);
  }
  if (values.rows) await writeFile(values.rows, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return rows;
}

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

/** What a program of this folder prints as JSON. */
function run<Printed extends object>(name: string, args: string[]): Printed {
  const { status, stdout } = spawnSync(python, [join(import.meta.dirname, name), ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) throw new Error(`${name} ${args[0]} ended with ${status}`);
  return JSON.parse(stdout) as Printed;
}

/** All cases of a repository. A server that ends in the middle is started again for those that are left. */
async function ask<Row>({ repository, cases }: Repository): Promise<Row[]> {
  const models = join(folder, repository);
  const came: Row[] = [];
  while (came.length < cases) {
    const before = came.length;
    const { child, url } = await serve(models, cases);
    const args = [join(import.meta.dirname, program), 'ask', models, url, String(before)];
    const asked = start(python, args, ['ignore', 'pipe', 'inherit']);
    const ended = new Promise((done) => asked.once('close', done));
    for await (const line of createInterface({ input: asked.stdout! })) came.push(JSON.parse(line) as Row);
    const code = await ended;
    await end(child);
    if (came.length === before || (code !== 0 && came.length < cases))
      throw new Error(`${program} ended with ${code} after ${came.length} of ${cases} cases of ${repository}`);
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
    // Each thread joins what it has read itself.
    ...(values.joining ? { HTTP_THREADS: '1' } : {}),
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
