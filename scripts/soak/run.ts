import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { Random } from '../../functions/training/random.ts';

export interface SoakOptions {
  /** The server, and its process where memory is read. */
  port: number;
  pid: number;
  /** REPOSITORY_KEY of the server. */
  key: string;
  seconds: number;
  clients: number;
  /** The model file behind `steady` and `churn`: ids int64[batch, n] in, one float output of [batch, m] out. */
  file: Uint8Array;
  ids: number;
  progress(text: string): void;
}

export interface SoakResult {
  requests: number;
  /** Answers by status. */
  statuses: Record<number, number>;
  /** Answers whose numbers are not those of the model by more than 1e-5. */
  wrong: number;
  /** Times the `churn` model was loaded or unloaded. */
  changes: number;
  /** Megabytes of anonymous memory, each second. */
  memory: number[];
}

/** Rows whose answers are known. */
const KNOWN = 200;
const TOLERANCE = 1e-5;

/** Full load on a model server whose `churn` model is loaded and unloaded all the while, every answer checked. */
export async function soak({
  port,
  pid,
  key,
  seconds,
  clients,
  file,
  ids,
  progress,
}: SoakOptions): Promise<SoakResult> {
  const random = new Random(3);
  const session = await InferenceSession.create(file, { intraOpNumThreads: 1 });
  const known: { data: number[]; shape: number[]; answer: Float32Array }[] = [];
  for (let index = 0; index < KNOWN; index += 1) {
    const rows = 1 + random.below(3);
    const data = Array.from({ length: rows * 4 }, () => random.below(ids));
    const output = await session.run({
      [session.inputNames[0]!]: new Tensor('int64', BigInt64Array.from(data, BigInt), [rows, 4]),
    });
    known.push({ data, shape: [rows, 4], answer: output[session.outputNames[0]!]!.data as Float32Array });
  }
  const input = session.inputNames[0]!;
  await session.release();

  const result: SoakResult = { requests: 0, statuses: {}, wrong: 0, changes: 0, memory: [] };
  const agent = new Agent({ keepAlive: true, maxSockets: clients + 2 });
  const end = Date.now() + seconds * 1_000;
  const post = (path: string, body: object) => send(agent, port, path, JSON.stringify(body), key);

  const client = async (seed: number) => {
    const own = new Random(seed);
    while (Date.now() < end) {
      const { data, shape, answer } = known[own.below(KNOWN)]!;
      const model = own.below(4) === 0 ? 'churn' : 'steady';
      const { status, body } = await post(`/v2/models/${model}/infer`, {
        inputs: [{ name: input, datatype: 'INT64', shape, data }],
      });
      result.requests += 1;
      result.statuses[status] = (result.statuses[status] ?? 0) + 1;
      if (status !== 200) {
        if (status === 503) await sleep(20);
        continue;
      }
      const came = (JSON.parse(body) as { outputs: [{ data: number[] }] }).outputs[0].data;
      const near =
        came.length === answer.length && came.every((value, at) => Math.abs(value - answer[at]!) <= TOLERANCE);
      if (!near) result.wrong += 1;
    }
  };
  const churn = async () => {
    while (Date.now() < end) {
      for (const action of ['unload', 'load']) {
        const { status, body } = await post(`/v2/repository/models/churn/${action}`, {});
        if (status !== 200) throw new Error(`${action}: ${status} ${body}`);
        result.changes += 1;
        await sleep(50);
      }
    }
  };
  const watch = async () => {
    for (let second = 0; Date.now() < end; second += 1) {
      result.memory.push(await anonymous(pid));
      if (second % 30 === 29)
        progress(
          `${second + 1} s: ${result.requests} requests, ${result.changes} loads and unloads, ${result.memory.at(-1)!.toFixed(0)} MB`,
        );
      await sleep(1_000);
    }
  };
  await Promise.all([...Array.from({ length: clients }, (_, seed) => client(seed + 1)), churn(), watch()]);
  agent.destroy();
  return result;
}

/** What went wrong, in words; empty when nothing did. Memory: the last fifth may have a tenth and 16 MB more than the second. */
export function soakFailures({ statuses, wrong, changes, memory, requests }: SoakResult): string[] {
  const found: string[] = [];
  for (const [status, count] of Object.entries(statuses))
    if (!['200', '404', '503'].includes(status)) found.push(`${count} answers with status ${status}`);
  if (!statuses[200]) found.push(`no answer of ${requests} was a 200`);
  if (wrong > 0) found.push(`${wrong} wrong answers`);
  if (changes < 2) found.push(`the model was loaded and unloaded ${changes} times`);
  const fifth = Math.floor(memory.length / 5);
  const median = (part: number[]) => part.sort((a, b) => a - b)[Math.floor(part.length / 2)] ?? 0;
  const [early, late] = [median(memory.slice(fifth, 2 * fifth)), median(memory.slice(-fifth))];
  if (fifth > 0 && late > early * 1.1 + 16) found.push(`memory grew from ${early.toFixed(0)} to ${late.toFixed(0)} MB`);
  return found;
}

function send(
  agent: Agent,
  port: number,
  path: string,
  body: string,
  key: string,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      authorization: `Bearer ${key}`,
    };
    const asked = request(
      { agent, port, host: '127.0.0.1', method: 'POST', path, headers, timeout: 60_000 },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
        );
      },
    );
    asked.once('timeout', () => asked.destroy(new Error('no answer in 60 s')));
    asked.once('error', reject);
    asked.end(body);
  });
}

async function anonymous(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/RssAnon:\s+(\d+)/.exec(status)?.[1]) / 1024;
}
