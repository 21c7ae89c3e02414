import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Behaviour, pushFake } from './fake-server.ts';
import { asStaff, eventually, request, root, say, unique, usePlatform } from './fixture.ts';

/** A release answers a growing share of customers, who go on talking: twenty messages a second. Each test goes on where the one before it ended. */
const fixture = usePlatform(
  { RAMP_TURNS: '10', RELEASE_AGREEMENT: '0.5', RELEASE_LOSS: '1', RELEASE_LOSS_NONE: '1' },
  undefined,
  { slots: true },
);
/** What customers say here, and what the model that is live makes of it. */
const MEANINGS: Record<string, string> = {
  'what are your opening hours?': 'store_hours',
  'do you wrap gifts?': 'gift_wrap',
  'thank you so much': 'thanks',
};
const TEXTS = Object.keys(MEANINGS);
const PER_SECOND = 20;

const staff = (method: string, path: string, body?: unknown) =>
  asStaff(fixture.platform, { name: 'Rita', roles: ['releaser'] }, method, path, body);
const listed = async () => {
  const { status, body } = await staff('GET', 'releases');
  assert.equal(status, 200, JSON.stringify(body));
  return body;
};
const ramp = async () => (await listed()).ramp;
const act = (action: string, release: string, step?: number) =>
  staff('POST', 'releases/ramp', { action, release, step });

interface Said {
  status: number;
  conversation: string;
  /** Of the model that has answered. */
  version: string;
  at: number;
  ms: number;
}

/** Customers who go on talking until they are told to stop. */
function talk(context: TestContext) {
  const all: Promise<Said>[] = [];
  // Some say more than one thing: they must not be answered by one model and then by another.
  const regulars = Array.from({ length: 40 }, () => unique('regular'));
  let count = 0;
  const timer = setInterval(() => {
    count += 1;
    const conversation = count % 2 ? unique('ramp') : regulars[count % regulars.length]!;
    const started = Date.now();
    all.push(
      say(fixture.platform, conversation, TEXTS[count % TEXTS.length]!).then(({ status, body }) => ({
        status,
        conversation,
        version: body.model?.version ?? '',
        at: started,
        ms: Date.now() - started,
      })),
    );
  }, 1_000 / PER_SECOND);
  context.after(() => clearInterval(timer));
  return {
    async stop(): Promise<Said[]> {
      clearInterval(timer);
      return await Promise.all(all);
    },
  };
}

/** Pushes a release and waits until it is ready in the staging slot. */
async function ready(behaviour: Behaviour): Promise<{ id: string; digest: string }> {
  const digest = await pushFake(fixture.platform.registry!.url, {
    answers: { hello: 'greet', ...MEANINGS },
    ...behaviour,
  });
  return await eventually(async () => {
    const found = (await listed()).releases.find((one: { digest: string }) => one.digest === digest);
    assert.notEqual(found?.state, 'failed', found?.reason);
    return found?.state === 'ready' && found;
  }, 60);
}

