import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { environment } from '../../inference-container/environment.ts';
import { pythonFound } from '../attack/schemathesis.ts';
import { machine } from '../bench/report.ts';
import { buildInference } from '../build/inference.ts';
import { freePort } from '../local/ports.ts';
import { Wire } from './wire.ts';

/** Each by what it needs installed: KServe and MLServer want different versions of the same package. */
const CLIENTS = {
  triton: 'requirements.txt',
  kserve: 'requirements-kserve.txt',
  mlserver: 'requirements.txt',
} as const;
type Client = keyof typeof CLIENTS;
const names = Object.keys(CLIENTS) as Client[];

const HELP = `npm run bench:clients: what Python clients of the Open Inference Protocol get from the model server

  --client ${names.join(' | ')}   one of them only
  --bytes                              what a call sent and was answered, where it did not become of it what should
  --write                              into docs/benchmarks/clients.md

Every call of tritonclient (blocking and asyncio), of KServe's REST client and of MLServer's types and codecs, its answer
checked. What should become of each stands in ask_<client>.py; ends with 1 where something else did. Needs Python 3.11 or
newer, which installs into .local/clients once.
`;

/** A call: what should become of it and what did: `works`, `refused <status>`, `client error` or `wrong answer`. */
interface Row {
  table: string;
  call: string;
  expected: string;
  /** What is to know of it, or why it should be refused, and what the refusal must say. */
  why: string;
  says: string;
  result: string;
  message: string;
  held: boolean;
}

const { values } = parseArgs({
  options: {
    client: { type: 'string' },
    bytes: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const chosen = names.filter((name) => values.client === undefined || values.client === name);
if (chosen.length === 0 || (values.write && chosen.length < names.length)) {
  console.error(`--client must be one of ${names.join(', ')}, and --write writes of all`);
  process.exit(1);
}

/** Milliseconds that a client may take for all of its calls. */
const CLIENT_MS = 300_000;
/** Bytes of a request and of an answer that are shown. */
const SHOWN_BYTES = 1_200;
const KEY = 'a-key-of-these-clients';
const local = join(import.meta.dirname, '../../.local/clients');

const pythons = new Map<string, string>();
for (const file of new Set(['requirements.txt', ...chosen.map((name) => CLIENTS[name])]))
  pythons.set(file, await installed(file));
const folder = await mkdtemp(join(tmpdir(), 'maru-clients-'));
const rows: Row[] = [];
/** Of the packages of each client, in words: they differ. */
const versions: string[] = [];
let server: ChildProcess | undefined;
try {
  const models = join(folder, 'models');
  run(pythons.get('requirements.txt')!, [join(import.meta.dirname, 'models.py'), models]);
  // Not into dist: somebody else may be running from that.
  const built = join(local, 'server');
  await buildInference(built);
  const port = await freePort();
  server = await started(join(built, 'main.js'), models, port);
  for (const name of chosen) {
    const wire = values.bytes ? new Wire(port) : null;
    await asked(name, wire ? await wire.listen() : port, wire);
    wire?.close();
  }
  if (server.exitCode !== null) throw new Error(`the server ended with ${server.exitCode}`);
} finally {
  server?.kill('SIGTERM');
  if (server && server.exitCode === null) await new Promise((done) => server!.once('exit', done));
  await rm(folder, { recursive: true, force: true });
}

const used = versions.join(', ');
const failed = rows.filter(({ held }) => !held);
console.log(`\n${used}\n${rows.length} calls, ${failed.length} of which did not become what they should.`);
if (values.write) {
  await writeFile(join(import.meta.dirname, '../../docs/benchmarks/clients.md'), report());
  console.log('Written: docs/benchmarks/clients.md');
}
process.exitCode = failed.length === 0 ? 0 : 1;

/** The Python of a virtual environment with the packages of a file, made where there is none or of other versions. */
async function installed(file: string): Promise<string> {
  const wanted = await readFile(join(import.meta.dirname, file), 'utf8');
  const venv = join(local, file.replace('.txt', ''));
  const python = join(venv, 'bin/python');
  const stamp = join(venv, file);
  if ((await readFile(stamp, 'utf8').catch(() => '')) === wanted) return python;
  const own = pythonFound();
  if (!own) throw new Error('the clients need Python 3.11 or newer, with venv');
  console.log(`Installing ${file} below ${venv} …`);
  run(own, ['-m', 'venv', '--clear', venv]);
  run(python, ['-m', 'pip', 'install', '--quiet', '-r', join(import.meta.dirname, file)]);
  await writeFile(stamp, wanted);
  return python;
}

function run(command: string, args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args[0]}: ${stderr.slice(-1_000)}`);
}

async function started(script: string, models: string, port: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [script], {
    env: {
      ...process.env,
      ...environment,
      PORT: String(port),
      HOST: '127.0.0.1',
      MODEL_DIR: models,
      MODEL_SETTLE_SECONDS: '0',
      WORKERS: '1',
      REPOSITORY_KEY: KEY,
      LOG_LEVEL: 'error',
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  for (let time = 0; time < 300; time += 1) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`);
    if (await ready(port)) return child;
    await sleep(100);
  }
  child.kill('SIGKILL');
  throw new Error('the server is not ready after 30 s');
}

