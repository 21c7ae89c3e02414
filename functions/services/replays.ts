import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { decide } from '../dialog/meaning.ts';
import { begin, claim, further, type Replay } from '../training/replay.ts';
import { currentBot } from './bot.ts';
import { replayedTurns, seeAgain } from './call-log.ts';
import { Documents } from './documents.ts';
import { Unavailable } from './failure.ts';
import { findInFaq, understand } from './inference.ts';
import { settings } from './settings.ts';
import { log } from './telemetry.ts';

const replays = new Documents<Replay>('replays');

/** Turns of one call of the model, what is waited between two, and how long one look goes on, in milliseconds. */
const [PAGE, PAUSE_MS, LOOK_MS] = [100, 250, 20_000];
const CLAIM_MS = 60_000;

export async function listReplays(limit: number): Promise<Replay[]> {
  return await replays.query(`SELECT TOP ${limit} * FROM c WHERE c.startedAt > 0 ORDER BY c.startedAt DESC`, [], {
    limit,
  });
}

export async function readReplay(id: string): Promise<Replay | null> {
  return (await replays.read(id))?.document ?? null;
}

/** Begins to see the log again by a model that is live, once; goes on with it for a while where it was begun. Repeatable. */
export async function seeLogAgain(version: string): Promise<void> {
  const { REPLAY_DAYS: days } = settings();
  if (days === 0) return;
  const by = randomUUID();
  const mine = await replays.change<Replay | null>(version, {
    transition: (known) => {
      const now = Date.now();
      const next = claim(known ?? begin(version, now, days), by, now, CLAIM_MS);
      return [next, next];
    },
  });
  if (!mine) return;
  if (mine.seen === 0) log('info', 'the log is seen again', { version });
  const end = Date.now() + LOOK_MS;
  let replay: Replay | null = mine;
  while (replay?.state === 'running' && Date.now() < end) {
    replay = await onePage(replay, by);
    await sleep(PAUSE_MS);
  }
  await replays.change(version, {
    transition: (now) => [now?.claim?.by === by ? { ...now, claim: null } : null, undefined],
  });
}

async function onePage(replay: Replay, by: string): Promise<Replay | null> {
  const { id: version, place, from } = replay;
  const turns = await replayedTurns(from, place, PAGE);
  // What was answered in the same instant is never cut in two, unless it is a page of its own.
  const full = turns.length === PAGE;
  const last = turns.at(-1)?.answeredAt;
  const whole = full ? turns.filter(({ answeredAt }) => answeredAt > last!) : turns;
  const page = whole.length > 0 ? whole : turns;
  const now = await meant(page.map(({ text }) => text));
  if (now.some(({ model }) => model.version !== version)) {
    // Something else answers by now: what goes live is seen again by itself.
    return await record(replay, by, (current) => ({ ...current, state: 'ended', claim: null }));
  }
  const moved: { before: string; after: string }[] = [];
  for (const [index, turn] of page.entries()) {
    const [before, { intent, score }] = [turn.understanding!.intent, now[index]!];
    await seeAgain(turn, before === intent ? null : { intent, score, version });
    if (before !== intent) moved.push({ before, after: intent });
  }
  const next = full ? page.at(-1)!.answeredAt : null;
  return await record(replay, by, (current) =>
    further(current, { moved, seen: page.length, place: next }, Date.now(), CLAIM_MS),
  );
}

async function record(seen: Replay, by: string, change: (replay: Replay) => Replay): Promise<Replay | null> {
  return await replays.change<Replay | null>(seen.id, {
    transition: (now) => {
      if (now?.claim?.by !== by || now.place !== seen.place) return [null, null];
      const next = change(now);
      return [next, next];
    },
  });
}

/** What texts mean to the models that are live, and the version of the one of the intents. */
async function meant(texts: string[]) {
  if (texts.length === 0) return [];
  const bot = currentBot();
  const [intents, found] = await Promise.all([understand(texts), bot.faq.size > 0 ? findInFaq(texts) : null]);
  if (bot.faq.size > 0 && found === null) throw new Unavailable('inference', 'the model of the FAQ does not answer');
  return intents.map((understanding, index) => {
    const { intent, score } = decide(bot, understanding, [], found && [found[index]!]);
    return { intent, score, model: understanding.model };
  });
}
