import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { Role } from '../../functions/services/sign-in.ts';
import type { TrainingJob } from '../../functions/training/job/job.ts';
import { asStaff, eventually, request, say, unique, usePlatform } from './fixture.ts';
import { learningBot, MISSING, releaseServer, teach } from './learning-bot.ts';

/**
 * The way from what people teach to what the bot understands, by the built app, with a registry and two slots. Each test goes on where the one
 * before it ended. With ramps, and a gateway that is killed again and again: loop.test.ts.
 */
const { options, asked, others, missing, remove } = await learningBot();

/** Where each customer has asked. */
const conversations = new Map<string, string>();

const fixture = usePlatform(
  { TRAINING_QUIET_SECONDS: '2' },
  async ({ settings }) => await releaseServer(settings),
  options,
);
after(remove);

const staff = (roles: readonly Role[], method: string, path: string, body?: unknown) =>
  asStaff(fixture.platform, { name: 'Eddie', roles }, method, path, body);
const editor = (method: string, path: string, body?: unknown) => staff(['editor'], method, path, body);
const jobs = async (): Promise<TrainingJob[]> => (await editor('GET', 'trainings')).body.trainings;
const newest = async () => (await jobs())[0]!;
/** Waits until the newest job is in a state; throws at once when it went another way. */
async function reaches(state: TrainingJob['state'], seconds = 90): Promise<TrainingJob> {
  return await eventually(async () => {
    const job = await newest();
    assert.ok(
      job?.state === state || !['failed', 'kept', 'waiting', 'cancelled'].includes(job?.state ?? ''),
      job?.reason ?? job?.verdict?.reasons.join(),
    );
    return job?.state === state && job;
  }, seconds);
}

test('nothing is trained where nothing was taught', async () => {
  const { status, body } = await editor('GET', 'trainings');
  assert.equal(status, 200);
  assert.deepEqual([body.trainings, body.possible, body.taught.changes, body.taught.after], [[], true, 0, 20]);
});

