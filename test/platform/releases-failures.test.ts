import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { InvocationContext, Timer } from '@azure/functions';
import { QueueServiceClient } from '@azure/storage-queue';
import { advance } from '../../functions/releases/advance.ts';
import { pushImage } from '../../functions/releases/push.ts';
import { idOf, type Release } from '../../functions/releases/release.ts';
import { rollBack, SwapRefused, swapIn } from '../../functions/releases/swap.ts';
import { useHeldOut } from '../../functions/services/held-out.ts';
import { Registry } from '../../functions/services/registry.ts';
import { imageOf, stage, swap } from '../../functions/services/slots.ts';
import { watchReleases } from '../../functions/timers/releases.ts';
import { useDoors, type Verdict } from './door.ts';
import { type Behaviour, pushFake } from './fake-server.ts';
import { eventually, unique, usePlatform } from './fixture.ts';

/**
 * The worker, the timer and the swap in this process, so that any moment can be made to go wrong; the registry, the slots
 * and the database are the platform's. The gateway is stopped: nobody else works on releases.
 */
delete process.env.REGISTRY_URL;
const { registry, arm, staging, production, operators } = await useDoors(
  ...(['registry', 'arm', 'staging', 'production', 'operators'] as const),
);
const REPOSITORY = 'maru/inference';

const fixture = usePlatform(
  (ports) => {
    registry.target = ports.registry;
    arm.target = ports.arm;
    staging.target = ports.staging;
    production.target = ports.inference;
    return {
      REGISTRY_URL: registry.url,
      ARM_ENDPOINT: arm.url,
      STAGING_URL: staging.url,
      INFERENCE_URL: production.url,
      OPERATOR_WEBHOOK_URL: operators.url,
      RELEASE_START_SECONDS: '5',
    };
  },
  async (platform) => {
    await platform.running.gateway!.stop();
    Object.assign(process.env, platform.settings);
  },
  { slots: true },
);

interface Told {
  state: string;
  digest: string;
  text: string;
}
let told: Told[] = [];
const hears = ({ body }: { body: string }) => {
  told.push(JSON.parse(body) as Told);
  return { status: 202, body: '{}' };
};
beforeEach(() => {
  operators.rule = hears;
  told = [];
});

const container = () => fixture.platform.cosmos.client.database('maru').container('releases');
async function read(digest: string): Promise<Release> {
  const { resource } = await container().item(idOf(digest), idOf(digest)).read<Release>();
  assert.ok(resource, `no release ${digest}`);
  return resource;
}
async function change(digest: string, fields: Partial<Release>): Promise<void> {
  await container()
    .item(idOf(digest), idOf(digest))
    .replace({ ...(await read(digest)), ...fields });
}
const statesOf = ({ steps }: Release) => steps.map(({ state }) => state);
const stagings = (digest: string) =>
  fixture.platform.appService!.staged.filter(({ image }) => image.endsWith(digest)).length;
const toldOf = (digest: string) => told.filter((one) => one.digest === digest).map(({ state }) => state);
const push = (behaviour: Behaviour = {}) => pushFake(registry.url, behaviour);
const work = (digest: string) => advance(digest, REPOSITORY);

/** Works on a release until it is in a state or has ended. The pauses are the queue's, and shorter here. */
async function drive(digest: string, until?: Release['state']): Promise<Release> {
  for (let step = 0; step < 300; step += 1) {
    const wait = await work(digest);
    const release = await read(digest);
    if (wait === null || release.state === until) return release;
    await sleep(Math.min(wait, 100));
  }
  throw new Error(`${digest} does not come to an end: ${JSON.stringify(await read(digest))}`);
}

/** Pushes an image and has it go live. */
async function goLive(behaviour: Behaviour = {}): Promise<string> {
  const digest = await push(behaviour);
  assert.equal((await drive(digest)).state, 'ready', (await read(digest)).reason ?? '');
  await swapIn('kim', () => undefined);
  return digest;
}

/** What is live; something is, once one release was. */
async function live(): Promise<string> {
  const digest = digestOf(await imageOf('production'));
  if (digest && (await read(digest)).state === 'live') return digest;
  return await goLive();
}

const away = { status: 503, headers: { 'retry-after': '0' }, body: '{"error":{"code":"Busy","message":"busy"}}' };
const refuses = { status: 403, body: '{"error":{"code":"AuthorizationFailed","message":"you may not do this"}}' };
const digestOf = (image: string) => image.split('@')[1];
const look = () => watchReleases({} as Timer, {} as InvocationContext);

