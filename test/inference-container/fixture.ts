import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { environment } from '../../inference-container/environment.ts';
import { type Running, startServer } from '../../inference-container/server.ts';
import { parseSettings } from '../../inference-container/settings.ts';

/** What loads and unloads models of the servers here. */
export const REPOSITORY_KEY = 'a-key-of-the-tests';
export const workerScript = new URL('../../inference-container/models/worker.ts', import.meta.url);
export const frontScript = new URL('../../inference-container/http/front.ts', import.meta.url);

export interface Served extends Running {
  url: string;
  /** MODEL_DIR. */
  folder: string;
}

export interface Options {
  settings?: Record<string, string>;
  workers?: number;
  script?: URL;
  /** Threads that serve HTTP beside the first: 0. */
  fronts?: number;
  /** What a test file needs to know of the server before its tests. */
  started?: (server: Served) => Promise<void>;
  /** false: does not wait for the server to be ready. */
  ready?: boolean;
}

/** A server of models of one's own, for one test file: `prepare` fills its repository before it starts. */
export function useServer(prepare: (folder: string) => Promise<void>, options: Options = {}): { readonly it: Served } {
  let served: Served | undefined;
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'maru-models-'));
    await prepare(folder);
    served = await serve(folder, options);
    await options.started?.(served);
  });
  after(async () => {
    const clean = await served?.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
    assert.notEqual(clean, false, 'the server did not finish in time');
  });
  return {
    get it() {
      if (!served) throw new Error('the server is not started yet');
      return served;
    },
  };
}

/** Starts a server on a folder, and waits until it is ready. */
export async function serve(
  folder: string,
  { settings = {}, workers = 1, script = workerScript, fronts = 0, ready = true }: Options = {},
): Promise<Served> {
  const environment = {
    PORT: '0',
    HOST: '127.0.0.1',
    MODEL_DIR: folder,
    MODEL_WATCH_SECONDS: '0',
    // What a test writes is whole.
    MODEL_SETTLE_SECONDS: '0',
    REPOSITORY_KEY,
    LOG_LEVEL: 'silent',
    ...settings,
  };
  const others = fronts > 0 ? { count: fronts, script: frontScript } : null;
  const running = await startServer(parseSettings(environment), { count: workers, script }, others);
  const served = { ...running, url: `http://127.0.0.1:${running.port}`, folder };
  if (ready) await eventually(async () => (await call(served, 'GET', '/v2/health/ready')).status === 200);
  const key: Record<string, string> = settings.INFERENCE_KEY
    ? { authorization: `Bearer ${settings.INFERENCE_KEY}` }
    : {};
  await eventually(async () =>
    (await call(served, 'GET', '/metrics', undefined, key)).text.includes(`\nmaru_http_threads ${fronts + 1}\n`),
  );
  return served;
}

export interface Process {
  url: string;
  port: number;
  child: ChildProcess;
  /** Its code and signal. */
  exited: Promise<unknown[]>;
  /** Everything it wrote, line by line. */
  lines(): string[];
  /** What it wrote to stderr. */
  complaints(): string;
}

/** Starts the server as the container runs it, in a process of its own, and waits until it is ready. */
export async function startProcess(folder: string, settings: Record<string, string> = {}): Promise<Process> {
  const main = join(import.meta.dirname, '../../inference-container/main.ts');
  const base = {
    PORT: '0',
    HOST: '127.0.0.1',
    MODEL_DIR: folder,
    WORKERS: '1',
    MODEL_SETTLE_SECONDS: '0',
    REPOSITORY_KEY,
    ...environment,
  };
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main], {
    env: { ...process.env, ...base, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  let output = '';
  let complaints = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  child.stderr.on('data', (text) => (complaints += text));
  const port = await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}: ${output}`);
    return Number(/"port":(\d+)/.exec(output)?.[1]);
  });
  const url = `http://127.0.0.1:${port}`;
  await eventually(async () => (await call({ url }, 'GET', '/v2/health/ready')).status === 200);
  return { url, port, child, exited, lines: () => output.trim().split('\n'), complaints: () => complaints };
}

