import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../scripts/local/ports.ts';
import { call, eventually, infer, startProcess, writeModel } from './fixture.ts';
import * as models from './models.ts';

/** The end of the real process: at full load of a model that needs no worker, and while it still starts. */
const CLIENTS = 16;
let folder = '';
/** Statuses by request id, as clients received them. */
const received = new Map<string, number>();
/** Requests of clients whose connection was cut before an answer came. */
const cut: string[] = [];
let sentBefore = 0;
let exit: unknown[] = [];
let lines: string[] = [];
let complaints = '';

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'maru-shutdown-'));
  await writeModel(join(folder, 'one'), 'plus', '1', models.plus(1));
  const running = await startProcess(join(folder, 'one'), { LOG_LEVEL: 'debug', SHUTDOWN_SECONDS: '5' });
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  try {
    for (let time = 0; time < 50; time += 1) await infer(running, 'plus', x(time));
    /** Asks, over a connection that is kept, until the server takes no new ones. */
    const client = async (name: number) => {
      for (let serial = 0; ; serial += 1) {
        const id = `client-${name}-${serial}`;
        const outcome = await ask(agent, running.port, id, serial);
        if (outcome === 'no server') return;
        if (outcome === 'cut') cut.push(id);
        else received.set(id, outcome);
      }
    };
    const clients = Array.from({ length: CLIENTS }, (_, at) => client(at));
    await sleep(800);
    sentBefore = received.size;
    running.child.kill('SIGTERM');
    await Promise.all(clients);
    exit = await running.exited;
    lines = running.lines();
    complaints = running.complaints();
  } finally {
    running.child.kill('SIGKILL');
    agent.destroy();
  }
});

after(() => rm(folder, { recursive: true, force: true }));

const x = (value: number) => [{ name: 'x', datatype: 'INT64', shape: [1], data: [value] }];

/** The status of one request, 0 for a wrong answer; `no server`: nobody listens any more. */
function ask(agent: Agent, port: number, id: string, value: number): Promise<number | 'cut' | 'no server'> {
  return new Promise((resolve) => {
    const body = JSON.stringify({ inputs: x(value) });
    const headers = { 'x-request-id': id, 'content-length': Buffer.byteLength(body) };
    const path = '/v2/models/plus/infer';
    const asked = request({ agent, port, host: '127.0.0.1', method: 'POST', path, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', () => resolve('cut'));
      response.once('end', () => {
        const right = Buffer.concat(chunks)
          .toString()
          .includes(`"data":[${value + 1}]`);
        resolve(right ? response.statusCode! : 0);
      });
    });
    asked.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED' ? 'no server' : 'cut'));
    asked.end(body);
  });
}

test('SIGTERM under full load: the process ends with 0 and complains of nothing', () => {
  assert.deepEqual(exit, [0, null]);
  assert.equal(complaints, '');
  assert.ok(sentBefore > 100, `${sentBefore} requests before`);
});

test('SIGTERM under full load: every request that was accepted has its answer, and a right one', () => {
  for (const [id, status] of received) assert.equal(status, 200, id);
  const accepted = lines
    .map((line) => JSON.parse(line) as { msg: string; requestId?: string; status?: number })
    .filter(({ msg, requestId }) => msg === 'request' && requestId?.startsWith('client-'));
  assert.ok(accepted.length >= sentBefore);
  for (const { requestId, status } of accepted)
    assert.equal(received.get(requestId!), status, `${requestId} has no answer`);
});

test('SIGTERM under full load: no connection is cut while a request is on its way over it', () => {
  assert.deepEqual(cut, []);
});

test('SIGTERM while models are being loaded: the process ends with 0, and not by a fault', async () => {
  const many = join(folder, 'many');
  for (const name of ['one', 'two', 'three']) await writeModel(many, name, '1', models.stretching());
  const main = join(import.meta.dirname, '../../inference-container/main.ts');
  const end = async (moment: number) => {
    const port = await freePort();
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main], {
      env: { ...process.env, PORT: String(port), HOST: '127.0.0.1', MODEL_DIR: many, WORKERS: '2', LOG_LEVEL: 'error' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const exited = once(child, 'exit');
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text) => (said += text));
    await eventually(() => call({ url: `http://127.0.0.1:${port}` }, 'GET', '/v2/health/live').catch(() => null));
    await sleep(moment);
    child.kill('SIGTERM');
    assert.deepEqual([...(await exited), said], [0, null, ''], `${moment} ms after it was live`);
  };
  // One after the other: the moment that hurts is a short one.
  for (const moment of [60, 85, 110, 135]) await end(moment);
});