describe('the way to ready', () => {
  test('three messages at once: every step once, staged once, operators told once', async () => {
    const digest = await push();
    await Promise.all([drive(digest), drive(digest), drive(digest)]);
    const release = await read(digest);
    assert.deepEqual(statesOf(release), ['pushed', 'verified', 'staging', 'warm', 'ready']);
    assert.equal(stagings(digest), 1);
    assert.deepEqual(toldOf(digest), ['ready']);
    assert.deepEqual(release.checks?.golden, { passed: 1, failed: 0 });
    assert.equal(release.claim, null);
    assert.match(await imageOf('staging'), new RegExp(`^127\\.0\\.0\\.1:\\d+/${REPOSITORY}@${digest}$`));
    for (let time = 0; time < 3; time += 1) assert.equal(await work(digest), null, 'a message that comes late');
    assert.equal(stagings(digest), 1);
  });

  test('while another worker has it, one waits; when that one is gone, one goes on', async () => {
    const digest = await push();
    await work(digest);
    await change(digest, { claim: { by: 'a worker that died', until: Date.now() + 30_000 } });
    const wait = await work(digest);
    assert.ok(wait! > 20_000);
    assert.equal((await read(digest)).state, 'verified');
    await change(digest, { claim: { by: 'a worker that died', until: Date.now() - 1 } });
    assert.equal((await drive(digest)).state, 'ready');
  });

  test('a tag that moved meanwhile: the digest decides', async () => {
    const digest = await push();
    const other = await push();
    assert.equal(await new Registry(registry.url, REPOSITORY, nobody).resolve('staging'), other);
    assert.equal((await drive(digest)).state, 'ready');
    assert.equal(digestOf(await imageOf('staging')), digest);
  });

  test('a newer push takes the slot; the older one is superseded', async () => {
    const older = await push();
    await drive(older, 'staging');
    const newer = await push();
    await work(newer);
    assert.equal((await drive(older)).state, 'superseded');
    assert.equal((await drive(newer)).state, 'ready');
    assert.equal(digestOf(await imageOf('staging')), newer);
    assert.deepEqual(toldOf(older), []);
  });

  test('messages in the wrong order: what was pushed later counts', async () => {
    const [older, newer] = [await push(), await push()];
    await advance(newer, REPOSITORY, Date.now());
    await advance(older, REPOSITORY, Date.now() - 60_000);
    assert.equal((await drive(older)).state, 'superseded');
    assert.equal((await drive(newer)).state, 'ready');
    assert.equal(stagings(older), 0);
  });

  test('an older release that is staged late takes nothing from the newer one', async () => {
    const older = await push();
    await drive(older, 'verified');
    const newer = await push();
    let late = false;
    arm.rule = async ({ method, body }): Promise<Verdict> => {
      if (method !== 'PATCH' || !body.includes(older)) return 'pass';
      late = true;
      await drive(newer, 'staging');
      return 'pass';
    };
    await work(older);
    assert.ok(late);
    assert.equal((await drive(older)).state, 'superseded');
    assert.equal((await drive(newer)).state, 'ready', (await read(newer)).reason ?? '');
  });
});

describe('what never becomes ready', () => {
  test('a golden case that fails at the slot: production is untouched, the swap refuses', async () => {
    const before = await imageOf('production');
    const digest = await push({ golden: { hello: 'greet', bye: 'leave' } });
    const release = await drive(digest);
    assert.equal(release.state, 'failed');
    assert.match(release.reason!, /1 golden cases fail: intents case 1: other instead of leave/);
    assert.deepEqual(release.checks?.golden, { passed: 1, failed: 1 });
    assert.deepEqual(toldOf(digest), ['failed']);
    await assert.rejects(
      swapIn('kim', () => undefined),
      (error: Error) => error instanceof SwapRefused && /is failed .*golden/.test(error.message),
    );
    assert.equal(await imageOf('production'), before);
    assert.ok(!statesOf(release).includes('ready'));
  });

  test('an image that ends by itself: the end of its log is in the record', async () => {
    const digest = await push({ ends: 'cannot open libonnx.so: no such file' });
    const release = await drive(digest);
    assert.equal(release.state, 'failed');
    assert.match(release.reason!, /did not serve this image within 5 s/);
    assert.match(release.reason!, /cannot open libonnx\.so: no such file/);
    assert.doesNotMatch(release.steps.at(-1)!.note!, /\n/);
    assert.deepEqual(toldOf(digest), ['failed']);
  });

  test('an image that runs and is never healthy', async () => {
    const digest = await push({ unhealthy: true });
    await drive(digest, 'staging');
    assert.equal(await work(digest), 2_000, 'it is waited for');
    await change(digest, { since: Date.now() - 6_000 });
    const release = await drive(digest);
    assert.equal(release.state, 'failed');
    assert.match(release.reason!, /did not serve this image within 5 s: .*503/);
  });

  const cases: [why: string, push: () => Promise<string>, reason: RegExp][] = [
    ['a digest that is not in the registry', async () => `sha256:${'e'.repeat(64)}`, /there is no image sha256:eee/],
    ['an image of somebody else', () => foreign({}), /not made by npm run release/],
    ['an image with a label that is none', () => foreign({ 'dev.maru.release': '{{' }), /not made by npm run release/],
    ['another platform', () => foreign({}, 'arm64'), /linux\/arm64, not linux\/amd64/],
    ['an image without the model that the bot asks', () => push({ model: 'others' }), /has no model intents/],
  ];
  for (const [why, made, reason] of cases)
    test(`${why}: failed with the reason, and not staged`, async () => {
      const digest = await made();
      const release = await drive(digest);
      assert.deepEqual(statesOf(release), ['pushed', 'failed']);
      assert.match(release.reason!, reason);
      assert.equal(stagings(digest), 0);
      assert.deepEqual(toldOf(digest), ['failed']);
    });

  test('a repository that is not on the list', async () => {
    const digest = `sha256:${'d'.repeat(64)}`;
    assert.equal(await advance(digest, 'maru/other'), null);
    assert.match((await read(digest)).reason!, /maru\/other is not in RELEASE_REPOSITORIES/);
  });

  test('answers of another image are not taken for its own', async () => {
    const other = await push();
    assert.equal((await drive(other)).state, 'ready');
    const otherImage = await imageOf('staging');
    const digest = await push({ answers: { hello: 'not what it should be' } });
    await drive(digest, 'warm');
    await stage(otherImage);
    const serves = async () => ((await (await fetch(`${staging.url}/v2`)).json()) as { release: string }).release;
    const { release } = await read(other);
    await eventually(async () => (await serves().catch(() => '')) === release);
    await work(digest);
    assert.notEqual((await read(digest)).state, 'ready');
  });
});