export interface Package {
  /** `model.json`; name and version are added. */
  manifest?: object;
  files?: Record<string, string | Uint8Array>;
}

/** Writes one version as a release would: whole, by rename. */
export async function writeModel(
  folder: string,
  name: string,
  version: string,
  model: string | Uint8Array,
  { manifest, files = {} }: Package = {},
): Promise<string> {
  const target = join(folder, name, version);
  const draft = join(folder, name, `.${version}.draft`);
  await mkdir(draft, { recursive: true });
  await writeFile(join(draft, 'model.onnx'), model);
  for (const [file, content] of Object.entries(files)) await writeFile(join(draft, file), content);
  if (manifest) await writeFile(join(draft, 'model.json'), JSON.stringify({ name, version, ...manifest }));
  await rename(draft, target);
  return target;
}

export const sha256 = (bytes: string | Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

export interface Answer {
  status: number;
  headers: Headers;
  bytes: Buffer;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever came back
  body: any;
}

/** One request; strings and bytes are sent as they are, anything else as JSON. */
export async function call(
  { url }: { url: string },
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Answer> {
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  const key: Record<string, string> = path.startsWith('/v2/repository/models/')
    ? { authorization: `Bearer ${REPOSITORY_KEY}` }
    : {};
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...key, ...headers },
    ...(body === undefined ? {} : { body: (raw ? body : JSON.stringify(body)) as BodyInit }),
    ...(signal ? { signal } : {}),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  const text = bytes.toString('utf8');
  const json = response.headers.get('content-type')?.includes('json') ?? false;
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    text,
    body: json && text ? JSON.parse(text) : text,
  };
}

/** POST /v2/models/{path}/infer */
export function infer(
  server: { url: string },
  path: string,
  inputs: unknown,
  more: object = {},
  signal?: AbortSignal,
): Promise<Answer> {
  return call(server, 'POST', `/v2/models/${path}/infer`, { inputs, ...more }, {}, signal);
}

/** An inference request with tensors behind its JSON, as the binary extension wants it. */
export function withBinary(json: object | string, ...parts: Uint8Array[]): [Buffer, Record<string, string>] {
  const head = Buffer.from(typeof json === 'string' ? json : JSON.stringify(json));
  const headers = {
    'content-type': 'application/octet-stream',
    'inference-header-content-length': String(head.length),
  };
  return [Buffer.concat([head, ...parts]), headers];
}

interface Output {
  name: string;
  datatype: string;
  shape: number[];
  data?: unknown[];
  parameters?: { binary_data_size?: number };
}

/** A response of the binary extension: its JSON, and the bytes of each output that came as binary. */
export function readBinary({ headers, bytes }: Answer): {
  json: { outputs: Output[]; id?: string };
  parts: Record<string, Buffer>;
} {
  const length = Number(headers.get('inference-header-content-length') ?? bytes.length);
  const json = JSON.parse(bytes.subarray(0, length).toString('utf8')) as { outputs: Output[] };
  const parts: Record<string, Buffer> = {};
  let at = length;
  for (const { name, parameters } of json.outputs) {
    const size = parameters?.binary_data_size;
    if (size === undefined) continue;
    parts[name] = bytes.subarray(at, at + size);
    at += size;
  }
  assert.equal(at, bytes.length, 'the sizes of the binary outputs add up to the body');
  return { json, parts };
}

/** The body is an error of the protocol: one string that says something, and gives no internals away. */
export function refused(answer: Answer, status: number, says: RegExp = /./): void {
  assert.equal(answer.status, status, answer.text.slice(0, 300));
  assert.deepEqual(Object.keys(answer.body), ['error']);
  assert.equal(typeof answer.body.error, 'string');
  assert.match(answer.body.error, says);
  assert.doesNotMatch(answer.body.error, /\n {4}at /, 'no stack trace');
}

