import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { type AppService, startAppService } from '../../scripts/local/app-service.ts';
import { type Identity, startIdentity } from '../../scripts/local/identity.ts';
import { freePort } from '../../scripts/local/ports.ts';
import { Door } from '../platform/door.ts';
import { useTemporary } from './tar.ts';

/** azd's hook on a machine that knows nothing of the last deployment. */
const temporary = useTemporary();
let identity: Identity;
let service: AppService;
let arm: Door;
const file = (name: string) => join(temporary.path, name);
const STAGED = `registry.example/maru/inference@sha256:${'b'.repeat(64)}`;
const LIVE = `registry.example/maru/inference@sha256:${'a'.repeat(64)}`;

before(async () => {
  identity = await startIdentity(await freePort());
  // Images of no registry that is there: what the slots are to run is all that counts.
  await writeFile(file('app-service.json'), JSON.stringify({ production: LIVE, staging: null }));
  await writeFile(
    file('built-in.cjs'),
    "require('node:http').createServer((request, response) => response.end('{}')).listen(process.env.PORT, '127.0.0.1')",
  );
  service = await startAppService({
    ports: { arm: await freePort(), production: await freePort(), staging: await freePort() },
    folder: temporary.path,
    logs: file('logs'),
    identity,
    builtIn: { args: [file('built-in.cjs')], environment: {} },
    startSeconds: 5,
  });
  arm = await Door.open();
  arm.target = Number(new URL(service.arm).port);
  await writeFile(file('azd'), `#!/bin/sh\nprintf '%s|' "$@" >> "${file('said')}"; echo >> "${file('said')}"\n`);
  await chmod(file('azd'), 0o755);
});
beforeEach(async () => {
  arm.rule = () => 'pass';
  await rm(file('said'), { force: true });
});
after(async () => {
  await arm?.shut();
  await service?.stop();
  await identity?.close();
});

async function hook(environment: Record<string, string>) {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../scripts/release/images.ts')], {
    env: {
      PATH: `${temporary.path}:${process.env.PATH}`,
      ARM_ENDPOINT: arm.url,
      IDENTITY_ENDPOINT: identity.endpoint,
      IDENTITY_HEADER: identity.header,
      ...environment,
    },
  });
  const [stdout, stderr] = await Promise.all([child.stdout.toArray(), child.stderr.toArray()]);
  const code = await new Promise((done) => (child.exitCode === null ? child.once('exit', done) : done(child.exitCode)));
  const set = await readFile(file('said'), 'utf8').catch(() => '');
  return { code, text: `${stdout.join('')}${stderr.join('')}`, set: set.split('\n').filter(Boolean) };
}
const known = () => ({ AZURE_ENV_NAME: 'local', AZURE_SUBSCRIPTION_ID: service.subscription });
/** What the slots are to run, whatever runs. */
const slots = (production: string, staging: string) => {
  arm.rule = ({ method, path }) => {
    if (method !== 'GET' || !path.includes('/config/web')) return 'pass';
    const linuxFxVersion = `DOCKER|${path.includes('/slots/') ? staging : production}`;
    return {
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ id: 'x', name: 'x', type: 'x', properties: { linuxFxVersion } }),
    };
  };
};

test('what is live is found by the name of the environment alone, and kept', async () => {
  slots(LIVE, STAGED);
  const { code, set, text } = await hook(known());
  assert.equal(code, 0, text);
  assert.deepEqual(set, [`env|set|PRODUCTION_IMAGE|${LIVE}|`, `env|set|STAGING_IMAGE|${STAGED}|`]);
});

test('an image of another time is not pinned: a slot with the placeholder gets it again', async () => {
  slots(LIVE, 'mcr.microsoft.com/appsvc/staticsite:latest');
  const { code, set, text } = await hook({ ...known(), STAGING_IMAGE: LIVE });
  assert.equal(code, 0, text);
  assert.deepEqual(set, [`env|set|PRODUCTION_IMAGE|${LIVE}|`, 'env|set|STAGING_IMAGE||']);
});

test('before the first deployment there is nothing to keep', async () => {
  const { code, text, set } = await hook({ ...known(), AZURE_ENV_NAME: 'another' });
  assert.equal(code, 0, text);
  assert.match(text, /No model server yet/);
  assert.deepEqual(set, ['env|set|PRODUCTION_IMAGE||', 'env|set|STAGING_IMAGE||']);
});

test('what is not known stops the deployment, and says how to know it', async () => {
  const nothing = await hook({});
  assert.deepEqual([nothing.code, nothing.set], [1, []]);
  assert.match(nothing.text, /hook of azd/);
  const somewhere = await hook({ AZURE_ENV_NAME: 'local' });
  assert.deepEqual([somewhere.code, somewhere.set], [1, []]);
  assert.match(somewhere.text, /azd env set AZURE_SUBSCRIPTION_ID/);
  arm.rule = () => ({ status: 403, body: '{"error":{"code":"AuthorizationFailed","message":"you may not look"}}' });
  const refused = await hook(known());
  assert.deepEqual([refused.code, refused.set], [1, []]);
  assert.match(refused.text, /a deployment might replace it: AuthorizationFailed: /);
});
