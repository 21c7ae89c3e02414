import { createHash } from 'node:crypto';
import { conversationId, turnId, userId } from '../../functions/conversation/identifier.ts';
import type { Bot } from '../../functions/dialog/bot.ts';
import type { LoggedTurn } from '../../functions/services/call-log.ts';
import type { Incident } from '../../functions/services/incidents.ts';
import type { containers } from '../../functions/services/stores.ts';
import type { Store } from '../local/cosmos/store.ts';

const DAY = 86_400_000;
const CHANNELS = ['directline', 'api', 'msteams'];
/** Turns of a conversation, at the most. */
const LENGTH = 6;
const MODEL = { name: 'intents', version: '1.0.0' };

/**
 * A call log as some months of service leave it: the bot's own utterances and answers, more by day than by night and each week a little more,
 * on several channels and in all of the bot's languages; one in twelve not understood, some handed over, some failed. The same for the
 * same numbers. Where it began.
 */
export function fillCallLog(store: Store, bot: Bot, turns: number, days: number, now: number): number {
  const random = randomOf(7);
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)]!;
  const languages = bot.content.languages.map(({ tag }) => tag);
  const intents = bot.content.intents.filter(({ utterances }) => utterances !== undefined);
  const names = intents.map(({ name }) => name);
  let written = 0;
  const write = (container: keyof typeof containers, partition: string, document: { id: string }, daysKept: number) => {
    const ttl = daysKept * 86_400;
    store.write('maru', container, JSON.stringify([partition]), { ...document, ttl }, { kind: 'upsert' });
  };
  const begun = now - days * DAY;
  for (let conversation = 0; written < turns; conversation += 1) {
    const at = moment(random, begun, now);
    const channel = pick(CHANNELS);
    const locale = pick(languages);
    const space = channel === 'api' ? ('api' as const) : { channel };
    // Some come again.
    const user = userId(space, `bench-${Math.floor(random() * turns * 0.2)}`);
    const id = conversationId(space, `bench-${conversation}`);
    const length = 1 + Math.floor(random() * LENGTH);
    for (let ordinal = 1; ordinal <= length && written < turns; ordinal += 1) {
      const answeredAt = at + ordinal * 20_000 + Math.floor(random() * 15_000);
      if (answeredAt > now) break;
      const chance = random();
      const intent = pick(intents);
      const known = chance > 0.085;
      const failed = chance < 0.004;
      const handedOver = chance > 0.97;
      const text = pick(bot.of(locale, intent.utterances) ?? ['?']);
      const score = known ? 0.6 + 0.4 * random() : 0.2 + 0.3 * random();
      const inference = 2 + Math.floor(random() * 6);
      const answer = bot.of(locale, intent.answers) ?? ['…'];
      const turn: LoggedTurn = {
        id: turnId(`${conversation}-${ordinal}`),
        givenId: `${conversation}-${ordinal}`,
        conversationId: id,
        channel,
        userId: user,
        customerId: null,
        text: known ? text : `${text.split(' ')[0]} …`,
        attachments: [],
        locale,
        fingerprint: '',
        traceparent: `00-${createHash('md5').update(`${conversation}-${ordinal}`).digest('hex')}-0000000000000001-01`,
        acceptedAt: answeredAt - inference - 15 - Math.floor(random() ** 4 * 900),
        attempts: 0,
        retryAt: 0,
        answeredAt,
        ordinal,
        replies: [{ text: String([answer].flat()[0]) }],
        outcome: failed ? 'failed' : 'answered',
        skill: failed ? 'apology' : handedOver ? 'person' : known ? 'answer' : 'fallback',
        content: 'b'.repeat(64),
        ...(handedOver && { handover: 'person' }),
        understanding: {
          intent: known ? intent.name : 'none',
          score,
          top: [intent.name, pick(names), pick(names)].map((name, rank) => ({
            intent: name,
            score: rank === 0 ? score : (1 - score) / 2,
          })),
          model: MODEL,
        },
        logged: true,
        deliveredAt: answeredAt + 30,
        timings: { queue: 3 + Math.floor(random() * 10), inference, deliver: 20 + Math.floor(random() * 40) },
        ...(random() < 0.05 && {
          feedback: { rating: random() < 0.7 ? ('up' as const) : ('down' as const), at: answeredAt + 5_000 },
        }),
      };
      write('turns', id, turn, 90);
      if (failed) {
        const incident: Incident = {
          id: `${id}.${turn.id}`,
          kind: random() < 0.5 ? 'turn_failed' : 'delivery_failed',
          conversationId: id,
          turnId: turn.id,
          userId: user,
          reason: 'Unavailable: inference: no answer (ECONNREFUSED)',
          acceptedAt: turn.acceptedAt,
          at: answeredAt,
        };
        write('incidents', incident.id, incident, 90);
      }
      written += 1;
    }
  }
  return begun;
}

/** More by day than by night, and more of late. */
function moment(random: () => number, begun: number, now: number): number {
  for (;;) {
    const at = Math.floor(begun + random() ** 0.85 * (now - begun));
    // Of Seoul, where the retailer is.
    const hour = (((at / 3_600_000 + 9) % 24) + 24) % 24;
    if (random() < (hour < 7 ? 0.1 : hour < 10 ? 0.6 : hour < 22 ? 1 : 0.4)) return at;
  }
}

/** Mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let next = Math.imul(state ^ (state >>> 15), 1 | state);
    next = (next + Math.imul(next ^ (next >>> 7), 61 | next)) ^ next;
    return ((next ^ (next >>> 14)) >>> 0) / 2 ** 32;
  };
}
