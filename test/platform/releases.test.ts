import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { QueueServiceClient } from '@azure/storage-queue';
import { NOT } from '../../functions/dialog/bot.ts';
import { partsOf } from '../../functions/dialog/wishes.ts';
import type { Release } from '../../functions/releases/release.ts';
import { bot } from '../bot.ts';
import { trainQuickly } from '../train/fixture.ts';
import { useDoors } from './door.ts';
import { pushFake } from './fake-server.ts';
import { type Answer, eventually, request, root, say, unique, usePlatform } from './fixture.ts';

/**
 * The whole way with the commands that a person types, Debian's docker-registry, and the platform with two slots. Each
 * test goes on where the one before it ended.
 */
delete process.env.REGISTRY_URL;
const { registry, arm, staging, operators } = await useDoors('registry', 'arm', 'staging', 'operators');
const SECRET = 'local-webhook-secret';
const REPOSITORY = 'maru/inference';

const fixture = usePlatform(
  (ports) => {
    registry.target = ports.registry;
    arm.target = ports.arm;
    staging.target = ports.staging;
    return {
      REGISTRY_URL: registry.url,
      ARM_ENDPOINT: arm.url,
      STAGING_URL: staging.url,
      OPERATOR_WEBHOOK_URL: operators.url,
      // The second version is trained in a second, and is worse than the first, and so is a stand-in: it is said, and let pass here.
      RELEASE_LOSS: '1',
      RELEASE_LOSS_NONE: '1',
    };
  },
  undefined,
  { slots: true },
);

let folder = '';
/** Packages of the model `intents`, by version. */
const packageOf = (version: string) => join(folder, 'intents', version);
const told: { state: string; digest: string }[] = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'maru-releases-'));
  const built = join(root, '.local/models/intents');
  const { only } = JSON.parse(await readFile(join(built, 'config.json'), 'utf8')).versions as { only: [string] };
  await copyPackage(join(built, only[0]), '1.0.1');
  await trainQuickly(join(root, 'functions/bot/intents.json'), packageOf('1.0.2'));
  await writeFile(join(folder, 'npm'), npm, { mode: 0o755 });
});
beforeEach(() => {
  operators.rule = ({ body }) => {
    told.push(JSON.parse(body));
    return { status: 202, body: '{}' };
  };
});
after(async () => {
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** npm as it is; the server's dependencies are fetched once and then copied. */
const npm = `#!/bin/sh
set -e
if [ -d "$KEPT" ]; then cp -a "$KEPT"/* .; exit; fi
PATH=\${PATH#*:} npm "$@"
mkdir "$KEPT"
cp -a node_modules package-lock.json "$KEPT"
`;

async function copyPackage(from: string, version: string): Promise<void> {
  await cp(from, packageOf(version), { recursive: true });
  await changeManifest(version, { version });
}

async function changeManifest(version: string, fields: object): Promise<void> {
  const file = join(packageOf(version), 'model.json');
  await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), ...fields }));
}

interface Ended {
  code: number;
  text: string;
}

/** A command of scripts/release, as npm runs it. */
function command(script: 'index' | 'swap' | 'list', ...parameters: string[]): Promise<Ended> {
  const env = {
    ...process.env,
    ...fixture.platform.settings,
    PATH: `${folder}:${process.env.PATH}`,
    KEPT: join(folder, 'kept'),
    RELEASE_BY: 'kim',
    NODE_TEST_CONTEXT: undefined,
  };
  return new Promise((done) => {
    const file = join(root, `scripts/release/${script}.ts`);
    execFile(process.execPath, [file, ...parameters], { env, cwd: root, timeout: 120_000 }, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === 'number' ? error.code : -1) : 0;
      done({ code, text: stdout + stderr });
    });
  });
}

async function release(...parameters: string[]): Promise<{ digest: string; text: string }> {
  const { code, text } = await command('index', ...parameters);
  assert.equal(code, 0, text);
  return { digest: /sha256:[0-9a-f]{64}/.exec(text)![0], text };
}

const skopeo = async (...parameters: string[]) =>
  JSON.parse(
    await new Promise<string>((done, failed) => {
      const image = `docker://127.0.0.1:${registry.target}/${REPOSITORY}:${parameters.shift()}`;
      execFile('skopeo', ['inspect', '--tls-verify=false', ...parameters, image], (error, stdout) =>
        error ? failed(error) : done(stdout),
      );
    }),
  );

