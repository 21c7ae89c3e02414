import type { Agent, AnsweredTurn, Conversation, Dialog, Reply, Speaker } from './document.ts';
import { emptyDialog } from './document.ts';
import { type TurnId, turnId } from './identifier.ts';
import { policy } from './policy.ts';
import { append, expiry, progress } from './transitions.ts';

/**
 * Who speaks: transitions of the conversation document, pure like all others. Exactly one speaks at any time. While it is a person,
 * what the customer writes is recorded without a reply of the bot's; in every other state each turn has one. What the staff says goes
 * through the same outbox as what the bot says, so it keeps its order.
 */

/** Why a step of a person does not apply. `busy`: a skill acts for the bot right now; it ends within seconds. */
type Refusal = 'taken' | 'not_yours' | 'busy' | 'gone';
export type Outcome = { kind: 'done' | 'again'; document: Conversation } | { kind: Refusal };

/** What is said with a step: in the bot's words, and what is kept of what was said while a person could read it. */
export interface Words {
  replies: Reply[];
  /** What stays of a customer's text once nobody needs it as it was written. */
  kept(text: string): string;
}

/** Somebody takes a conversation: one that waits, or one that the bot has. Twice by the same person is once. */
export function take(document: Conversation, agent: Agent, words: Words, now: number): Outcome {
  const { speaker, active } = document;
  if (speaker.kind === 'person') {
    if (speaker.agent.id !== agent.id) return { kind: 'taken' };
    return { kind: 'again', document };
  }
  // What a skill does for the bot right now ends with the bot's reply; nobody must speak before it.
  if (active?.claim && active.claim.until > now) return { kind: 'busy' };
  const asked = speaker.kind === 'waiting' ? speaker : document.callback;
  const person: Speaker = {
    kind: 'person',
    agent,
    since: now,
    reason: asked?.reason ?? 'joined',
    ticket: asked?.ticket ?? '',
    // Who waited has asked something.
    unanswered: asked ? now : null,
    last: now,
  };
  const next = { ...withoutFlows(document), speaker: person, callback: null, active: null };
  return done(says(next, agent, null, words.replies, now, { step: 'take' }), now);
}

export interface Said {
  /** Chosen by the client: said again with it, it is said once. */
  key: string;
  replies: Reply[];
}

/** Somebody who has the conversation says something. */
export function say(document: Conversation, agent: Agent, { key, replies }: Said, now: number): Outcome {
  if (document.recent.some(({ id }) => id === wordsId(agent, [key]))) return { kind: 'again', document };
  const speaker = heldBy(document, agent);
  if (!speaker) return { kind: 'not_yours' };
  const next = { ...document, speaker: { ...speaker, unanswered: null, last: now } };
  return done(says(next, agent, key, replies, now), now);
}

/** Gives the conversation to a colleague, or to whoever is free. */
export function pass(document: Conversation, agent: Agent, to: Agent | null, words: Words, now: number): Outcome {
  const speaker = heldBy(document, agent);
  if (!speaker) return { kind: 'not_yours' };
  const waiting: Speaker = {
    kind: 'waiting',
    // Who was served already does not wait behind those who come after.
    since: speaker.since,
    reason: 'passed',
    ticket: speaker.ticket,
    ...(to && { for: to }),
  };
  return done(says({ ...document, speaker: waiting }, agent, null, words.replies, now, { step: 'pass' }), now);
}

/** The bot answers again, from the next turn on. `wrapUp`: what it ended as, and the customer is asked what they think of it. */
export function giveBack(
  document: Conversation,
  agent: Agent,
  end: { wrapUp: string | null },
  words: Words,
  now: number,
): Outcome {
  const speaker = heldBy(document, agent);
  if (!speaker) return { kind: 'not_yours' };
  const asked = end.wrapUp === null ? {} : { rating: now + policy.ratingTime };
  const next = withBot({ ...document, dialog: { ...document.dialog, ...asked } }, words);
  const more = { step: 'back' as const, ...(end.wrapUp !== null && { wrapUp: end.wrapUp }) };
  return done(says(next, agent, null, words.replies, now, more), now);
}