describe('beside production, on logged utterances', () => {
  const answers = { hello: 'greet', 'my secret 1': 'a', 'my secret 2': 'b', 'my secret 3': 'c' };
  const turns = () => fixture.platform.cosmos.client.database('maru').container('turns');
  const ids = Object.keys(answers).map(() => unique('turn'));
  before(async () => {
    await goLive({ answers });
    for (const [index, text] of Object.keys(answers).entries())
      await turns().items.create({ id: ids[index]!, conversationId: 'c', text, answeredAt: Date.now() });
  });
  after(async () => {
    for (const id of ids) await turns().item(id, 'c').delete();
  });

  test('answers that are otherwise than in production, and no text of a user in the record', async () => {
    const digest = await push();
    const release = await drive(digest);
    assert.equal(release.state, 'failed');
    assert.match(release.reason!, /3 of 4 logged utterances are answered otherwise/);
    assert.equal(release.checks!.comparison!.compared - release.checks!.comparison!.same, 3);
    assert.doesNotMatch(JSON.stringify([release, told]), /my secret/);
    const alike = await push({ answers: { ...answers, 'my secret 3': 'd' } });
    const good = await drive(alike);
    assert.equal(good.state, 'ready');
    assert.equal(good.checks?.comparison?.same, 3);
  });

  test('worse than production on what people have judged, out of scope or in it: refused, with both figures; better: said', async () => {
    const known = [
      ...Array.from({ length: 10 }, (_, index) => ({ text: `greet ${index}`, intent: 'greet' })),
      ...Array.from({ length: 10 }, (_, index) => ({ text: `strange ${index}`, intent: 'none' })),
    ];
    // What is not named is answered with another label.
    const knows = (greets: number, refuses: number) => ({
      ...answers,
      ...Object.fromEntries(known.slice(0, greets).map(({ text }) => [text, 'greet'])),
      ...Object.fromEntries(known.slice(10, 10 + refuses).map(({ text }) => [text, 'none'])),
    });
    const label = {
      id: unique('turn'),
      conversationId: 'c',
      text: 'labelled by a person',
      label: 'greet',
      answeredAt: Date.now(),
    };
    useHeldOut({ intents: known, faq: [] });
    try {
      await turns().items.create(label);
      await goLive({ answers: knows(8, 8) });
      const careless = await drive(await push({ answers: knows(8, 4) }));
      assert.equal(careless.state, 'failed');
      assert.match(careless.reason!, /of 10 that are of no intent 40\.0% are refused, in production 80\.0%/);
      const dull = await drive(await push({ answers: knows(4, 8) }));
      assert.equal(dull.state, 'failed');
      assert.match(dull.reason!, /of 11 utterances that people have judged 36\.4% are right, in production 72\.7%/);
      // And what its FAQ would lose: to questions that it had answered, and to those that are none of its.
      const asked = Array.from({ length: 10 }, (_, at) => ({ text: `asked ${at}`, entry: at < 5 ? 'wifi' : 'none' }));
      useHeldOut({ intents: known, faq: asked });
      const finds = (count: number) =>
        Object.fromEntries([
          ...asked.slice(5).map(({ text }) => [text, 'none']),
          ...asked.slice(0, count).map(({ text }) => [text, 'wifi']),
        ]);
      await goLive({ answers: { ...knows(8, 8), ...finds(5) } });
      const forgetful = await drive(await push({ answers: { ...knows(8, 8), ...finds(1) } }));
      assert.equal(forgetful.state, 'failed');
      assert.match(
        forgetful.reason!,
        /^the FAQ: of 5 utterances that people have judged 20\.0% are right, in production 100\.0%/,
      );
      const talkative = await drive(await push({ answers: { ...knows(8, 8), ...finds(10) } }));
      assert.match(talkative.reason!, /^the FAQ: of 5 that are of no intent 0\.0% are refused, in production 100\.0%/);
      useHeldOut({ intents: known, faq: [] });
      const better = await drive(await push({ answers: { ...knows(9, 8), [label.text]: 'greet' } }));
      assert.equal(better.state, 'ready');
      assert.deepEqual(better.checks?.judgement, {
        inside: 11,
        outside: 10,
        before: { right: 8, refused: 8 },
        after: { right: 10, refused: 8 },
        changed: 2,
        better: 2,
        worse: 0,
      });
      assert.match(better.steps.at(-1)!.note!, /of 21 judged utterances 2 better, 0 worse, 2 changed/);
      assert.doesNotMatch(JSON.stringify([careless, dull, better, told]), /labelled by|greet 1|strange/);
    } finally {
      useHeldOut({ intents: [], faq: [] });
      await turns().item(label.id, 'c').delete();
    }
  });

  test('production goes away while it is judged: what was asked by then counts', async () => {
    const known = Array.from({ length: 150 }, (_, index) => ({ text: `greet ${index}`, intent: 'greet' }));
    const knows = { ...answers, ...Object.fromEntries(known.map(({ text }) => [text, 'greet'])) };
    useHeldOut({ intents: known, faq: [] });
    try {
      await goLive({ answers: knows });
      const digest = await push({ answers });
      let asked = 0;
      production.rule = ({ path, body }) =>
        path.includes(':predict') && body.includes('greet') && ++asked > 1 ? away : 'pass';
      const release = await drive(digest);
      assert.equal(release.state, 'failed');
      assert.match(release.reason!, /of 100 utterances that people have judged 0\.0% are right, in production 100\.0%/);
    } finally {
      production.rule = () => 'pass';
      useHeldOut({ intents: [], faq: [] });
    }
  });

  test('answers that come much later than those of production', async () => {
    const digest = await push({ answers, slow: 400 });
    const release = await drive(digest);
    assert.equal(release.state, 'failed');
    assert.match(release.reason!, /answers take \d+ ms \(p95\), in production \d+ ms/);
  });
});

