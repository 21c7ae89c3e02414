import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSettings } from '../../inference-container/settings.ts';
import { call, infer, refused, type Served, serve, useServer, writeModel } from './fixture.ts';
import * as models from './models.ts';

/** Who may ask, and who may load and unload. */
const server = useServer((folder) => writeModel(folder, 'plus', '1', models.plus(1)).then(() => undefined), {
  settings: { INFERENCE_KEY: 'who-asks-for-answers', REPOSITORY_KEY: 'who-changes-the-models' },
});
const one = [{ name: 'x', datatype: 'INT64', shape: [1], data: [1] }];
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const change = (it: Served, action: string, headers: Record<string, string>) =>
  call(it, 'POST', `/v2/repository/models/plus/${action}`, undefined, headers);

async function open(settings: Record<string, string>, look: (it: Served) => Promise<void>): Promise<void> {
  const it = await serve(server.it.folder, { settings });
  try {
    await look(it);
  } finally {
    await it.stop();
  }
}

test('without a key nobody loads or unloads, and everything else is open', async () => {
  await open({ REPOSITORY_KEY: '' }, async (it) => {
    for (const action of ['load', 'unload'])
      for (const headers of [{}, { authorization: '' }, bearer('a-key-of-the-tests'), bearer('')])
        refused(await change(it, action, headers), 403, /REPOSITORY_KEY/);
    assert.equal((await infer(it, 'plus', one)).status, 200);
    assert.equal((await call(it, 'POST', '/v2/repository/index')).status, 200);
  });
});

test('with a key, who shows it loads and unloads, and nobody else', async () => {
  await open({ REPOSITORY_KEY: 'who-changes-the-models' }, async (it) => {
    const wrong = [
      {},
      bearer('who-changes-the-model'),
      bearer('who-changes-the-modelz'),
      bearer('WHO-CHANGES-THE-MODELS'),
      bearer(''),
      { authorization: 'who-changes-the-models' },
      { authorization: 'Basic who-changes-the-models' },
      { 'x-api-key': 'who-changes-the-models' },
    ] as Record<string, string>[];
    for (const headers of wrong)
      for (const action of ['load', 'unload']) {
        const answer = await change(it, action, { authorization: '', ...headers });
        refused(answer, 401, /REPOSITORY_KEY/);
        assert.equal(answer.headers.get('www-authenticate'), 'Bearer');
      }
    assert.equal((await infer(it, 'plus', one)).status, 200, 'nothing was unloaded');
    for (const action of ['unload', 'load'])
      assert.equal((await change(it, action, bearer('who-changes-the-models'))).status, 200);
    assert.equal((await change(it, 'load', { authorization: 'bearer  who-changes-the-models' })).status, 200);
  });
});

test('with a key for inference, only health is answered without it, on every thread', async () => {
  const health = ['/', '/v2/health/live', '/v2/health/ready', '/healthcheck'];
  const closed: [string, string][] = [
    ['GET', '/v2'],
    ['GET', '/v2/models/plus'],
    ['GET', '/v2/models/nobody'],
    ['POST', '/v2/models/plus/infer'],
    ['POST', '/v1/models/plus:predict'],
    ['POST', '/score'],
    ['GET', '/v1/models'],
    ['POST', '/v2/repository/index'],
    ['GET', '/metrics'],
    ['GET', '/openapi.json'],
    ['GET', '/nothing'],
    ['GET', '/v2/health/live/../../models/plus'],
    ['GET', '//v2/health/live'],
  ];
  for (const fronts of [0, 2]) {
    const it = await serve(server.it.folder, { settings: { INFERENCE_KEY: 'who-asks-for-answers' }, fronts });
    try {
      for (const path of health) assert.equal((await call(it, 'GET', path)).status, 200, path);
      for (const [method, path] of closed)
        for (const headers of [{}, bearer('who-asks-for-answer'), bearer('who-asks-for-answersz')])
          refused(await call(it, method, path, undefined, headers as Record<string, string>), 401, /INFERENCE_KEY/);
      const mine = bearer('who-asks-for-answers');
      // Often enough for the threads to be lent the model.
      for (let time = 0; time < 100; time += 1) {
        const body = { inputs: one };
        assert.equal((await call(it, 'POST', '/v2/models/plus/infer', body, mine)).status, 200);
        refused(await call(it, 'POST', '/v2/models/plus/infer', body), 401);
      }
      assert.equal((await call(it, 'GET', '/metrics', undefined, mine)).status, 200);
    } finally {
      await it.stop();
    }
  }
});

test('the key of the repository opens inference too, and that of inference not the repository', async () => {
  const { it } = server;
  assert.equal((await call(it, 'GET', '/v2/models/plus', undefined, bearer('who-changes-the-models'))).status, 200);
  refused(await change(it, 'unload', bearer('who-asks-for-answers')), 401, /REPOSITORY_KEY/);
});

test('a key that could be guessed, or that no header can carry, is refused at the start', () => {
  for (const name of ['INFERENCE_KEY', 'REPOSITORY_KEY'])
    for (const key of ['short', 'fifteen-letters', 'with blanks in it, long', 'x'.repeat(513)])
      assert.throws(() => parseSettings({ [name]: key }), new RegExp(name), key);
  assert.throws(() => parseSettings({ REQUIRED_MODELS: 'good,../bad' }), /REQUIRED_MODELS/);
});