async function releases(): Promise<Release[]> {
  const { status, body } = await request(fixture.platform, 'GET', '/api/releases');
  assert.equal(status, 200);
  return body.releases;
}
const find = async (digest: string) => (await releases()).find((one) => one.digest === digest);

/** Waits until a release is in a state; throws at once when it went another way. */
async function reaches(digest: string, state: Release['state']): Promise<Release> {
  return await eventually(async () => {
    const found = await find(digest);
    assert.ok(state === 'failed' || found?.state !== 'failed', found?.reason ?? '');
    return found?.state === state && found;
  }, 40);
}
const ready = (digest: string) => reaches(digest, 'ready');
const stagings = (digest: string) =>
  fixture.platform.appService!.staged.filter(({ image }) => image.endsWith(digest)).length;
const uploads = () => registry.seen.filter((line) => /^POST .*\/blobs\/uploads\//.test(line)).length;
const writes = () => registry.seen.filter((line) => /^(POST|PUT|PATCH) /.test(line));

/** What Azure Container Registry sends. */
const payload = (digest: string, more: object = {}, target: object = {}) => ({
  id: crypto.randomUUID(),
  timestamp: new Date().toISOString(),
  action: 'push',
  target: {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    size: 1_000,
    length: 1_000,
    digest,
    repository: REPOSITORY,
    tag: 'staging',
    ...target,
  },
  request: { id: crypto.randomUUID(), host: 'maru.azurecr.io', method: 'PUT', useragent: 'azsdk-js' },
  ...more,
});
const webhook = (body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  request(fixture.platform, 'POST', '/api/registry/webhook', body, { 'x-maru-webhook-secret': SECRET, ...headers });
/** Messages that no worker has taken yet. */
const waiting = async () =>
  (
    await QueueServiceClient.fromConnectionString(fixture.platform.azurite.connection)
      .getQueueClient('releases')
      .peekMessages()
  ).peekedMessageItems.length;

/** Says something that both models know, and gives the version that answered. */
const versionOf = async () =>
  (await say(fixture.platform, unique('c'), known[0]!.text)).body.model?.version as string | undefined;
/** Texts with the intents that both models name. */
let known: { text: string; intent: string }[] = [];

/** 20 turns a second while `work` runs and a second on each side; every one of them must be answered, and rightly. */
async function underLoad(work: () => Promise<void>): Promise<string[]> {
  const turns: Promise<{ answer: Answer; intent: string }>[] = [];
  let over = false;
  const load = (async () => {
    while (!over) {
      const { text, intent } = known[turns.length % known.length]!;
      turns.push(say(fixture.platform, unique('load'), text).then((answer) => ({ answer, intent })));
      await sleep(50);
    }
  })();
  try {
    await sleep(1_000);
    await work();
    await sleep(1_000);
  } finally {
    over = true;
    await load;
  }
  const versions: string[] = [];
  for (const { answer, intent } of await Promise.all(turns)) {
    const text = JSON.stringify(answer.body);
    assert.equal(answer.status, 200, text);
    assert.equal(answer.body.status, 'answered', text);
    assert.equal(answer.body.intent.name, intent, text);
    assert.ok(answer.body.replies.length > 0, text);
    versions.push(answer.body.model.version);
  }
  return versions;
}

const digests: Record<'server' | 'first' | 'second', string> = { server: '', first: '', second: '' };
let builtIn: string | undefined;

describe('from an empty registry to production and back', () => {
  test('the server: one layer, verified and kept as a base, and not staged', async () => {
    const { digest, text } = await release('--server');
    digests.server = digest;
    assert.match(text, /Released the server: one layer of [\d.]+ MB uploaded/);
    assert.match(text, /Next: release a model onto it/);
    assert.equal(uploads(), 2, 'its layer and the config');
    assert.equal((await skopeo('server')).Digest, digest);
    const found = await reaches(digest, 'base');
    assert.deepEqual(
      found.steps.map(({ state }) => state),
      ['pushed', 'verified', 'base'],
    );
    assert.equal(stagings(digest), 0);
  });

  test('a model: the webhook stages it, it is checked, and is ready; production is as it was', async () => {
    const before = fixture.platform.appService!.processOf('production')!.child.pid;
    const { digest, text } = await release(packageOf('1.0.1'));
    digests.first = digest;
    assert.match(text, /intents 1\.0\.1: loads, 20 golden cases answered/);
    assert.match(text, /Released intents 1\.0\.1: one layer of/);
    assert.equal(uploads(), 2, 'its layer and the config');
    const found = await ready(digest);
    assert.deepEqual(
      found.steps.map(({ state }) => state),
      ['pushed', 'verified', 'staging', 'warm', 'ready'],
    );
    assert.deepEqual(found.checks?.golden, { passed: 20, failed: 0 });
    assert.deepEqual(
      found.models.map(({ name, version }) => `${name} ${version}`),
      ['intents 1.0.1'],
    );
    assert.equal(stagings(digest), 1);
    assert.equal(fixture.platform.appService!.processOf('production')!.child.pid, before);
    const served = await (await fetch(`${staging.url}/v2/models/intents`)).json();
    assert.deepEqual((served as { versions: string[] }).versions, ['1.0.1']);
  });

  test('skopeo reads what was pushed: digest, layers, labels, annotations', async () => {
    const image = await skopeo('staging');
    assert.equal(image.Digest, digests.first);
    assert.equal((await skopeo('intents-1.0.1')).Digest, digests.first);
    assert.deepEqual([image.Os, image.Architecture, image.Layers.length], ['linux', 'amd64', 2]);
    assert.equal(image.Layers[0], (await skopeo('server')).Layers[0]);
    const label = JSON.parse(image.Labels['dev.maru.release']);
    const { metrics, files } = JSON.parse(await readFile(join(packageOf('1.0.1'), 'model.json'), 'utf8'));
    assert.equal(label.models[0].version, '1.0.1');
    assert.equal(label.models[0].checksum, files['model.onnx']);
    assert.deepEqual(label.models[0].metrics, metrics);
    const { annotations, layers } = await skopeo('staging', '--raw');
    assert.equal(annotations['org.opencontainers.image.version'], '1.0.1');
    assert.equal(annotations['dev.maru.model.intents'], '1.0.1');
    assert.match(annotations['org.opencontainers.image.revision'], /^[0-9a-f]{40}$/);
    assert.deepEqual(
      layers.map((layer: { annotations: Record<string, string> }) => layer.annotations['dev.maru.layer']),
      ['server', 'model intents'],
    );
    const { config, rootfs } = await skopeo('staging', '--config');
    assert.equal(rootfs.diff_ids.length, 2);
    assert.ok(config.Env.includes(`RELEASE=${(await find(digests.first))!.release}`));
  });

  test('the swap makes it answer', async () => {
    known = [{ text: 'many thanks', intent: 'thanks' }];
    builtIn = await versionOf();
    const { code, text } = await command('swap');
    assert.equal(code, 0, text);
    assert.match(text, /intents 1\.0\.1 is live/);
    assert.notEqual(builtIn, '1.0.1');
    assert.equal(await versionOf(), '1.0.1');
    const live = await reaches(digests.first, 'live');
    assert.equal(live.steps.at(-1)?.by, 'kim');
  });

  test('the next version uploads its layer alone; its webhook comes three times, and it is staged once', async () => {
    const { digest, text } = await release(packageOf('1.0.2'));
    digests.second = digest;
    assert.match(text, /one layer of [\d.]+ MB uploaded/);
    assert.equal(uploads(), 2, 'its layer and the config');
    // The registry sends its own besides.
    for (let time = 0; time < 2; time += 1) assert.equal((await webhook(payload(digest))).body.accepted, 1);
    const [now, before] = [await skopeo('staging'), await skopeo('intents-1.0.1')];
    assert.equal(now.Digest, digest);
    assert.equal(now.Layers.length, 2);
    assert.equal(now.Layers[0], before.Layers[0]);
    assert.notEqual(now.Layers[1], before.Layers[1]);
    const found = await ready(digest);
    assert.ok(found.checks?.comparison, 'production has answered turns by now');
    const { inside, outside, before: live, after: staged } = found.checks.judgement!;
    assert.ok(inside > 700 && outside > 150, 'the held-out utterances of the bot, as they are deployed');
    assert.ok(live.right / inside > 0.85 && staged.right / inside > 0.7, JSON.stringify(found.checks.judgement));
    assert.equal(stagings(digest), 1, 'the webhook came three times');
    assert.equal((await find(digest))!.steps.length, 5);
  });

  test('the same folder again uploads nothing, and stages nothing', async () => {
    const { digest, text } = await release(packageOf('1.0.2'));
    assert.equal(digest, digests.second);
    assert.match(text, /nothing to upload/);
    assert.equal(uploads(), 0);
    assert.equal(stagings(digest), 1);
    assert.equal((await find(digest))?.state, 'ready');
  });

  test('a swap under 20 turns a second: none fails, none is wrong, and another version answers', async () => {
    known = await knownToBoth();
    assert.ok(known.length >= 5);
    const versions = await underLoad(async () => {
      const { code, text } = await command('swap');
      assert.equal(code, 0, text);
    });
    assert.deepEqual([versions.at(0), versions.at(-1)], ['1.0.1', '1.0.2']);
    assert.deepEqual(new Set(versions), new Set(['1.0.1', '1.0.2']));
    const [now, before] = [await find(digests.second), await find(digests.first)];
    assert.deepEqual([now?.state, before?.state], ['live', 'superseded']);
  });

  test('the list names states, models and who', async () => {
    const { code, text } = await command('list', '--steps');
    assert.equal(code, 0, text);
    assert.match(text, new RegExp(`live +.* ${digests.second.slice(7, 19)} +intents 1\\.0\\.2.*by kim`));
    assert.match(text, new RegExp(`superseded +.* ${digests.first.slice(7, 19)} +intents 1\\.0\\.1`));
    assert.match(
      text,
      /judged by people: right \d+\.\d% \(production \d+\.\d%\), of none and refused .*%\); \d+ better, \d+ worse/,
    );
  });

  test('a rollback under 20 turns a second', async () => {
    const versions = await underLoad(async () => {
      const { code, text } = await command('swap', '--back');
      assert.equal(code, 0, text);
      assert.match(text, /intents 1\.0\.1 is live again; intents 1\.0\.2 was rolled back/);
    });
    assert.deepEqual([versions.at(0), versions.at(-1)], ['1.0.2', '1.0.1']);
    const [now, before] = [await find(digests.first), await find(digests.second)];
    assert.deepEqual([now?.state, before?.state], ['live', 'rolled-back']);
  });

  test('operators heard of each state once', () => {
    const heard = (digest: string) => told.filter((one) => one.digest === digest).map(({ state }) => state);
    assert.deepEqual(heard(digests.first), ['ready', 'live']);
    assert.deepEqual(heard(digests.second), ['ready', 'live', 'rolled-back']);
  });

  test('what was rolled back can not be swapped in', async () => {
    const { code, text } = await command('swap');
    assert.equal(code, 1);
    assert.match(text, /intents 1\.0\.2|rolled-back/);
    assert.equal(await versionOf(), '1.0.1');
  });

  test('an old message of what was rolled back changes nothing', async () => {
    const { steps } = (await find(digests.second))!;
    const timestamp = new Date(steps[0]!.at).toISOString();
    for (let time = 0; time < 3; time += 1) await webhook(payload(digests.second, { timestamp }));
    await eventually(async () => (await waiting()) === 0);
    await sleep(1_000);
    const found = await find(digests.second);
    assert.deepEqual([found?.state, found?.steps.length], ['rolled-back', steps.length]);
    assert.equal(stagings(digests.second), 1);
  });

  test('the server again keeps the models, and not the one that was rolled back', async () => {
    const { text } = await release('--server');
    assert.match(text, /the last image was rolled back: built on intents 1\.0\.1/);
    assert.match(text, /nothing to upload/);
    assert.equal(uploads(), 0);
    const image = await skopeo('server');
    assert.equal(image.Layers.length, 2);
    assert.deepEqual(image.Layers, (await skopeo('intents-1.0.1')).Layers);
    const { models } = JSON.parse(image.Labels['dev.maru.release']) as { models: { name: string }[] };
    assert.deepEqual(
      models.map(({ name }) => name),
      ['intents'],
    );
  });
});

describe('the webhook', () => {
  test('a wrong secret, or none: 401, and nothing is queued', async () => {
    for (const given of ['', 'wrong', `${SECRET} `, SECRET.toUpperCase(), SECRET.slice(0, -1), 'x'.repeat(5_000)]) {
      const { status, body, headers } = await webhook(payload(digests.first), { 'x-maru-webhook-secret': given });
      if (given === `${SECRET} `) continue; // HTTP trims it.
      assert.equal(status, 401, given);
      assert.match(headers.get('content-type')!, /problem\+json/);
      assert.doesNotMatch(JSON.stringify(body), new RegExp(SECRET));
    }
    assert.equal(
      (await request(fixture.platform, 'POST', '/api/registry/webhook', payload(digests.first))).status,
      401,
    );
  });

  test('other actions, tags and repositories are ignored', async () => {
    const bodies = [
      { id: '1', timestamp: '2026-01-01', action: 'ping' },
      payload(digests.first, { action: 'delete' }),
      payload(digests.first, { action: 'quarantine' }),
      payload(digests.first, {}, { tag: 'intents-1.0.1' }),
      payload(digests.first, {}, { tag: undefined }),
      payload(digests.first, {}, { repository: 'maru/other' }),
      payload(digests.first, {}, { repository: 'maru/inference/../inference' }),
      payload(digests.first, {}, { digest: 'sha256:abc' }),
      payload(digests.first, {}, { digest: undefined }),
      payload(digests.first, { action: 'chart_push', target: { name: 'wordpress', version: '5.4.0' } }),
      payload(digests.first, { target: undefined }),
      { events: [] },
    ];
    const before = (await releases()).length;
    for (const body of bodies) {
      const answer = await webhook(body);
      assert.equal(answer.status, 200, JSON.stringify(body));
      assert.equal(answer.body.accepted, 0);
    }
    const mixed = { events: [payload(digests.second), payload(digests.first, {}, { tag: 'other' })] };
    const type = 'application/vnd.docker.distribution.events.v1+json';
    assert.deepEqual((await webhook(mixed, { 'content-type': type })).body, { accepted: 1, ignored: 1 });
    assert.equal((await releases()).length, before);
  });

  test('what is malformed, deep or huge is refused with a problem', async () => {
    const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
    const many = { events: Array.from({ length: 101 }, () => ({ action: 'pull' })) };
    const cases: [body: unknown, headers?: Record<string, string>][] = [
      ['not json {'],
      [''],
      ['null'],
      ['[]'],
      ['"push"'],
      [new Uint8Array([0xff, 0xfe, 0x00])],
      [deep],
      [`{"action":"push","target":${deep}}`],
      [{ events: {} }],
      [{ events: [null] }],
      [{ action: 5 }],
      [{ action: 'x'.repeat(100) }],
      [payload(digests.first, {}, { digest: ['sha256'] })],
      [payload(digests.first, {}, { repository: 'r'.repeat(1_000) })],
      [many],
      [{ ...many, action: 'push' }],
      [{ ...payload(digests.first), events: 5 }],
      [{ ...payload(digests.first), events: null }],
      [{ ...payload(digests.first), events: [null] }],
      [{ ...payload(digests.first), events: [{ action: {} }] }],
      [`{"action":"${'x'.repeat(70_000)}"}`],
      [payload(digests.first), { 'content-type': 'text/plain' }],
    ];
    for (const [body, headers] of cases) {
      const answer = await webhook(body, headers);
      const about = `${JSON.stringify(body)?.slice(0, 80)} ${answer.status}`;
      assert.ok(answer.status >= 400 && answer.status < 500, about);
      assert.match(answer.headers.get('content-type')!, /problem\+json/, about);
    }
  });
});

describe('what goes wrong', () => {
  test('a corrupt model is refused before anything is pushed', async () => {
    await copyPackage(packageOf('1.0.2'), '1.0.3');
    await truncate(join(packageOf('1.0.3'), 'model.onnx'), 10_000);
    const changed = await command('index', packageOf('1.0.3'));
    assert.equal(changed.code, 1);
    assert.match(changed.text, /model\.onnx is not what model\.json says/);
    await changeManifest('1.0.3', { files: {} });
    const broken = await command('index', packageOf('1.0.3'));
    assert.equal(broken.code, 1);
    assert.match(broken.text, /the model can't be served/);
    assert.deepEqual(writes(), []);
  });

  test('what failed because somebody had to help is released again by the same command', async () => {
    await copyPackage(packageOf('1.0.1'), '1.0.4');
    const body = '{"error":{"code":"AuthorizationFailed","message":"the role is not assigned yet"}}';
    arm.rule = ({ method }) => (method === 'PATCH' ? { status: 403, body } : 'pass');
    const { digest } = await release(packageOf('1.0.4'));
    const failed = await reaches(digest, 'failed');
    assert.match(failed.reason!, /the role is not assigned yet/);
    arm.rule = () => 'pass';
    assert.equal((await release(packageOf('1.0.4'))).digest, digest);
    await eventually(async () => (await find(digest))?.state === 'ready', 60);
    assert.equal(stagings(digest), 1);
  });

  test('the gateway is killed in every step: it goes on, and stages once', async () => {
    const { platform } = fixture;
    const answers = Object.fromEntries(known.map(({ text, intent }) => [text, intent]));
    const held: string[] = [];
    const hold = (name: string) => {
      held.push(name);
      return 'hang' as const;
    };
    let digest = '';
    /** Kills it, starts it anew, and lets the minutes pass in which the dead one holds the release and its message. */
    const kill = async () => {
      await platform.running.gateway!.kill();
      for (const door of [registry, arm, staging]) door.rule = () => 'pass';
      const id = digest.replace(':', '-');
      const item = platform.cosmos.client.database('maru').container('releases').item(id, id);
      const { resource } = await item.read<Release>();
      if (resource?.claim) await item.replace({ ...resource, claim: { ...resource.claim, until: 0 } });
    };
    const start = async () => {
      await platform.startGateway();
      await webhook(payload(digest));
    };
    const moment = (name: string) => eventually(async () => held.includes(name), 20);

    registry.rule = ({ method, path }) =>
      method === 'GET' && path.includes('/manifests/sha256') && digest && path.includes(digest.slice(7))
        ? hold('verifying')
        : 'pass';
    // The digest is known when the image is pushed: the door can't be shut by it before.
    await platform.running.gateway!.stop();
    digest = await pushFake(registry.url, { answers, golden: answers });
    await start();
    await moment('verifying');
    await kill();

    arm.rule = ({ method }) => (method === 'PATCH' ? hold('before staging') : 'pass');
    await start();
    await moment('before staging');
    assert.equal(stagings(digest), 0);
    await kill();

    arm.rule = ({ method }) => {
      if (method !== 'PATCH') return 'pass';
      held.push('after staging');
      return 'keep';
    };
    await start();
    await moment('after staging');
    await eventually(async () => stagings(digest) === 1);
    await kill();
    assert.equal((await stored(digest)).state, 'verified', 'it was staged, and that is not recorded yet');

    staging.rule = ({ path }) => (path === '/v2' ? hold('waiting for the slot') : 'pass');
    await start();
    await moment('waiting for the slot');
    await kill();
    assert.equal((await stored(digest)).state, 'staging');

    staging.rule = ({ path }) => (path.endsWith(':predict') ? hold('asking golden cases') : 'pass');
    await start();
    await moment('asking golden cases');
    await kill();
    assert.equal((await stored(digest)).state, 'warm');

    await start();
    const found = await ready(digest);
    assert.deepEqual(
      found.steps.map(({ state }) => state),
      ['pushed', 'verified', 'staging', 'warm', 'ready'],
    );
    assert.equal(stagings(digest), 1);
    // They are told of what is recorded, so a moment after it.
    await eventually(async () => told.some((one) => one.digest === digest));
    assert.equal(told.filter((one) => one.digest === digest).length, 1);
    assert.equal(await versionOf(), '1.0.1', 'production never changed');
  });
});

async function stored(digest: string): Promise<Release> {
  const id = digest.replace(':', '-');
  const { resource } = await fixture.platform.cosmos.client
    .database('maru')
    .container('releases')
    .item(id, id)
    .read<Release>();
  return resource!;
}

/** Utterances that both slots name alike. */
async function knownToBoth(): Promise<typeof known> {
  const { golden } = JSON.parse(await readFile(join(packageOf('1.0.1'), 'model.json'), 'utf8')) as {
    golden: { input: string; output: { label: string } }[];
  };
  const body = JSON.stringify({ instances: golden.map(({ input }) => input) });
  const labels = await Promise.all(
    [staging.url, fixture.platform.inferenceUrl].map(async (url) => {
      const answer = await fetch(`${url}/v1/models/intents:predict`, { method: 'POST', body });
      return ((await answer.json()) as { predictions: { label: string }[] }).predictions.map(({ label }) => label);
    }),
  );
  // What the gateway asks the model for as it stands, and takes for what the model says.
  return golden.flatMap(({ input, output: { label } }, index) =>
    label !== NOT &&
    bot.tapped(input) === null &&
    partsOf(bot, input).length === 0 &&
    labels.every((all) => all[index] === label)
      ? [{ text: input, intent: label }]
      : [],
  );
}