/** Another desk can't take a conversation, or no longer wants it: the bot has it again, whoever it was with there. */
export function withdraw(document: Conversation, agent: Agent, words: Words, now: number): Outcome {
  const { speaker } = document;
  if (speaker.kind === 'bot') return { kind: 'again', document };
  if (speaker.kind === 'person' && speaker.agent.id !== agent.id) return { kind: 'not_yours' };
  return done(says(withBot(document, words), agent, null, words.replies, now, { step: 'back' }), now);
}

/**
 * What time does: a person who does not answer loses the conversation to whoever is free, and one in which nobody writes is over. Null
 * while neither is due.
 */
export function expire(
  document: Conversation,
  words: (what: 'unanswered' | 'idle') => Words,
  now: number,
): Conversation | null {
  const { speaker } = document;
  const due = expiry(speaker);
  if (speaker.kind !== 'person' || due === null || due.at > now) return null;
  const { agent, ticket, since } = speaker;
  if (due.what === 'idle') {
    const said = words('idle');
    return progress(says(withBot(document, said), agent, null, said.replies, now, { step: 'idle' }), now);
  }
  const waiting: Speaker = { kind: 'waiting', since, reason: 'unanswered', ticket };
  const next = { ...document, speaker: waiting };
  return progress(says(next, agent, null, words('unanswered').replies, now, { step: 'unanswered' }), now);
}

/** The document with the bot as its speaker, and without what only a person needed. */
function withBot(document: Conversation, { kept }: Pick<Words, 'kept'>): Conversation {
  const recent = document.recent.map((turn) => ({ ...turn, text: kept(turn.text) }));
  return { ...document, recent, speaker: { kind: 'bot' }, callback: null };
}

function heldBy({ speaker }: Conversation, agent: Agent) {
  return speaker.kind === 'person' && speaker.agent.id === agent.id ? speaker : null;
}

/** What was begun with the bot is over once a person has come. */
function withoutFlows(document: Conversation): Conversation {
  const over = (dialog: Dialog): Dialog => ({ ...emptyDialog, handover: dialog.handover });
  const others = Object.entries(document.others ?? {}).map(([user, dialog]) => [user, over(dialog)]);
  return {
    ...document,
    dialog: over(document.dialog),
    ...(document.others && { others: Object.fromEntries(others) }),
  };
}

/** The words of the staff as a turn of the conversation that nobody asked. `key`: null for what goes with a step. */
function says(
  document: Conversation,
  agent: Agent,
  key: string | null,
  replies: Reply[],
  now: number,
  more: Pick<AnsweredTurn, 'step' | 'wrapUp'> = {},
): Conversation {
  const before = document.recent.at(-1) ?? document.inbox[0];
  const turn: Omit<AnsweredTurn, 'ordinal'> = {
    // What goes with a step is told apart by what was said before it.
    id: wordsId(agent, key === null ? ['after', document.recent.at(-1)?.id ?? ''] : [key]),
    givenId: '',
    // Where a channel shows it: beside who wrote last.
    ...(before?.sender !== undefined && { sender: before.sender }),
    userId: before?.userId ?? document.userId,
    customerId: before?.customerId ?? null,
    text: '',
    attachments: [],
    locale: document.locale,
    fingerprint: '',
    traceparent: '',
    acceptedAt: now,
    attempts: 0,
    retryAt: 0,
    answeredAt: now,
    replies,
    outcome: 'answered',
    skill: 'person',
    understanding: null,
    by: agent,
    ...more,
    logged: false,
    deliveredAt: null,
    timings: {},
  };
  return append(document, turn);
}

/** No client's turn can have it: their ids are made of what they sent alone. */
function wordsId(agent: Agent, key: readonly string[]): TurnId {
  return turnId(JSON.stringify(['said by', agent.id, ...key]));
}

function done(next: Conversation, now: number): Outcome {
  return { kind: 'done', document: progress(next, now) };
}