describe('a ramp', () => {
  for (const [what, asked, reason] of [
    ['wrongly', { after: 0, wrong: true }, /are understood otherwise/],
    ['not at all', { after: 0, ends: true }, /did not answer \d+ in time/],
    [
      'well, until customers are answered by it, and then late',
      { after: 30, slow: 3_000 },
      /did not answer \d+ in time/,
    ],
  ] as const)
    test(`of a release that answers ${what} goes back to nobody, and nobody is left without an answer`, async (context) => {
      const { id, digest } = await ready({ asked });
      assert.equal((await act('begin', id)).status, 204);
      const talking = talk(context);
      // Far enough that customers are answered by it before it goes bad.
      if (asked.after > 0)
        for (let step = 0; step < 2; step += 1) assert.equal((await act('continue', id, step)).status, 204);
      const over = await eventually(async () => {
        const found = await ramp();
        return found.state === 'stopped' && found;
      }, 90);
      // A few seconds more: every instance has heard of it.
      await sleep(3_500);
      const all = await talking.stop();
      assert.match(over.reasons.join(), reason);
      assert.equal(over.share, 0);
      assert.ok(all.length > 50 && all.every(({ status }) => status === 200), `${all.length} messages`);
      assert.ok(
        all.every(({ version }) => version),
        'each was answered by a model',
      );
      const failed = (await listed()).releases.find((one: { digest: string }) => one.digest === digest);
      assert.deepEqual(
        [failed.state, /the ramp: /.test(failed.reason)],
        ['failed', true],
        'it can not go live by mistake',
      );
    });

  test('holds up whoever pushes or swaps, goes on when told to, and back when told to', async () => {
    const { id } = await ready({});
    assert.equal((await act('stop', id)).status, 409, 'there is none to stop');
    assert.equal((await act('begin', `sha256-${'0'.repeat(64)}`)).status, 409);
    assert.equal((await act('begin', id)).status, 204);
    assert.equal((await act('begin', id)).status, 409, 'one at a time');
    const { swap } = await listed();
    assert.match(swap.refusal, /A ramp is under way, at 0%/);
    assert.equal((await staff('POST', 'releases/swap', { release: id })).status, 409);

    const second = await pushFake(fixture.platform.registry!.url, { answers: { hello: 'greet', ...MEANINGS } });
    const state = async () =>
      (await listed()).releases.find(({ digest }: { digest: string }) => digest === second)?.state;
    await eventually(async () => (await state()) === 'verified');
    assert.equal((await act('continue', id, 0)).status, 204);
    assert.equal((await act('continue', id, 0)).status, 409, 'twice is once');
    assert.equal((await act('continue', id)).status, 400);
    assert.deepEqual([(await ramp()).share, (await ramp()).state], [0.05, 'running']);
    await sleep(3_000);
    assert.equal(await state(), 'verified', 'it waits');
    assert.equal((await act('stop', id)).status, 204);
    const { share, state: ended, history } = await ramp();
    assert.deepEqual([share, ended, history.at(-1).by], [0, 'stopped', 'Rita']);
    await eventually(async () => (await state()) === 'ready', 60);
    // By command, as whoever has no browser.
    const env = { ...process.env, ...fixture.platform.settings, NODE_TEST_CONTEXT: undefined };
    const text = await new Promise<string>((done, refused) => {
      const file = join(root, 'scripts/release/ramp.ts');
      execFile(process.execPath, [file, 'status'], { env, cwd: root }, (error, stdout) =>
        error ? refused(error) : done(stdout),
      );
    });
    assert.match(text, /^stopped +0%/);
  });

  test('of a release that is as good goes to everybody, and is live; nobody changes models twice', async (context) => {
    const { releases } = await listed();
    const { id, models } = releases.find(({ state }: { state: string }) => state === 'ready');
    const version = models[0].split(' ')[1];
    assert.equal((await act('begin', id)).status, 204);
    const talking = talk(context);
    const seen = new Set<number>();
    await eventually(async () => {
      const found = await ramp();
      assert.notEqual(found.state, 'stopped', found.reasons.join());
      seen.add(found.share);
      return found.state === 'done' && found;
    }, 170);
    await sleep(4_000);
    const all = await talking.stop();
    assert.deepEqual([...seen], [0, 0.05, 0.25, 0.5, 1], 'step by step');
    assert.ok(all.every(({ status }) => status === 200));
    assert.ok(
      all.slice(-20).every((one) => one.version === version),
      'it is live',
    );
    const changes = Map.groupBy(all, ({ conversation }) => conversation);
    for (const [conversation, own] of changes) {
      const versions = own.toSorted((a, b) => a.at - b.at).map((one) => one.version);
      const first = versions.indexOf(version);
      if (first >= 0)
        assert.ok(
          versions.slice(first).every((one) => one === version),
          `${conversation}: ${versions}`,
        );
    }
    const { body } = await staff('GET', `turns?model=${version}`);
    assert.ok(body.turns.length > 0, 'the call log says who got which model');
    assert.equal((await request(fixture.platform, 'GET', '/api/incidents')).body.incidents.length, 0);
  });
});