describe('services that are away', () => {
  test('the registry for a while: tried again, and then it goes on', async () => {
    const digest = await push();
    registry.rule = () => away;
    assert.equal(await work(digest), 1_000);
    assert.equal(await work(digest), 2_000);
    const waiting = await read(digest);
    assert.deepEqual([waiting.state, waiting.attempts], ['pushed', 2]);
    assert.match(waiting.reason!, /registry/);
    registry.rule = () => 'pass';
    const release = await drive(digest);
    assert.deepEqual([release.state, release.attempts, release.reason], ['ready', 0, null]);
  });

  test('the registry for good: failed with the reason', async () => {
    const digest = await push();
    registry.rule = () => away;
    const release = await drive(digest);
    assert.deepEqual(statesOf(release), ['pushed', 'failed']);
    assert.match(release.reason!, /^registry: manifest .* answered 503/);
    assert.equal(stagings(digest), 0);
  });

  test('the registry and Resource Manager are slow: waited for', async () => {
    const slow = async (): Promise<Verdict> => {
      await sleep(500);
      return 'pass';
    };
    registry.rule = slow;
    arm.rule = slow;
    const digest = await push();
    assert.equal((await drive(digest)).state, 'ready');
    assert.equal(stagings(digest), 1);
  });

  test('a registry that never answers, or never to the end, is given up', async () => {
    const digest = await push();
    const impatient = new Registry(registry.url, REPOSITORY, nobody, 400);
    for (const rule of ['hang', 'keep'] as const)
      for (const part of ['/manifests/', '/blobs/']) {
        registry.rule = ({ path }) => (path.includes(part) ? rule : 'pass');
        const begun = performance.now();
        await assert.rejects(impatient.image(digest), `${rule} at ${part}`);
        assert.ok(performance.now() - begun < 5_000);
      }
    registry.rule = () => 'hang';
    await assert.rejects(impatient.resolve('staging'));
    registry.rule = () => 'pass';
    assert.equal((await impatient.image(digest))?.digest, digest);
  });

  test('Resource Manager for a while: tried again, and staged once', async () => {
    const digest = await push();
    await drive(digest, 'verified');
    arm.rule = () => away;
    assert.equal(await work(digest), 1_000);
    arm.rule = () => 'pass';
    assert.equal((await drive(digest)).state, 'ready');
    assert.equal(stagings(digest), 1);
  });

  test('Resource Manager for good: failed with the reason, production is untouched', async () => {
    const before = await imageOf('production');
    const digest = await push();
    arm.rule = () => away;
    const release = await drive(digest);
    assert.deepEqual(statesOf(release), ['pushed', 'verified', 'failed']);
    assert.match(release.reason!, /^arm: busy/);
    arm.rule = () => 'pass';
    assert.equal(await imageOf('production'), before);
  });

  test('Resource Manager refuses: failed at once', async () => {
    const digest = await push();
    arm.rule = ({ method }) => (method === 'PATCH' ? refuses : 'pass');
    const release = await drive(digest);
    assert.equal(release.state, 'failed');
    assert.match(release.reason!, /you may not do this/);
    assert.equal(
      arm.seen
        .filter((line) => line.startsWith('PATCH'))
        .at(-1)
        ?.includes('staging'),
      true,
    );
  });

  test('the slot is away while it is checked: checked again', async () => {
    const digest = await push();
    await drive(digest, 'warm');
    staging.rule = () => away;
    assert.equal(await work(digest), 1_000);
    staging.rule = () => 'pass';
    assert.equal((await drive(digest)).state, 'ready');
  });

  test('the log of the slot can not be had: the failure is told all the same', async () => {
    const digest = await push({ golden: { hello: 'greet' } });
    await drive(digest, 'staging');
    await change(digest, { since: Date.now() - 6_000 });
    staging.rule = () => away;
    arm.rule = ({ path }) => (path.includes('containerlogs') ? refuses : 'pass');
    const release = await drive(digest);
    assert.equal(release.state, 'failed');
    assert.match(release.reason!, /log could not be read/);
  });

  test("the operators' webhook fails: nothing else does", async () => {
    operators.rule = () => ({ status: 500, body: '' });
    const digest = await push();
    assert.equal((await drive(digest)).state, 'ready');
    assert.equal((await read(digest)).notified, null);
    await swapIn('kim', () => undefined);
    assert.equal((await read(digest)).state, 'live');
    await look();
    operators.rule = hears;
    await change(digest, { since: Date.now() - 70_000 });
    for (let time = 0; time < 2; time += 1) await look();
    assert.deepEqual(toldOf(digest), ['live'], 'the timer tells what they did not hear, once');
  });
});

