import type { Agent, AnsweredTurn, Callback, Conversation, Dialog, Reply, Speaker } from './document.ts';
import { emptyDialog } from './document.ts';
import { type TurnId, turnId } from './identifier.ts';
import { policy } from './policy.ts';
import { append, dialogOf, type Expiry, expiry, kept, progress, withDialog } from './transitions.ts';

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
    spoke: now,
    last: now,
    ...(asked?.user && { user: asked.user }),
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
  if (isSaid(document, agent, key)) return { kind: 'again', document };
  const speaker = heldBy(document, agent);
  if (!speaker) return { kind: 'not_yours' };
  const next = { ...document, speaker: { ...speaker, unanswered: null, spoke: now, last: now } };
  return done(says(next, agent, key, replies, now), now);
}

/** Whether somebody has said this already. */
export function isSaid(document: Conversation, agent: Agent, key: string): boolean {
  return document.recent.some(({ id }) => id === wordsId(agent, [key]));
}

/** Gives the conversation to a colleague, or to whoever is free. */
export function pass(document: Conversation, agent: Agent, to: Agent | null, words: Words, now: number): Outcome {
  const speaker = heldBy(document, agent);
  if (!speaker) return doneBefore(document, agent, 'pass');
  const waiting: Speaker = {
    kind: 'waiting',
    // Who was served already does not wait behind those who come after.
    since: speaker.since,
    reason: 'passed',
    ticket: speaker.ticket,
    ...(speaker.user && { user: speaker.user }),
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
  if (!speaker) return doneBefore(document, agent, 'back');
  const asked = end.wrapUp === null ? {} : { rating: now + policy.ratingTime };
  const who = speaker.user ?? document.userId;
  const next = withBot(withDialog(document, who, { ...dialogOf(document, who), ...asked }), words);
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

/** What another desk must still be told; null: nothing is due. */
export function unpassed({ callback, speaker }: Conversation, now: number): Callback | null {
  return callback?.passOn && callback.passOn.at <= now && speaker.kind === 'bot' ? callback : null;
}

/** Another desk was told of a message that was left, or still can't be. `ticket`: what it names it by; `waits`: it will answer here. */
export function passedOn(
  document: Conversation,
  { ticket }: Pick<Callback, 'ticket'>,
  told: { ticket: string; waits: boolean } | null,
  words: Words,
  now: number,
): Conversation | null {
  const { callback } = document;
  if (callback?.ticket !== ticket || !callback.passOn || document.speaker.kind !== 'bot') return null;
  if (!told) {
    const attempts = callback.passOn.attempts + 1;
    const wait = policy.passOnWaits[Math.min(attempts, policy.passOnWaits.length) - 1]!;
    return progress(
      { ...document, callback: { ...callback, passOn: { ...callback.passOn, attempts, at: now + wait } } },
      now,
    );
  }
  const user = callback.user ?? document.userId;
  const { reason, since } = callback;
  const next = kept({ ...document, callback: null }, words.kept);
  const asked: Conversation = told.waits
    ? { ...next, speaker: { kind: 'waiting', since, reason, ticket: told.ticket, user } }
    : withDialog(next, user, { ...emptyDialog, handover: { ticket: told.ticket, since: now } });
  return progress(says(asked, null, null, words.replies, now), now);
}

/** A message that was left needs nobody any more. */
export function dismiss(document: Conversation, agent: Agent, words: Pick<Words, 'kept'>, now: number): Outcome {
  if (!document.callback) return { kind: 'again', document };
  const next = says({ ...document, callback: null }, agent, null, [], now, { step: 'dismiss' });
  return done(document.speaker.kind === 'bot' ? kept(next, words.kept) : next, now);
}

/**
 * What time does: a person who does not answer loses the conversation to whoever is free; one in which nobody writes is over; and who waits
 * where nobody is at the desk any more, or too long, leaves a message. Null while nothing is due.
 */
export function expire(
  document: Conversation,
  isOpen: boolean,
  words: (what: Expiry['what']) => Words,
  now: number,
): Conversation | null {
  const { speaker } = document;
  if (speaker.kind === 'waiting') {
    if (isOpen && speaker.since + policy.waiting > now) return null;
    const { since, reason, ticket, user } = speaker;
    const callback = { since, reason, ticket, ...(user && { user }) };
    const next: Conversation = { ...document, speaker: { kind: 'bot' }, callback };
    return progress(says(next, null, null, words('waiting').replies, now), now);
  }
  const due = expiry(document);
  if (speaker.kind !== 'person' || due === null || due.at > now) return null;
  const { agent, ticket, since, user } = speaker;
  if (due.what === 'idle') {
    const said = words('idle');
    return progress(says(withBot(document, said), agent, null, said.replies, now, { step: 'idle' }), now);
  }
  const waiting: Speaker = { kind: 'waiting', since, reason: 'unanswered', ticket, ...(user && { user }) };
  const next = { ...document, speaker: waiting };
  return progress(says(next, agent, null, words('unanswered').replies, now, { step: 'unanswered' }), now);
}

/** The document with the bot as its speaker, and without what only a person needed. */
function withBot(document: Conversation, words: Pick<Words, 'kept'>): Conversation {
  return { ...kept(document, words.kept), speaker: { kind: 'bot' }, callback: null };
}

/** A step whose answer was lost is done once: what this person did last here was that. */
function doneBefore(document: Conversation, agent: Agent, step: 'pass' | 'back'): Outcome {
  const last = document.recent.findLast(({ by }) => by?.id === agent.id);
  return last?.step === step ? { kind: 'again', document } : { kind: 'not_yours' };
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

/** Words that answer no turn, as a turn of their own. `agent`: null where the bot says them; `key`: null for what goes with a step. */
function says(
  document: Conversation,
  agent: Agent | null,
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
    ...(agent && { by: agent }),
    ...more,
    logged: false,
    deliveredAt: null,
    timings: {},
  };
  return append(document, turn);
}

/** No client's turn can have it: their ids are made of what they sent alone. */
function wordsId(agent: Agent | null, key: readonly string[]): TurnId {
  return turnId(JSON.stringify(['said by', agent?.id ?? '', ...key]));
}

function done(next: Conversation, now: number): Outcome {
  return { kind: 'done', document: progress(next, now) };
}