function ready(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/v2/health/ready`).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** Asks all calls of a client, and shows each as it comes. */
async function asked(name: Client, port: number, wire: Wire | null): Promise<void> {
  const script = join(import.meta.dirname, 'clients.py');
  // Not a proxy of this machine's, nor files beside the sources.
  const env = { ...process.env, NO_PROXY: '*', PYTHONDONTWRITEBYTECODE: '1' };
  const child = spawn(pythons.get(CLIENTS[name])!, [script, name, `127.0.0.1:${port}`, KEY], { env });
  const late = setTimeout(() => child.kill('SIGKILL'), CLIENT_MS);
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-2_000);
  });
  const ended = new Promise<number | null>((done) => child.once('close', done));
  for await (const line of createInterface({ input: child.stdout })) {
    const given = JSON.parse(line) as Row | { versions: Record<string, string> };
    const { sent, answered } = wire?.take() ?? {};
    if ('versions' in given) {
      const [own, ...beside] = Object.entries(given.versions).map(([of, version]) => `${of} ${version}`);
      versions.push(`${own} (${beside.join(', ')})`);
    } else {
      if (rows.at(-1)?.table !== given.table) console.log(`\n${given.table}`);
      rows.push(given);
      console.log(`  ${given.held ? ' ' : '✗'} ${given.call.padEnd(66)} ${given.result.padEnd(12)} ${remark(given)}`);
      if (!given.held && sent && answered) console.log(`${shown('→', sent)}\n${shown('←', answered)}`);
    }
    // It waits for this: nothing of the next call is on the wire yet.
    child.stdin.write('\n');
  }
  const code = await ended;
  clearTimeout(late);
  if (code !== 0) throw new Error(`the client ${name} ended with ${code}\n${errors}`);
}

/** What should have become of it. */
function wanted({ expected, says }: Row): string {
  return `should: ${expected}${says ? `, with "${says}"` : ''}`;
}

function remark(row: Row): string {
  const said = row.message.replaceAll(/\s+/g, ' ').slice(0, 160);
  if (row.held) return said || row.why;
  return [said, wanted(row), row.why].filter(Boolean).join('; ');
}

function shown(arrow: string, bytes: Buffer): string {
  // Bytes that are no text as \x.., so that all of them can be told.
  const text = bytes
    .subarray(0, SHOWN_BYTES)
    .toString('latin1')
    .replaceAll(/[^\n\x20-\x7e]/g, (byte) =>
      byte === '\r' ? '' : `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`,
    );
  const more = bytes.length > SHOWN_BYTES ? ` … ${bytes.length} bytes` : '';
  return `${text}${more}`.replaceAll(/^/gm, `      ${arrow} `);
}

function report(): string {
  const cell = (text: string) => text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').replaceAll('<', '&lt;');
  const sections = [...new Set(rows.map(({ table }) => table))].map((table) => {
    const lines = rows
      .filter((row) => row.table === table)
      .map((row) => {
        const { call, result, held, why, message } = row;
        const said = result === 'works' || !message ? '' : `“${cell(message).slice(0, 200)}”`;
        const reason = [cell(why), said].filter(Boolean).join(': ');
        return `| ${cell(call)} | ${held ? result : `**${result}**, ${cell(wanted(row))}`} | ${reason} |`;
      });
    return `## ${table}\n\n| call | result | reason |\n|---|---|---|\n${lines.join('\n')}\n`;
  });
  return `# Clients

${machine()}; ${used}. \`node scripts/run.mjs scripts/clients/index.ts\`: every call that these clients offer over HTTP, asked of the model server, and its answer checked. ${rows.length} calls, ${failed.length} of which did not become what they should. gRPC is not offered.

${sections.join('\n')}`;
}
