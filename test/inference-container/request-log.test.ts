import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { call, eventually, infer, startProcess, writeModel } from './fixture.ts';
import * as models from './models.ts';

/** One line a request at LOG_LEVEL=debug, none at info; what users say is in neither. */
const SECRET = 'my card is 4000 1234 5678 9010';
/** Long enough to be in no time or process id by chance. */
const NUMBER = 987_654_321_098;
let folder = '';

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'maru-log-'));
  await writeModel(folder, 'plus', '1', models.plus(1));
  await writeModel(folder, 'text', '1', models.text(), models.textPackage);
});

after(() => rm(folder, { recursive: true, force: true }));

const number = [{ name: 'x', datatype: 'INT64', shape: [1], data: [NUMBER] }];
const said = [{ name: 'text', datatype: 'BYTES', shape: [1], data: [SECRET] }];

interface Sent {
  method: string;
  path: string;
  body?: unknown;
  status: number;
  model?: string;
}
const sent: Sent[] = [
  { method: 'GET', path: '/v2/health/live', status: 200 },
  { method: 'GET', path: '/metrics', status: 200 },
  { method: 'POST', path: '/v2/models/plus/infer', body: { inputs: number }, status: 200, model: 'plus/1' },
  { method: 'POST', path: '/v2/models/plus/versions/1/infer', body: { inputs: number }, status: 200, model: 'plus/1' },
  { method: 'POST', path: '/v2/models/text/infer', body: { id: SECRET, inputs: said }, status: 200, model: 'text/1' },
  { method: 'POST', path: '/v1/models/text:predict', body: { instances: [SECRET] }, status: 200, model: 'text/1' },
  { method: 'POST', path: '/score', body: { model_name: 'text', data: [SECRET] }, status: 200, model: 'text/1' },
  { method: 'POST', path: '/v1/models/text:predict', body: `{"instances":["${SECRET}"`, status: 400, model: 'text/1' },
  {
    method: 'POST',
    path: '/v1/models/text:predict',
    body: { instances: [{ [SECRET]: 1 }] },
    status: 400,
    model: 'text/1',
  },
  { method: 'POST', path: '/v2/models/nobody/infer', body: { inputs: said }, status: 404 },
  { method: 'DELETE', path: '/v2/models/text', status: 405 },
  { method: 'GET', path: '/nowhere', status: 404 },
  {
    method: 'POST',
    path: '/v2/models/text/infer',
    body: { inputs: said, parameters: { timeout: 1e-6 } },
    status: 503,
    model: 'text/1',
  },
];

/** Sends all of them to a server with this log level, 30 of the quick ones besides; its lines. */
async function linesAt(level: string): Promise<Record<string, unknown>[]> {
  const { url, child, exited, lines, complaints } = await startProcess(folder, { LOG_LEVEL: level });
  try {
    for (const [at, { method, path, body, status }] of sent.entries()) {
      const answer = await call({ url }, method, path, body, { 'x-request-id': `sent-${at}` });
      assert.equal(answer.status, status, answer.text);
    }
    for (let time = 0; time < 30; time += 1) await infer({ url }, 'plus', number);
    const leaving = new AbortController();
    const gone = infer({ url }, 'plus', number, {}, leaving.signal).catch(() => null);
    leaving.abort();
    await gone;
    child.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
    assert.equal(complaints(), '');
    return lines().map((line) => JSON.parse(line) as Record<string, unknown>);
  } finally {
    child.kill('SIGKILL');
  }
}

test('at debug every request is one line of JSON, with its id, path, status, model and time, and without its text', async () => {
  const lines = await linesAt('debug');
  assert.doesNotMatch(JSON.stringify(lines), /card|987654321098/);
  const requests = lines.filter(({ msg }) => msg === 'request');
  for (const [at, { method, path, status, model }] of sent.entries()) {
    const own = requests.filter(({ requestId }) => requestId === `sent-${at}`);
    assert.equal(own.length, 1, `${method} ${path}: ${own.length} lines`);
    const { level: _level, time: _time, pid: _pid, hostname: _hostname, ms, ...line } = own[0]!;
    const expected = { requestId: `sent-${at}`, method, path, status, msg: 'request' };
    assert.deepEqual(line, model ? { ...expected, model } : expected);
    assert.ok(typeof ms === 'number' && ms >= 0 && ms < 60_000);
  }
  const others = requests.filter(
    ({ requestId, path }) => path === '/v2/models/plus/infer' && !`${requestId}`.startsWith('sent'),
  );
  assert.ok(others.length >= 30, `${others.length} lines`);
  assert.equal(new Set(requests.map(({ requestId }) => requestId)).size, requests.length, 'no id twice');
});

test('at info none is', async () => {
  const lines = await linesAt('info');
  assert.doesNotMatch(JSON.stringify(lines), /card|987654321098/);
  assert.equal(lines.filter(({ msg }) => msg === 'request').length, 0);
  const ids = lines.filter(({ requestId }) => requestId !== undefined);
  // What failed is said all the same: the one that was too late.
  assert.deepEqual(
    ids.map(({ status, requestId }) => [status, requestId]),
    [[503, `sent-${sent.length - 1}`]],
  );
  await eventually(async () => lines.some(({ msg }) => msg === 'ready'));
});