describe('swapping', () => {
  test('what is ready goes live, by whom; what was live is superseded; and back again', async () => {
    const first = await live();
    const digest = await push();
    await drive(digest);
    const said: string[] = [];
    const swapped = await swapIn('lee', (text) => said.push(text));
    assert.equal(swapped.digest, digest);
    assert.equal(said.length, 3);
    assert.equal(digestOf(await imageOf('production')), digest);
    assert.equal((await read(digest)).steps.at(-1)?.by, 'lee');
    assert.equal((await read(first)).state, 'superseded');
    assert.deepEqual(toldOf(digest), ['ready', 'live']);
    const { from, to } = await rollBack('park', () => undefined);
    assert.deepEqual([from.digest, to?.digest], [digest, first]);
    assert.equal(digestOf(await imageOf('production')), first);
    assert.deepEqual(toldOf(digest), ['ready', 'live', 'rolled-back']);
    assert.deepEqual([(await read(digest)).state, (await read(first)).state], ['rolled-back', 'live']);
    await assert.rejects(
      swapIn('lee', () => undefined),
      /is rolled-back/,
    );
  });

  test('asked for in the console: this one and no other; made by a worker that died, it is brought to its end and not made twice', async () => {
    const before = await live();
    const digest = await push();
    await drive(digest);
    const quiet = () => undefined;
    await assert.rejects(
      swapIn('rita', quiet, `sha256-${'0'.repeat(64)}`),
      /another release than the one that was asked for/,
    );
    assert.equal(digestOf(await imageOf('production')), before, 'nothing was swapped');
    await assert.rejects(rollBack('rita', quiet, idOf(digest)), SwapRefused);
    assert.equal(digestOf(await imageOf('production')), before);

    // Swapped, and the worker died before it could say so.
    await swap();
    const { state } = await swapIn('rita', quiet, idOf(digest));
    assert.equal(state, 'live');
    assert.equal(digestOf(await imageOf('production')), digest, 'not swapped back by a second swap');
    assert.deepEqual([(await read(digest)).state, (await read(before)).state], ['live', 'superseded']);
    assert.equal((await read(digest)).steps.at(-1)?.by, 'rita');

    await swap();
    const { from, to } = await rollBack('rita', quiet, idOf(digest));
    assert.deepEqual([from.state, to?.state], ['rolled-back', 'live']);
    assert.equal(digestOf(await imageOf('production')), before);
    // Its message once more.
    await rollBack('rita', quiet, idOf(digest));
    assert.equal(digestOf(await imageOf('production')), before);

    // A message of long ago, when something else has gone live since.
    const next = await push();
    await drive(next);
    await swapIn('lee', quiet);
    await assert.rejects(rollBack('rita', quiet, idOf(before)), SwapRefused);
    assert.equal(digestOf(await imageOf('production')), next);
    await rollBack('lee', quiet);
  });

  test('a swap that the console asked for and that may not be made is refused with the reason, and poison ends it', async () => {
    const { swapFor } = await import('../../functions/queues/swap.ts');
    const { beginAudit, readAudit } = await import('../../functions/services/audit.ts');
    const { poisonWorker } = await import('../../functions/queues/poison.ts');
    const digest = await push();
    await drive(digest);
    const rita = { id: 'rita', name: 'Rita' };
    const entry = await beginAudit(rita, 'release.swap', idOf(digest));
    arm.rule = ({ path }) => (path.includes('slotsswap') ? refuses : 'pass');
    await swapFor(idOf(digest), { kind: 'in', entry: entry.id });
    const ended = (await readAudit(entry.id))!;
    assert.equal(ended.state, 'refused');
    assert.match(ended.note!, /you may not do this/);
    arm.rule = () => 'pass';
    await swapFor(idOf(digest), { kind: 'in', entry: entry.id });
    assert.equal((await read(digest)).state, 'ready', 'its message once more does nothing');

    const other = await beginAudit(rita, 'release.swap', idOf(digest));
    const message = { digest, repository: REPOSITORY, swap: { kind: 'in', entry: other.id } };
    await poisonWorker('releases')(message, {
      triggerMetadata: { id: unique('poison') },
    } as unknown as InvocationContext);
    assert.equal((await readAudit(other.id))!.state, 'refused');
  });

  test('production does not serve it well: swapped back, failed with the reason, operators told', async () => {
    const before = await live();
    const digest = await push({ wrongAt: production.port });
    assert.equal((await drive(digest)).state, 'ready');
    await assert.rejects(
      swapIn('kim', () => undefined),
      /did not serve .* well, and was swapped back: production fails golden case 0 of intents/,
    );
    assert.equal(digestOf(await imageOf('production')), before);
    assert.deepEqual([(await read(digest)).state, (await read(before)).state], ['failed', 'live']);
    assert.match((await read(digest)).reason!, /^swapped back: /);
    assert.deepEqual(toldOf(digest), ['ready', 'failed']);
    const answer = await fetch(`${production.url}/v1/models/intents:predict`, {
      method: 'POST',
      body: JSON.stringify({ instances: ['hello'] }),
    });
    assert.deepEqual(await answer.json(), { predictions: [{ label: 'greet' }] });
  });

  test('production does not serve it well, and the swap back is refused: both are said and recorded', async () => {
    const before = await live();
    const digest = await push({ wrongAt: production.port });
    await drive(digest);
    let swaps = 0;
    arm.rule = ({ path }) => (path.includes('slotsswap') && ++swaps > 1 ? refuses : 'pass');
    await assert.rejects(
      swapIn('kim', () => undefined),
      /could not be swapped back .*you may not do this.*: swap the slots in the portal/,
    );
    const { state, reason } = await read(digest);
    assert.equal(state, 'failed');
    assert.match(reason!, /^not swapped back .*production still runs it: production fails golden case 0/);
    assert.deepEqual(toldOf(digest), ['ready', 'failed']);
    arm.rule = () => 'pass';
    await swap();
    assert.equal(digestOf(await imageOf('production')), before);
  });

  test('what is rolled back to does not answer well in production: rolled back all the same, and said', async () => {
    const before = await live();
    const digest = await goLive();
    production.rule = ({ path }) =>
      path.includes(':predict') ? { status: 200, body: '{"predictions":[{"label":"wrong"}]}' } : 'pass';
    await assert.rejects(
      rollBack('park', () => undefined),
      /production fails golden case 0/,
    );
    assert.equal(digestOf(await imageOf('production')), before);
    assert.deepEqual([(await read(digest)).state, (await read(before)).state], ['rolled-back', 'live']);
  });

  test('Resource Manager refuses the swap: everything is as before', async () => {
    const before = await live();
    const digest = await push();
    await drive(digest);
    const message = "Cannot swap site slots because the 'staging' slot did not respond to http ping.";
    arm.rule = ({ path }) =>
      path.includes('slotsswap')
        ? { status: 417, body: JSON.stringify({ error: { code: 'ExpectationFailed', message } }) }
        : 'pass';
    await assert.rejects(
      swapIn('kim', () => undefined),
      /did not respond to http ping/,
    );
    assert.equal(digestOf(await imageOf('production')), before);
    assert.deepEqual([(await read(digest)).state, (await read(before)).state], ['ready', 'live']);
  });

  test('a swap that is refused for a moment is not repeated by itself: a second one would undo it', async () => {
    await live();
    const digest = await push();
    await drive(digest);
    arm.seen = [];
    arm.rule = ({ path }) => (path.includes('slotsswap') ? away : 'pass');
    await assert.rejects(swapIn('kim', () => undefined));
    assert.equal(arm.seen.filter((line) => line.includes('slotsswap')).length, 1);
    assert.equal((await read(digest)).state, 'ready');
  });

  test('the answer to the swap is lost: it is not made again, and what production runs decides', async () => {
    const before = await live();
    const digest = await push();
    await drive(digest);
    arm.seen = [];
    arm.rule = ({ path }) => (path.includes('slotsswap') ? 'lose' : 'pass');
    await swapIn('kim', () => undefined).catch(() => undefined);
    await eventually(async () => digestOf(await imageOf('production')) === digest);
    assert.equal(arm.seen.filter((line) => line.includes('slotsswap')).length, 1);
    assert.deepEqual([(await read(digest)).state, (await read(before)).state], ['live', 'superseded']);
  });

  test('whatever happens while a swap is looked at, it is one swap, and it is known what came of it', async () => {
    const busy = {
      status: 429,
      headers: { 'retry-after': '0' },
      body: '{"Code":"TooManyRequests","Message":"slow down"}',
    };
    const pending = (path: string) => ({
      status: 202,
      headers: { 'retry-after': '1', location: `https://${new URL(arm.url).host}${path}` },
      body: '',
    });
    const looks: Record<string, (path: string) => Verdict> = {
      throttled: () => busy,
      'away for a moment': () => away,
      'the connection is lost': () => 'drop',
      'not done yet': pending,
      'done, without a word': () => ({ status: 204, body: '' }),
      'who asks may not any more': () => refuses,
      'the operation is forgotten': () => ({
        status: 404,
        body: '{"error":{"code":"NotFound","message":"Operation not found."}}',
      }),
    };
    for (const [what, answer] of Object.entries(looks)) {
      const before = await live();
      const digest = await push();
      await drive(digest);
      let looked = 0;
      arm.seen = [];
      arm.rule = ({ path }) => (path.includes('operationresults') && ++looked <= 3 ? answer(path) : 'pass');
      await swapIn('kim', () => undefined);
      arm.rule = () => 'pass';
      assert.ok(looked > 0, what);
      assert.equal(digestOf(await imageOf('production')), digest, what);
      assert.equal(arm.seen.filter((line) => line.includes('slotsswap')).length, 1, what);
      assert.deepEqual([(await read(digest)).state, (await read(before)).state], ['live', 'superseded'], what);
    }
  });

  test('a swap that fails on its way says why, in the words of App Service', async () => {
    const before = await live();
    const digest = await push();
    await drive(digest);
    const Message = "Cannot swap site slots for site 'x' because the 'staging' slot did not respond to http ping.";
    arm.rule = ({ path }) => {
      // It is begun, and ends so: nothing of it reaches the stand-in.
      const location = `https://${new URL(arm.url).host}/subscriptions/x/operationresults/y?api-version=2025-05-01`;
      if (path.includes('slotsswap')) return { status: 202, headers: { location, 'retry-after': '0' }, body: '' };
      return path.includes('/operationresults/y')
        ? { status: 409, body: JSON.stringify({ Code: 'Conflict', Message }) }
        : 'pass';
    };
    await assert.rejects(
      swapIn('kim', () => undefined),
      /arm: Cannot swap site slots for site 'x' because the 'staging' slot did not respond to http ping/,
    );
    assert.equal(digestOf(await imageOf('production')), before);
    assert.equal((await read(digest)).state, 'ready');
  });

  test('a swap that says in its body that it failed has failed: nobody waits for it', async () => {
    const before = await live();
    const digest = await push();
    await drive(digest);
    const operation = `https://${new URL(arm.url).host}/subscriptions/x/operations/z?api-version=2025-05-01`;
    const failed = { status: 'Failed', error: { code: 'Conflict', message: 'the slot is being deleted' } };
    arm.rule = ({ path }): Verdict => {
      if (path.includes('slotsswap'))
        return { status: 202, headers: { 'azure-asyncoperation': operation, 'retry-after': '0' }, body: '' };
      return path.includes('/operations/z')
        ? { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(failed) }
        : 'pass';
    };
    const said: string[] = [];
    await assert.rejects(
      swapIn('kim', (text) => said.push(text)),
      /the slot is being deleted/,
    );
    assert.ok(!said.some((text) => text.includes('not known')));
    assert.equal(digestOf(await imageOf('production')), before);
    assert.equal((await read(digest)).state, 'ready');
  });

  test('nothing is staged while a swap is under way: it would go live unchecked', async () => {
    await live();
    const digest = await push();
    await drive(digest);
    const unchecked = await push();
    let [swaps, staged] = [0, 0];
    arm.rule = async ({ path }) => {
      if (!path.includes('slotsswap') || swaps++ > 0) return 'pass';
      for (let step = 0; step < 3; step += 1) await work(unchecked);
      staged = stagings(unchecked);
      return staged > 0 ? refuses : 'pass';
    };
    await swapIn('kim', () => undefined).catch(() => undefined);
    assert.equal(swaps, 1);
    assert.equal(staged, 0);
    assert.equal(digestOf(await imageOf('production')), digest);
  });

  test('two people swap at once: one of them does, and the other does not undo it', async () => {
    await live();
    const digest = await push();
    await drive(digest);
    let posts = 0;
    const first = Promise.withResolvers<unknown>();
    arm.rule = async ({ path }): Promise<Verdict> => {
      if (path.includes('slotsswap') && posts++ > 0) await first.promise;
      return 'pass';
    };
    const both = [swapIn('kim', () => undefined), swapIn('lee', () => undefined)];
    first.resolve(Promise.any(both));
    const ends = await Promise.allSettled(both);
    assert.equal(digestOf(await imageOf('production')), digest);
    assert.equal((await read(digest)).state, 'live');
    assert.deepEqual(ends.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  });

  test('the registry is away when production is checked: that says nothing of production', async () => {
    await live();
    const digest = await push();
    await drive(digest);
    arm.rule = ({ path }) => {
      if (path.includes('slotsswap')) registry.rule = () => away;
      return 'pass';
    };
    await swapIn('kim', () => undefined).catch(() => undefined);
    assert.equal(digestOf(await imageOf('production')), digest);
    assert.equal((await read(digest)).state, 'live');
  });

  test('the timer looks while production is checked: the swap is recorded once, and operators are told once', async () => {
    const before = await live();
    const digest = await push();
    await drive(digest);
    let looked = false;
    production.rule = async (): Promise<Verdict> => {
      if (!looked && digestOf(await imageOf('production')) === digest) {
        looked = true;
        await look();
      }
      return 'pass';
    };
    const swapped = await swapIn('kim', () => undefined);
    assert.ok(looked);
    assert.equal(swapped.state, 'live');
    assert.deepEqual([(await read(digest)).state, (await read(before)).state], ['live', 'superseded']);
    assert.deepEqual(toldOf(digest), ['ready', 'live']);
  });

  test('the record is written by somebody else meanwhile: operators are told once', async () => {
    await live();
    const digest = await push();
    await drive(digest);
    operators.rule = async (passing) => {
      if (toldOf(digest).length < 2) await change(digest, { attempts: 0 });
      return hears(passing);
    };
    await swapIn('kim', () => undefined);
    assert.equal((await read(digest)).state, 'live');
    assert.deepEqual(toldOf(digest), ['ready', 'live']);
  });

  test('nothing to swap to, nothing to roll back to: refused in words', async () => {
    await live();
    const digest = await push();
    await drive(digest);
    await assert.rejects(
      rollBack('kim', () => undefined),
      /is ready and was not live before/,
    );
    const unknown = `${new URL(registry.url).host}/${REPOSITORY}@sha256:${'f'.repeat(64)}`;
    await stage(unknown);
    await assert.rejects(
      swapIn('kim', () => undefined),
      SwapRefused,
    );
    const before = await imageOf('production');
    await assert.rejects(rollBack('kim', () => undefined));
    assert.equal(await imageOf('production'), before, 'an image that nobody knows never goes live');
    assert.equal((await read(digestOf(before)!)).state, 'live');
  });
});

describe('the timer', () => {
  const queue = () =>
    QueueServiceClient.fromConnectionString(fixture.platform.azurite.connection).getQueueClient('releases');
  async function woken(): Promise<string[]> {
    const { receivedMessageItems } = await queue().receiveMessages({ numberOfMessages: 32, visibilityTimeout: 60 });
    await queue().clearMessages();
    return receivedMessageItems.map(({ messageText }) => (JSON.parse(messageText) as { digest: string }).digest);
  }

  test('a push whose webhook never came is found; one that is known is not found again', async () => {
    const digest = await push();
    await woken();
    await look();
    assert.deepEqual(await woken(), [digest]);
    await drive(digest);
    await look();
    assert.deepEqual(await woken(), []);
  });

  test('a release that nobody moves is woken', async () => {
    const digest = await push();
    await work(digest);
    await woken();
    await look();
    assert.deepEqual(await woken(), [], 'it is still young');
    await change(digest, { since: Date.now() - 100_000 });
    await look();
    assert.deepEqual(await woken(), [digest]);
    await change(digest, { claim: { by: 'one', until: Date.now() + 10_000 } });
    await look();
    assert.deepEqual(await woken(), [], 'somebody has it');
    await change(digest, { claim: null });
    assert.equal((await drive(digest)).state, 'ready');
  });

  test('a swap in the portal is recorded, and the swap back', async () => {
    const before = await live();
    const digest = await push();
    await drive(digest);
    await swap();
    await look();
    assert.deepEqual([(await read(digest)).state, (await read(before)).state], ['live', 'superseded']);
    assert.match((await read(digest)).steps.at(-1)!.note!, /outside of Maru/);
    assert.deepEqual(toldOf(digest), ['ready', 'live']);
    await swap();
    await look();
    await look();
    assert.deepEqual([(await read(digest)).state, (await read(before)).state], ['rolled-back', 'live']);
    assert.deepEqual(toldOf(digest), ['ready', 'live', 'rolled-back']);
  });

  test('a registry that is away keeps nobody from noticing a swap', async () => {
    await live();
    const digest = await push();
    await drive(digest);
    await swap();
    registry.rule = () => away;
    await look().catch(() => undefined);
    assert.equal((await read(digest)).state, 'live');
  });
});

const nobody = { getToken: () => Promise.reject(new Error('a plain registry asks for no login')) };

/** An image that `npm run release` did not make. */
async function foreign(Labels: Record<string, string>, architecture = 'amd64'): Promise<string> {
  const repository = new Registry(registry.url, REPOSITORY, nobody);
  const rootfs = { type: 'layers' as const, diff_ids: [] };
  const config = { architecture, os: 'linux', config: { Labels, Env: [unique('NAME=')] }, rootfs };
  return await pushImage(repository, config, [], {}, ['staging']);
}
