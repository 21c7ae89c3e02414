import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Running, startServer } from '../../inference-container/server.ts';
import { parseSettings } from '../../inference-container/settings.ts';

const workerScript = new URL('../../inference-container/models/worker.ts', import.meta.url);

export interface Served extends Running {
  url: string;
  /** MODEL_DIR. */
  folder: string;
}

export interface Options {
  settings?: Record<string, string>;
  workers?: number;
  script?: URL;
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
  });
  after(async () => {
    await served?.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
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
  { settings = {}, workers = 1, script = workerScript, ready = true }: Options = {},
): Promise<Served> {
  const environment = {
    PORT: '0',
    HOST: '127.0.0.1',
    MODEL_DIR: folder,
    MODEL_WATCH_SECONDS: '0',
    LOG_LEVEL: 'silent',
    ...settings,
  };
  const running = await startServer(parseSettings(environment), workers, script);
  const served = { ...running, url: `http://127.0.0.1:${running.port}`, folder };
  if (ready) await eventually(async () => (await call(served, 'GET', '/v2/health/ready')).status === 200);
  return served;
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
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
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
