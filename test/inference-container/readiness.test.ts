import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { call, eventually, index, metric, type Served, serve, writeModel } from './fixture.ts';
import * as models from './models.ts';

/** Alive is the process; ready is that every model which should be there is served. */
let root = '';
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'maru-readiness-'));
});
after(() => rm(root, { recursive: true, force: true }));

const status = async (it: Served, path: string) => (await call(it, 'GET', path)).status;

async function within(folder: string, settings: Record<string, string>, look: (it: Served) => Promise<void>) {
  const it = await serve(join(root, folder), { ready: false, settings });
  try {
    await look(it);
  } finally {
    await it.stop();
  }
}

/** It is alive, and neither ready now nor when everything has been read. */
async function neverReady(it: Served): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(await status(it, '/v2/health/live'), 200);
  assert.equal(await status(it, '/'), 200);
  assert.equal(await status(it, '/v2/health/ready'), 503);
  assert.equal(await status(it, '/healthcheck'), 503);
}

const ready = (it: Served) => eventually(async () => (await status(it, '/v2/health/ready')) === 200);

test('without models, or a folder, it is not ready', async () => {
  await mkdir(join(root, 'empty'));
  await within('empty', {}, neverReady);
  await within('absent', {}, neverReady);
});

test('it is ready when every model of the image has a version that serves', async () => {
  await writeModel(join(root, 'image'), 'good', '1', models.plus(1));
  await writeModel(join(root, 'image'), 'bad', '1', 'no model');
  await within('image', {}, neverReady);
  await writeModel(join(root, 'image'), 'bad', '0', models.plus(1));
  await within('image', {}, async (it) => {
    await ready(it);
    const newest = (await index(it, 'bad')).find(({ version }) => version === '1');
    assert.equal(newest?.state, 'UNAVAILABLE');
    assert.equal(await metric(it, 'maru_models_failed', { model: 'bad', version: '1' }), 1);
    assert.equal(await metric(it, 'maru_models_loaded', { model: 'bad', version: '0' }), 1);
  });
});

test('an upload that can not be served leaves it alive, and ready where an older one serves', async () => {
  await writeModel(join(root, 'upload'), 'bot', '1', models.plus(1));
  await within('upload', { MODEL_WATCH_SECONDS: '1' }, async (it) => {
    await ready(it);
    await writeModel(join(root, 'upload'), 'bot', '2', 'no model');
    await eventually(async () => (await index(it, 'bot')).some(({ state }) => state === 'UNAVAILABLE'));
    assert.equal(await status(it, '/v2/health/live'), 200);
    assert.equal(await status(it, '/v2/health/ready'), 200);
  });
});

test('a required model that is absent, or was unloaded, leaves it not ready, and the index names it', async () => {
  await writeModel(join(root, 'bots'), 'bot', '1', models.plus(1));
  await within('bots', { REQUIRED_MODELS: 'bot, consent' }, async (it) => {
    await neverReady(it);
    const [absent] = await index(it, 'consent');
    assert.equal(absent?.state, 'UNAVAILABLE');
    assert.match(absent.reason, /required/);
  });
  await within('bots', { REQUIRED_MODELS: 'bot' }, async (it) => {
    await ready(it);
    assert.equal((await call(it, 'POST', '/v2/repository/models/bot/unload')).status, 200);
    assert.equal(await status(it, '/v2/health/ready'), 503);
    assert.equal(await status(it, '/v2/health/live'), 200);
    assert.equal((await call(it, 'POST', '/v2/repository/models/bot/load')).status, 200);
    assert.equal(await status(it, '/v2/health/ready'), 200);
  });
});