describe('a bot that lacks an intent', () => {
  test('learns it: customers ask, somebody labels twenty, it trains by itself, is staged, and understands the others; its worker dies meanwhile', async () => {
    for (const text of others) await say(fixture.platform, unique('others'), text);
    for (const text of asked) {
      const conversation = unique('asks');
      conversations.set(text, conversation);
      const { body } = await say(fixture.platform, conversation, text);
      const feedback = `/api/conversations/${conversation}/messages/${body.turnId}/feedback`;
      await eventually(
        async () => (await request(fixture.platform, 'POST', feedback, { rating: 'down' })).status < 300,
      );
    }

    await teach(editor, { asked, missing });

    // Its worker dies in the middle: the next one begins anew, and what it makes is pushed once.
    await eventually(async () => ((await newest())?.share ?? 0) > 0.2, 60);
    fixture.platform.running.training!.child.kill('SIGKILL');
    await fixture.platform.startTraining();
    const job = await reaches('released', 150);
    assert.deepEqual([job.why, job.by, job.reason], ['changes', null, null]);
    assert.deepEqual(
      job.steps.map(({ state }) => state),
      ['queued', 'training', 'judged', 'pushed', 'released'],
    );
    const { models: trained, losses, content } = job;
    assert.deepEqual(trained.map(({ name }) => name).sort(), ['faq', 'intents']);
    assert.ok(losses.length > 20 && losses[0]!.loss > 2 * losses.at(-1)!.loss - 2, 'how it went is kept');
    const { version: live } = (await editor('GET', 'content')).body;
    assert.equal(content, live, 'the content that it was trained on is named');
    const { possible, taught } = (await editor('GET', 'trainings')).body;
    assert.deepEqual([possible, taught.changes], [true, 0], 'each thing that was taught counts once');

    const all = (await editor('GET', 'releases')).body.releases;
    assert.equal(all.filter(({ digest }: { digest: string }) => digest === job.digest).length, 1);

    // Before anybody has swapped, customers are answered as before.
    const [text] = asked.slice(20);
    assert.notEqual((await say(fixture.platform, unique('before'), text!)).body.intent?.name, MISSING);
    const { releases, swap } = (await editor('GET', 'releases')).body;
    assert.equal(swap.release, releases[0].id, swap.refusal);
    assert.equal((await staff(['releaser'], 'POST', 'releases/swap', { release: swap.release })).status, 202);
    const understood = await eventually(async () => {
      const answers = await Promise.all(asked.slice(20).map((one) => say(fixture.platform, unique('after'), one)));
      const right = answers.filter(({ body }) => body.intent?.name === MISSING).length;
      return right >= 4 && right;
    }, 60);
    assert.ok(understood >= 4, 'nobody has labelled these, and they are understood');

    // The log is seen again: what was not understood, or otherwise, is now, as it stands there.
    const replay = await eventually(async () => {
      const [found] = (await editor('GET', 'replays')).body.replays;
      return found?.id === job.version && found.state === 'done' && found;
    }, 100);
    assert.ok(replay.seen >= 65, `${replay.seen}`);
    const moves: { before: string; after: string; count: number }[] = replay.movements;
    const to = moves.filter(({ after }) => after === MISSING);
    const texts: string[] = [];
    for (const { before } of to) {
      const { turns } = (await editor('GET', `replays/${replay.id}/turns?before=${before}&after=${MISSING}`)).body;
      texts.push(...turns.map(({ text }: { text: string }) => text));
    }
    const now = asked.slice(20).filter((one) => texts.includes(one));
    assert.ok(now.length >= 4, `${now.length} of the five: ${JSON.stringify(to)}`);
    assert.equal((await editor('GET', `replays/${replay.id}/turns?before=a%27b&after=x`)).status, 400);
  });

  test('shows what was found out: the confusion of what was held out, and what differs, with its texts only where they are', async () => {
    const { id } = await newest();
    const { status, body } = await editor('GET', `trainings/${id}/report`);
    assert.equal(status, 200);
    const own = body.confusion.filter(({ intent }: { intent: string }) => intent === MISSING);
    assert.ok(own.some(({ label, count }: { label: string; count: number }) => label === MISSING && count > 5));
    assert.ok(own[0].texts.every(({ text, score }: { text: string; score: number }) => text && score >= 0));
    const otherwise = body.log.filter(({ after }: { after: string }) => after === MISSING);
    assert.ok(otherwise.length >= 4, JSON.stringify(body.log));
    assert.ok(otherwise.every(({ text, before }: { text: string; before: string }) => asked.includes(text) && before));
    assert.equal((await staff(['viewer'], 'GET', `trainings/${id}/report`)).status, 403);

    // When its user is erased, it is gone from here, too.
    const [gone] = otherwise;
    const user = `user-of-${conversations.get(gone.text)}`;
    assert.equal((await request(fixture.platform, 'DELETE', `/api/users/${user}`)).status, 200);
    const after = (await editor('GET', `trainings/${id}/report`)).body.log;
    assert.ok(after.every(({ turnId }: { turnId: string }) => turnId !== gone.turnId));
    assert.equal(after.length, body.log.length - 1);
  });
});

