import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type AppService, startAppService } from '../../scripts/local/app-service.ts';
import { type Identity, startIdentity } from '../../scripts/local/identity.ts';
import { freePort } from '../../scripts/local/ports.ts';
import { pushFake } from '../platform/fake-server.ts';
import { eventually } from '../platform/fixture.ts';
import { useRegistry } from '../release/registry.ts';
import { useTemporary } from '../release/tar.ts';

/** The stand-in for the web app's slots: what it keeps when the platform of this machine is stopped and started again. */
const registry = useRegistry();
const temporary = useTemporary();
let identity: Identity;
let service: AppService | undefined;
after(async () => {
  await service?.stop();
  await identity?.close();
});

/** A server that says what it is. */
const SAYS = `require('node:http').createServer((request, response) => response.end('{"built":"in"}')).listen(process.env.PORT, '127.0.0.1')`;

test('what was built in is swapped out, kept over a restart, and rolled back to', async () => {
  identity = await startIdentity(await freePort());
  const folder = temporary.path;
  const builtIn = join(folder, 'built-in.cjs');
  await writeFile(builtIn, SAYS);
  const ports = { arm: await freePort(), production: await freePort(), staging: await freePort() };
  const start = () =>
    startAppService({
      ports,
      folder,
      logs: join(folder, 'logs'),
      identity,
      builtIn: { args: [builtIn], environment: {} },
    });
  service = await start();
  Object.assign(process.env, {
    COSMOS_ENDPOINT: 'http://127.0.0.1:9',
    STORAGE_CONNECTION: 'unused',
    SHOP_URL: 'http://127.0.0.1:9',
    INFERENCE_URL: service.production.url,
    ARM_ENDPOINT: service.arm,
    AZURE_SUBSCRIPTION_ID: service.subscription,
    INFERENCE_RESOURCE_GROUP: service.group,
    INFERENCE_SITE: service.site,
    AZURE_CLIENT_ID: 'somebody',
    IDENTITY_ENDPOINT: identity.endpoint,
    IDENTITY_HEADER: identity.header,
  });
  const { imageOf, stage, swap } = await import('../../functions/services/slots.ts');
  const says = async (url: string) => {
    const response = await fetch(`${url}/v2`).catch(() => null);
    return response?.ok ? ((await response.json()) as { built?: string; release?: string }) : null;
  };
  assert.equal((await says(service.production.url))?.built, 'in');
  assert.equal(await says(service.staging.url), null, 'nothing was staged yet');

  const digest = await pushFake(registry.it.door.url);
  await stage(`${new URL(registry.it.door.url).host}/maru/inference@${digest}`);
  await eventually(async () => (await says(service!.staging.url)) !== null);
  await swap();
  assert.ok((await says(service.production.url))?.release);
  assert.equal((await says(service.staging.url))?.built, 'in');

  await service.stop();
  service = await start();
  assert.ok((await says(service.production.url))?.release, 'the release is live still');
  await eventually(async () => (await says(service!.staging.url))?.built === 'in', 10);
  assert.equal(await imageOf('staging'), '');
  await swap();
  assert.equal((await says(service.production.url))?.built, 'in');
  assert.match(await imageOf('staging'), new RegExp(digest));
});
