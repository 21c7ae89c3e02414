import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoggedTurn } from '../../functions/services/call-log.ts';
import { asStaff, eventually, unique, usePlatform } from './fixture.ts';
import { learningBot, MISSING, releaseServer, teach } from './learning-bot.ts';

/**
 * The whole loop, by itself: customers ask for what the bot does not know, a person labels twenty, it trains, is staged, ramped under load and
 * goes live, and the log is seen again; the gateway is killed at each step on the way, and the worker that trains once. Only in the long
 * version (npm run test:loop): the short one is training.test.ts and ramp.test.ts.
 */
const KILLS = 20;
const PER_SECOND = 8;

if (process.env.LONG) {
  const { options, asked, others, missing, remove } = await learningBot();
  const fixture = usePlatform(
    { TRAINING_QUIET_SECONDS: '2', RAMP: 'true', RAMP_TURNS: '10' },
    async ({ settings }) => await releaseServer(settings),
    options,
  );
  after(remove);

  /** Again and again: whoever asks a gateway that is killed is not answered. */
  const persistent = async <T>(ask: () => Promise<T>): Promise<T> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await ask();
      } catch (error) {
        if (attempt === 60) throw error;
        await sleep(500);
      }
    }
  };
  const editor = (method: string, path: string, body?: unknown) =>
    persistent(async () => {
      const answer = await asStaff(fixture.platform, { name: 'Eddie', roles: ['editor'] }, method, path, body);
      if (answer.status >= 500) throw new Error(JSON.stringify(answer.body));
      return answer;
    });
  const stored = async <D>(container: string, query: string): Promise<D[]> =>
    (await fixture.platform.cosmos.client.database('maru').container(container).items.query<D>(query).fetchAll())
      .resources;

  interface Answered {
    conversation: string;
    turnId: string;
    intent: string | undefined;
  }
  /** One message, sent by the same key until it is answered. */
  const say = (conversation: string, text: string): Promise<Answered> =>
    persistent(async () => {
      const { gateway, key } = fixture.platform;
      const response = await fetch(`${gateway}/api/conversations/${conversation}/messages`, {
        method: 'POST',
        headers: {
          'x-functions-key': key,
          'content-type': 'application/json',
          'idempotency-key': `key-of-${conversation}`,
          prefer: 'wait=20',
        },
        body: JSON.stringify({ userId: conversation, text }),
        signal: AbortSignal.timeout(30_000),
      });
      const body = (await response.json()) as { turnId: string; status: string; intent?: { name: string } };
      if (response.status !== 200 || body.status !== 'answered') throw new Error(`${response.status}`);
      return { conversation, turnId: body.turnId, intent: body.intent?.name };
    });

  /** What has happened on the way, as a line each: the killer strikes when there is a new one. */
  const way = async (): Promise<string[]> => {
    const [jobs, releases, ramps, replays] = await Promise.all([
      stored<{ at?: number; steps: { state: string }[] }>('trainings', 'SELECT * FROM c WHERE c.at > 0'),
      stored<{ models: unknown[]; steps: { state: string }[] }>('releases', 'SELECT * FROM c'),
      stored<{ step: number; state: string }>('ramps', 'SELECT * FROM c'),
      stored<{ state: string }>('replays', 'SELECT * FROM c'),
    ]);
    return [
      ...jobs.flatMap(({ steps }) => steps.map(({ state }) => `training ${state}`)),
      ...releases
        .filter(({ models }) => models.length > 0)
        .flatMap(({ steps }) => steps.map(({ state }) => `release ${state}`)),
      ...ramps.map(({ step, state }) => `ramp ${step} ${state}`),
      ...replays.map(({ state }) => `replay ${state}`),
    ];
  };

  test('goes on and does nothing twice, though the gateway is killed at each step of the way', {
    timeout: 900_000,
  }, async (context) => {
    for (const text of others) await say(unique('others'), text);
    const first = new Map<string, Answered>();
    for (const text of asked) {
      const answered = await say(unique('asks'), text);
      first.set(text, answered);
      const { gateway, key } = fixture.platform;
      const feedback = `${gateway}/api/conversations/${answered.conversation}/messages/${answered.turnId}/feedback`;
      const rate = () =>
        fetch(feedback, {
          method: 'POST',
          headers: { 'x-functions-key': key, 'content-type': 'application/json' },
          body: JSON.stringify({ rating: 'down' }),
        });
      await eventually(async () => (await rate()).ok);
    }
    await teach(editor, { asked, missing });

    // Customers go on talking, whatever happens.
    const talking: Promise<Answered>[] = [];
    const texts = [...others, ...asked.slice(20)];
    const timer = setInterval(() => {
      talking.push(say(unique('talk'), texts[talking.length % texts.length]!));
    }, 1_000 / PER_SECOND);
    context.after(() => clearInterval(timer));

    let seen: string[] = [];
    let kills = 0;
    let isTrainingKilled = false;
    const killed: string[] = [];
    await eventually(async () => {
      const now = await way();
      const news = now.filter((line) => !seen.includes(line));
      seen = [...new Set([...seen, ...now])];
      assert.ok(!now.some((line) => /failed|kept|waiting|cancelled|stopped/.test(line)), now.join(', '));
      if (news.length > 0 && kills < KILLS) {
        // At any moment of it.
        await sleep(Math.random() * 2_000);
        fixture.platform.running.gateway!.child.kill('SIGKILL');
        kills += 1;
        killed.push(news.at(-1)!);
        if (news.includes('training training') && !isTrainingKilled) {
          isTrainingKilled = true;
          fixture.platform.running.training!.child.kill('SIGKILL');
          await fixture.platform.startTraining();
        }
        await fixture.platform.startGateway();
      }
      return now.includes('replay done');
    }, 800);
    clearInterval(timer);
    const all = await Promise.all(talking);
    console.log(`killed ${kills} times, at: ${killed.join(', ')}; ${all.length} messages`);
    assert.ok(kills >= 10, `${kills}`);

    const jobs = await stored<{ digest: string; steps: { state: string }[] }>(
      'trainings',
      'SELECT * FROM c WHERE c.at > 0',
    );
    assert.equal(jobs.length, 1, 'one training, however often it was asked whether it is time');
    assert.deepEqual(
      jobs[0]!.steps.map(({ state }) => state),
      ['queued', 'training', 'judged', 'pushed', 'released'],
    );
    const [release, ...more] = await stored<{ digest: string; state: string; steps: { state: string }[] }>(
      'releases',
      `SELECT * FROM c WHERE c.state = 'live'`,
    );
    assert.deepEqual([release?.digest, more.length], [jobs[0]!.digest, 0]);
    assert.equal(release!.steps.filter(({ state }) => state === 'live').length, 1, 'swapped once');

    // Each message was answered once, and stands in the log once.
    const logged = await stored<LoggedTurn>('turns', `SELECT * FROM c WHERE c.givenId != ''`);
    const counts = Map.groupBy(logged, ({ givenId }) => givenId);
    for (const { turnId } of all) assert.equal(counts.get(turnId)?.length, 1, turnId);
    assert.ok(logged.every(({ outcome }) => outcome === 'answered'));
    const later = await Promise.all(asked.slice(20).map((text) => say(unique('later'), text)));
    assert.ok(later.filter(({ intent }) => intent === MISSING).length >= 4, 'the others are understood now');
    const again = logged.filter(({ again }) => again?.intent === MISSING).map(({ givenId }) => givenId);
    const five = asked.slice(20).filter((text) => again.includes(first.get(text)!.turnId));
    assert.ok(five.length >= 4, 'and in the log');
  });
}