describe('a training', () => {
  const begin = async () => {
    const { status, body } = await editor('POST', 'trainings', {});
    assert.equal(status, 202, JSON.stringify(body));
    return body.id as string;
  };
  const trains = (id: string) =>
    eventually(async () => {
      const job = await newest();
      return job.id === id && job.state === 'training' && job.share > 0.1 && job;
    }, 60);

  test('is one at a time, and ends when somebody wants it to', async () => {
    const id = await begin();
    const second = await editor('POST', 'trainings', {});
    assert.deepEqual([second.status, second.body.code], [409, 'training_refused']);
    await trains(id);
    assert.equal((await editor('POST', `trainings/${id}/cancel`, {})).status, 202);
    const job = await eventually(async () => (await newest()).state === 'cancelled' && (await newest()), 15);
    assert.equal(job.steps.at(-1)!.by, 'Eddie');
    assert.equal((await editor('POST', `trainings/${id}/cancel`, {})).status, 409);
    assert.equal((await editor('POST', 'trainings/t1/cancel', {})).status, 404);
    assert.equal((await editor('POST', 'trainings/..%2Ft1/cancel', {})).status, 400);
    assert.equal((await staff(['viewer'], 'POST', 'trainings', {})).status, 403);
  });

  test('tries settings first where somebody wants that: two workers share the trials, one dies, and nothing is made twice', async () => {
    const first = fixture.platform.running.training!;
    await fixture.platform.startTraining();
    const { status, body } = await editor('POST', 'trainings', { search: { trials: 3, seconds: 600 } });
    assert.equal(status, 202, JSON.stringify(body));
    type Trials = {
      effects: { shows: string }[];
      trials: { index: number; part: number; state: string; seconds: number }[];
    };
    const trials = async (): Promise<Trials> => (await editor('GET', `trainings/${body.id}/trials`)).body;
    const underWay = async () => (await trials()).trials.filter(({ state }) => state === 'under way');
    await eventually(async () => (await underWay()).length === 2, 60);
    first.child.kill('SIGKILL');

    const over = await eventually(async () => {
      const job = await newest();
      return job.state !== 'queued' && job.state !== 'searching' && job;
    }, 200);
    assert.deepEqual(over.steps.map(({ state }) => state).slice(0, 3), ['queued', 'searching', 'training']);
    const { done, expected, found } = over.search!;
    assert.deepEqual([done, expected], [7, 7]);
    assert.ok(found!.before.accuracy > 0.5 && found!.after.accuracy > 0.3, JSON.stringify(found));
    const { effects, trials: made } = await trials();
    assert.deepEqual(
      made.map(({ index, part }) => `${index}.${part}`).filter((name) => name.startsWith('0')),
      ['0.3', '0.2', '0.1'],
    );
    assert.ok(made.every(({ state, seconds }) => state === 'ended' && seconds > 0));
    assert.equal(effects.length, 2);
    assert.equal((await editor('POST', `trainings/${body.id}/cancel`, {})).status, 202);
    await eventually(async () => (await newest()).state === 'cancelled', 30);

    for (const search of [
      { trials: 1, seconds: 600 },
      { trials: 301, seconds: 600 },
      { trials: 3, seconds: 1 },
      { trials: 3 },
      3,
    ])
      assert.equal((await editor('POST', 'trainings', { search })).status, 400);
  });

  test('that tries settings ends within seconds when somebody wants it to', async () => {
    const { body } = await editor('POST', 'trainings', { search: { trials: 30, seconds: 600 } });
    const isUnderWay = async () =>
      (await editor('GET', `trainings/${body.id}/trials`)).body.trials.some(
        ({ state }: { state: string }) => state === 'under way',
      );
    await eventually(isUnderWay, 30);
    assert.equal((await editor('POST', `trainings/${body.id}/cancel`, {})).status, 202);
    assert.equal((await newest()).state, 'cancelled');
    await eventually(async () => !(await isUnderWay()), 15);
  });

  // Of the long version alone (npm run test:loop): what is said of such a model is in test/functions/training/verdict.test.ts.
  if (!process.env.LONG) return;
  test('of content that mixes up what customers mean stays where it is, and nobody may let it go on', async () => {
    const { items } = (await editor('GET', 'content')).body;
    const intents = items.filter(
      ({ kind, name }: { kind: string; name: string }) => kind === 'intent' && name !== 'none',
    );
    const found = await Promise.all(
      intents.map(async ({ id }: { id: string }) => (await editor('GET', `content/items/${id}`)).body),
    );
    for (const [at, { live, etag }] of found.entries()) {
      const { utterances } = found[(at + 3) % found.length].live;
      const edited = { value: { ...live, utterances }, etag };
      assert.equal((await editor('PUT', `content/items/${intents[at].id}`, edited)).status, 200);
    }
    const { drafts } = (await editor('GET', 'content')).body;
    const published = await editor('POST', 'content/publish', { note: 'a mistake', drafts });
    assert.equal(published.status, 200, JSON.stringify(published.body));
    // It begins by itself: that much was changed.
    const job = await eventually(async () => {
      const found = await newest();
      return found.content === published.body.version && !['queued', 'training'].includes(found.state) && found;
    }, 120);
    assert.equal(job.state, 'kept', JSON.stringify(job.verdict));
    assert.match(job.verdict!.reasons[0]!, /utterances that people have judged/);
    assert.equal(job.digest, null, 'it is in no registry');
    const refused = await staff(['releaser'], 'POST', `trainings/${job.id}/release`, {});
    assert.deepEqual([refused.status, refused.body.code], [409, 'training_refused']);
  });
});