export interface Entry {
  name: string;
  version: string;
  state: string;
  reason: string;
  batching?: string;
}

/** POST /v2/repository/index, of one model or all. */
export async function index(server: { url: string }, name?: string): Promise<Entry[]> {
  const { body } = await call(server, 'POST', '/v2/repository/index', {});
  return (body as Entry[]).filter((entry) => name === undefined || entry.name === name);
}

/** What /metrics shows of one series: the sum of the samples that have all these labels. */
export async function metric(server: { url: string }, name: string, labels: Record<string, string>): Promise<number> {
  const { text } = await call(server, 'GET', '/metrics');
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`))
    .filter((line) => Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

/** Waits until `look` gives something; throws after `seconds`. */
export async function eventually<T>(look: () => Promise<T | null | undefined | false>, seconds = 20): Promise<T> {
  const end = Date.now() + seconds * 1_000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${look}`);
    await sleep(20);
  }
}

/** Turns of models.slow(), which a server has as `slow`, that take a second on this machine, about. */
export async function turnsASecond(server: { url: string }): Promise<number> {
  await infer(server, 'slow', turns(10));
  const started = performance.now();
  await infer(server, 'slow', turns(300));
  return Math.round(300_000 / (performance.now() - started));
}

/** Has models.slow() take so many turns. */
export const turns = (count: number) => [{ name: 'x', datatype: 'INT64', shape: [1], data: [Math.ceil(count)] }];

/**
 * Keeps the only worker of a server busy for so many turns of `slow`, the job that it has at hand being the second half; `ended`
 * when both are done. With more turns where those are over before both are there.
 */
export async function occupy(server: { url: string }, count: number): Promise<{ ended: Promise<void> }> {
  for (let all = count; ; all *= 2) {
    const halves: Promise<Answer>[] = [];
    let over = false;
    for (const running of [1, 2]) {
      halves.push(infer(server, 'slow', turns(all / 2)).finally(() => (over = true)));
      await eventually(
        async () => over || (await metric(server, 'maru_inference_running_requests', { model: 'slow' })) === running,
      );
    }
    const ended = Promise.all(halves).then((answers) => {
      for (const { status, text } of answers) assert.equal(status, 200, text);
    });
    if (!over) return { ended };
    await ended;
  }
}

/**
 * Whether `ask` is answered while the only worker is busy for so many turns of `slow`. Tried three times: one slow moment of
 * this machine sends even a quick job to the workers.
 */
export async function answeredMeanwhile(
  server: { url: string },
  count: number,
  ask: () => Promise<unknown>,
): Promise<boolean> {
  for (let attempt = 0; attempt < 3; attempt += 1) {
    let busy = true;
    const { ended } = await occupy(server, count);
    const freed = ended.then(() => (busy = false));
    await ask();
    const first = busy;
    await freed;
    if (first) return true;
  }
  return false;
}

/**
 * Does something that needs the only worker to be busy for so many turns of `slow`; once more, with more turns, when the worker
 * was free before it was done. What it gives may hold promises of what comes when the worker is free.
 */
export async function whileBusy<T>(server: { url: string }, count: number, work: () => Promise<T>): Promise<T> {
  for (let all = count; ; all *= 2) {
    let busy = true;
    const { ended } = await occupy(server, all);
    const freed = ended.then(() => (busy = false));
    const [outcome] = await Promise.allSettled([work()]);
    const enough = busy || all >= count * 8;
    await freed;
    if (!enough) continue;
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  }
}

/** Asks a quick model so often that it needs no worker any more; `second` as of {@link turnsASecond}. */
export async function familiar(server: { url: string }, second: number, ask: () => Promise<Answer>): Promise<void> {
  for (let time = 0; time < 50; time += 1) {
    const { status, text } = await ask();
    assert.equal(status, 200, text);
  }
  await sleep(100);
  assert.ok(await answeredMeanwhile(server, second / 4, ask), 'it still waits for the worker');
}
