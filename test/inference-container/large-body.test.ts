import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  call,
  eventually,
  infer,
  metric,
  type Process,
  refused,
  startProcess,
  turnsASecond,
  whileBusy,
  writeModel,
} from './fixture.ts';
import * as models from './models.ts';

/** 60 MB of JSON, which take about a second to parse, do not hold up what is small. */
const MEGABYTES = 60;
let folder = '';
let server: Process;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'maru-large-'));
  await writeModel(folder, 'total', '1', models.total());
  await writeModel(folder, 'slow', '1', models.slow());
  server = await startProcess(folder, { BODY_MEGABYTES: '64', LOG_LEVEL: 'info' });
});

after(async () => {
  server?.child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

/** What a body gets, and how often health answered after the body had been sent and before that. */
async function meanwhile(path: string, body: Buffer): Promise<{ status: number; text: string; health: number }> {
  const agent = new Agent();
  let answered = false;
  const sent = Promise.withResolvers<void>();
  const answer = new Promise<{ status: number; text: string }>((resolve, reject) => {
    const headers = { 'content-length': body.length };
    const asked = request(
      { agent, port: server.port, host: '127.0.0.1', method: 'POST', path, headers },
      (response) => {
        answered = true;
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => resolve({ status: response.statusCode!, text: Buffer.concat(chunks).toString() }));
      },
    );
    asked.once('error', reject);
    asked.end(body, sent.resolve);
  });
  await sent.promise;
  let health = 0;
  while (!answered) {
    assert.equal((await call(server, 'GET', '/v2/health/live')).status, 200);
    if (!answered) health += 1;
  }
  const came = await answer;
  agent.destroy();
  return { ...came, health };
}

test(`health answers while ${MEGABYTES} MB of JSON are parsed`, async () => {
  const count = (MEGABYTES * 1024 * 1024) / 2;
  const list = '1,'.repeat(count).slice(0, -1);
  const body = Buffer.from(`{"inputs":[{"name":"x","datatype":"FP32","shape":[${count}],"data":[${list}]}]}`);
  const answer = await meanwhile('/v2/models/total/infer', body);
  assert.equal(answer.status, 200, answer.text.slice(0, 300));
  assert.ok(answer.health >= 5, `${answer.health} health answers`);
  const small = await infer(server, 'total', [{ name: 'x', datatype: 'FP32', shape: [2], data: [1, 2] }]);
  assert.deepEqual(small.body.outputs[0].data, [3]);
});

test('a large body is parsed by a worker, by whatever path it comes: what is wrong at its end is found when one is free', async () => {
  const list = `${'1,'.repeat(2_000_000)}oops`;
  const bodies = {
    '/v2/models/total/infer': `{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":[${list}]}]}`,
    '/v1/models/total:predict': `{"instances":[${list}]}`,
    '/score': `{"model_name":"total","data":[${list}]}`,
  };
  const inFlight = async (state: string) => metric(server, `maru_inference_${state}_requests`, { model: 'total' });
  const { answers } = await whileBusy(server, await turnsASecond(server), async () => {
    const answers = Object.entries(bodies).map(([path, body]) => call(server, 'POST', path, body));
    await eventually(async () => (await inFlight('queue')) + (await inFlight('running')) === answers.length, 2);
    return { answers: Promise.all(answers) };
  });
  for (const answer of await answers) refused(answer, 400, /JSON/);
});
