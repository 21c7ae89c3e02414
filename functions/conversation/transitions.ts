import type {
  Active,
  AnsweredTurn,
  Callback,
  Channel,
  Claim,
  Conversation,
  Delivery,
  Dialog,
  Locale,
  Reply,
  Speaker,
  Turn,
} from './document.ts';
import { emptyDialog } from './document.ts';
import type { ConversationId, TurnId, UserId } from './identifier.ts';
import { policy } from './policy.ts';
import { VERSION } from './version.ts';

/**
 * The transitions of a conversation document: pure functions without I/O, clock or randomness.
 * Each takes a document and returns a new one; `null` means that the step no longer applies (done already, or another
 * worker's) and that nothing must be written. Whoever calls them writes the result guarded by the ETag it read.
 */

export type Accepted =
  | { kind: 'accepted'; document: Conversation }
  | { kind: 'waiting' | 'answered' }
  | { kind: 'conflict' | 'full' | 'busy' };

/** A new document without turns. */
export function open(
  id: ConversationId,
  userId: UserId,
  channel: Channel,
  locale: Locale,
  now: number,
): Omit<Conversation, 'wakeAt'> & { wakeAt: null } {
  return {
    version: VERSION,
    id,
    userId,
    participants: [userId],
    channel,
    locale,
    speaker: { kind: 'bot' },
    callback: null,
    inbox: [],
    active: null,
    outbox: [],
    delivering: null,
    recent: [],
    said: 0,
    dialog: emptyDialog,
    wakeAt: null,
    wakes: 0,
    createdAt: now,
    updatedAt: now,
  };
}

/** A turn as it comes in. Its language is told from its text and what the conversation has spoken before. */
export type Incoming = Omit<Turn, 'locale'> & { localeAfter(spoken: Locale): Locale };

/** Puts a turn at the end of the inbox, once: a turn that is known by its id changes nothing. */
export function accept(
  document: Conversation,
  { localeAfter, ...incoming }: Incoming,
  channel: Channel,
  now: number,
): Accepted {
  const waiting = document.inbox.find((known) => known.id === incoming.id);
  const answered = document.recent.find((known) => known.id === incoming.id);
  const known = waiting ?? answered;
  if (known) {
    if (known.fingerprint !== incoming.fingerprint) return { kind: 'conflict' };
    return { kind: waiting ? 'waiting' : 'answered' };
  }
  if (document.inbox.length >= policy.inboxTurns) return { kind: 'full' };
  if (document.recent.filter((known) => !known.logged).length >= policy.unloggedTurns) return { kind: 'busy' };
  const locale = localeAfter(document.locale);
  let next = progress({ ...document, channel, inbox: [...document.inbox, { ...incoming, locale }], locale }, now);
  // What is answered, sent and logged makes room for what is not.
  for (let kept = policy.recentTurns; kept > 0 && bytes(next) > policy.documentBytes; kept >>= 1)
    next = { ...next, recent: trim(next, kept >> 1) };
  // The answers to come need room too, so the limit stands well below Cosmos DB's own.
  if (bytes(next) > policy.documentBytes) return { kind: 'full' };
  return { kind: 'accepted', document: next };
}

/** Where the dialog with one user stands. */
export function dialogOf(document: Conversation, user: UserId): Dialog {
  if (user === document.userId) return document.dialog;
  return document.others?.[user] ?? emptyDialog;
}

/** The document with another state of the dialog with one user. */
export function withDialog(document: Conversation, user: UserId, dialog: Dialog): Conversation {
  if (user === document.userId) return { ...document, dialog };
  return { ...document, others: { ...document.others, [user]: dialog } };
}

/** Whether a turn of this user is answered by a person, or waits for one. */
export function isForPerson({ speaker }: Pick<Conversation, 'speaker'>, user: UserId): boolean {
  return speaker.kind === 'person' || (speaker.kind === 'waiting' && (speaker.user ?? user) === user);
}

/** The turn that must be understood now, or null when there is none, it waits for a skill, or it is too early to retry. */
export function head(document: Conversation, now: number): Turn | null {
  const turn = document.inbox[0];
  if (!turn || document.active || turn.retryAt > now) return null;
  return turn;
}

/** Hands the head of the inbox to a skill that acts on the world outside. */
export function route(
  document: Conversation,
  turnId: TurnId,
  step: Pick<Active, 'skill' | 'understanding' | 'timings'>,
  now: number,
): Conversation | null {
  if (document.inbox[0]?.id !== turnId || document.active) return null;
  return progress({ ...document, active: { ...step, turnId, claim: null, since: now } }, now);
}

/**
 * Takes the routed turn for one worker. Null while another worker's claim holds, or before its retry is due. A claim
 * that ran out counts as a failed attempt: after the last of them the turn is answered with the apology instead, so that
 * a skill that never comes back has an end.
 */
export function claim(
  document: Conversation,
  skill: string,
  by: string,
  apology: Answer,
  now: number,
): Conversation | null {
  const { active } = document;
  const turn = document.inbox[0];
  if (!active || !turn || active.skill !== skill || turn.retryAt > now) return null;
  // One's own: the write was made, only its answer was lost.
  if (active.claim?.by === by) return document;
  if (held(active.claim, now)) return null;
  const attempts = turn.attempts + (active.claim ? 1 : 0);
  const next = active.claim ? { ...turn, attempts, lastError: `skill ${skill}: no answer within its claim` } : turn;
  if (attempts >= policy.turnAttempts) return settle(document, next, apology, now);
  const inbox = [next, ...document.inbox.slice(1)];
  return progress({ ...document, inbox, active: { ...active, claim: { by, until: now + policy.skillClaim } } }, now);
}

export interface Answer {
  /** What is kept of the turn: without personal details (mask.ts). */
  said: Pick<Turn, 'text' | 'attachments'>;
  replies: Reply[];
  dialog: Dialog;
  skill: string;
  content?: string;
  understanding: AnsweredTurn['understanding'];
  meant?: string;
  rating?: number;
  /** What is kept of a text once nobody needs it as it was written. */
  kept(text: string): string;
  /** What became of a message that could not be taken: said whoever has the conversation. */
  notice?: true;
  /** Nothing is said because a person has the conversation. */
  silent?: true;
  /** A person was asked for, or is not wanted any more. */
  speaker?: Speaker;
  callback?: Callback;
  outcome: AnsweredTurn['outcome'];
  timings: Record<string, number>;
}

/**
 * Answers the head of the inbox. A worker that claimed it says so in `by`; one whose claim another has taken over,
 * or an inline answer to a turn that was routed meanwhile, is refused.
 */
export function answer(
  document: Conversation,
  turnId: TurnId,
  by: string | null,
  answer: Answer,
  now: number,
): Conversation | null {
  const turn = document.inbox[0];
  if (turn?.id !== turnId || (document.active?.claim?.by ?? null) !== by) return null;
  if (by === null && document.active) return null;
  // The person gave it back while a skill heard it for them: somebody must answer, so it is understood anew.
  if (answer.silent && document.speaker.kind !== 'person') return progress({ ...document, active: null }, now);
  return settle(document, turn, answer, now);
}

/**
 * Records a failed attempt at the head of the inbox: it is tried again later, or answered with the apology
 * after the last attempt. `by` as in {@link answer}. `final` says that trying again can't help.
 */
export function fail(
  document: Conversation,
  turnId: TurnId,
  by: string | null,
  failure: { reason: string; final: boolean; apology: Answer },
  now: number,
): Conversation | null {
  const turn = document.inbox[0];
  if (turn?.id !== turnId || (document.active?.claim?.by ?? null) !== by) return null;
  const attempts = turn.attempts + 1;
  const failed = { ...turn, attempts, lastError: failure.reason };
  if (failure.final || attempts >= policy.turnAttempts) return settle(document, failed, failure.apology, now);
  const retryAt = now + backoff(policy.turnBackoff, attempts);
  const active = document.active && { ...document.active, claim: null };
  return progress({ ...document, active, inbox: [{ ...failed, retryAt }, ...document.inbox.slice(1)] }, now);
}

/**
 * Takes the outbox for one sender. Null when it is empty, another's claim holds, or its retry is not due. A claim that
 * ran out counts as a failed attempt.
 */
export function claimDelivery(document: Conversation, by: string, now: number): Conversation | null {
  const delivery = document.outbox[0];
  if (!delivery || delivery.retryAt > now) return null;
  if (document.delivering?.by === by) return document;
  if (held(document.delivering, now)) return null;
  const delivering: Claim = { by, until: now + policy.deliveryClaim };
  if (!document.delivering) return progress({ ...document, delivering }, now);
  const attempts = delivery.attempts + 1;
  if (attempts >= policy.deliveryAttempts) return progress(undeliverable(document, 'no answer within the claim'), now);
  return progress({ ...document, delivering, outbox: [{ ...delivery, attempts }, ...document.outbox.slice(1)] }, now);
}

/** What became of one delivery. `sent`: how many of its replies the channel has; `after`: not again before these milliseconds. */
export type Sent = { turnId: TurnId; ms: number } & (
  | { ok: true }
  | { ok: false; sent: number; reason: string; final: boolean; after: number }
);

/** Records deliveries, in order, and lets the claim go. */
export function delivered(document: Conversation, by: string, results: Sent[], now: number): Conversation | null {
  if (document.delivering?.by !== by) return null;
  let next: Conversation = { ...document, delivering: null };
  for (const result of results) {
    const delivery = next.outbox[0];
    if (delivery?.turnId !== result.turnId) {
      // Erased while it was sent: those behind it were sent all the same.
      if (next.outbox.some(({ turnId }) => turnId === result.turnId)) break;
      continue;
    }
    if (result.ok) {
      next = taken(next, { deliveredAt: now, ms: result.ms });
      continue;
    }
    const attempts = delivery.attempts + 1;
    if (result.final || attempts >= policy.deliveryAttempts) {
      next = undeliverable(next, result.reason);
      continue;
    }
    const wait = Math.max(backoff(policy.deliveryBackoff, attempts), Math.min(result.after, policy.deliveryWaitLimit));
    const again: Delivery = { ...delivery, sent: result.sent, attempts, retryAt: now + wait };
    next = { ...next, outbox: [again, ...next.outbox.slice(1)] };
    break;
  }
  return progress(next, now);
}

/** The head of the outbox leaves: the channel has it. */
function taken(document: Conversation, { deliveredAt, ms }: { deliveredAt: number; ms: number }): Conversation {
  const turnId = document.outbox[0]?.turnId;
  const recent = document.recent.map((turn) =>
    turn.id === turnId ? { ...turn, deliveredAt, timings: { ...turn.timings, deliver: ms } } : turn,
  );
  return { ...document, recent, outbox: document.outbox.slice(1) };
}

/** The head of the outbox leaves: it can't be delivered. The call log says why, and the operator's list has it. */
function undeliverable(document: Conversation, reason: string, sent = document.outbox[0]?.sent ?? 0): Conversation {
  const turnId = document.outbox[0]?.turnId;
  const recent = document.recent.map((turn) => (turn.id === turnId ? { ...turn, deliveryError: reason, sent } : turn));
  return { ...document, recent, outbox: document.outbox.slice(1), delivering: null };
}

/**
 * What could not be delivered is tried once more, at an operator's wish, from the first reply on that the channel does not have. The same
 * document: it is under way, or delivered. Null: it is not here any more.
 */
export function redeliver(document: Conversation, turnId: TurnId, now: number): Conversation | null {
  const turn = document.recent.find(({ id }) => id === turnId);
  if (!turn) return null;
  if (turn.deliveryError === undefined) return document;
  const { deliveryError: _, sent = 0, ...rest } = turn;
  // What comes of it is recorded, too.
  const recent = document.recent.map((one) => (one.id === turnId ? { ...rest, logged: false } : one));
  const delivery: Delivery = { turnId, sent, attempts: 0, retryAt: now };
  return progress({ ...document, recent, outbox: [...document.outbox, delivery] }, now);
}

/** The answered turns that the call log does not have and that will not change any more. */
export function unlogged(document: Conversation): AnsweredTurn[] {
  const sending = new Set(document.outbox.map((delivery) => delivery.turnId));
  return document.recent.filter((turn) => !turn.logged && !sending.has(turn.id));
}

/** Records that the call log has these turns. */
export function logged(document: Conversation, turnIds: TurnId[], now: number): Conversation | null {
  if (!document.recent.some((turn) => !turn.logged && turnIds.includes(turn.id))) return null;
  const recent = document.recent.map((turn) => (turnIds.includes(turn.id) ? { ...turn, logged: true } : turn));
  return progress({ ...document, recent }, now);
}

/**
 * What stays when a user is erased: the document without the turns of that user that were accepted until `at`, whoever
 * opened it. `empty`: nobody else has anything in it. Null: it has nothing of that user's before.
 */
export function forget(
  document: Conversation,
  user: UserId,
  at: number,
  keep: (text: string) => string,
  now: number,
): Conversation | 'empty' | null {
  const stays = (turn: Turn) => turn.userId !== user || turn.acceptedAt > at;
  const [inbox, recent] = [document.inbox.filter(stays), document.recent.filter(stays)];
  const known = new Set([...inbox, ...recent].map(({ id }) => id));
  // What the staff said is no turn of anybody's own.
  const others = [...recent.filter(({ by }) => !by), ...inbox].map(({ userId }) => userId);
  if (others.length === 0) return document.participants.includes(user) ? 'empty' : null;
  const opener = others.includes(document.userId) ? document.userId : others[0]!;
  if (known.size === document.inbox.length + document.recent.length && opener === document.userId) return null;
  const active = document.active && known.has(document.active.turnId) ? document.active : null;
  const outbox = document.outbox.filter(({ turnId }) => known.has(turnId));
  const dialogs = { ...document.others, [document.userId]: document.dialog };
  delete dialogs[user];
  const { [opener]: dialog = emptyDialog, ...rest } = dialogs;
  // Who asked for a person is gone.
  const { speaker } = document;
  const isGone = speaker.kind === 'waiting' && speaker.user === user;
  const callback = document.callback?.user === user ? null : document.callback;
  const left = { ...document, callback, userId: opener, inbox, recent, active, outbox, dialog, others: rest };
  return progress(isGone ? kept({ ...left, speaker: { kind: 'bot' } }, keep) : left, now);
}

/** What a conversation has of one user: others' turns are theirs. */
export function partOf(document: Conversation, user: UserId): Conversation {
  const own = (turn: Turn) => turn.userId === user;
  const [inbox, recent] = [document.inbox.filter(own), document.recent.filter(own)];
  const known = new Set([...inbox, ...recent].map(({ id }) => id));
  const { others: _others, ...shared } = document;
  return {
    ...shared,
    userId: user,
    participants: [user],
    inbox,
    recent,
    active: document.active && known.has(document.active.turnId) ? document.active : null,
    outbox: document.outbox.filter(({ turnId }) => known.has(turnId)),
    dialog: dialogOf(document, user),
  };
}

/** A queue and how long its message must wait: what the state of a document calls for. */
export interface WakeUp {
  queue: string;
  /** Milliseconds from now. */
  delay: number;
}

/** The wake-ups that the state of a document calls for. Sent after each write, and again by the sweep. */
export function wakeUps(document: Conversation, now: number): WakeUp[] {
  const due: WakeUp[] = [];
  const turn = document.inbox[0];
  // Deliver first: it wakes the next turn, which keeps one conversation's writes from racing each other.
  const delivery = document.outbox[0];
  if (delivery && !held(document.delivering, now)) due.push({ queue: 'replies', delay: wait(delivery.retryAt, now) });
  if (turn && !held(document.active?.claim, now)) {
    const queue = document.active ? `skill-${document.active.skill}` : 'turns';
    due.push({ queue, delay: wait(turn.retryAt, now) });
  }
  if (unlogged(document).length > 0) due.push({ queue: 'call-log', delay: 0 });
  return due;
}

/** What the sweep does with a document whose `wakeAt` has passed: puts the next look off, twice as far each time. */
export function wake(document: Conversation, now: number): Conversation | null {
  if (document.wakeAt === null || document.wakeAt > now) return null;
  // Nothing is late: it was only looked at whether somebody is still there for who waits.
  if (wakeUps(document, now).length === 0) return progress(document, now);
  const wakes = document.wakes + 1;
  const grace = Math.min(policy.wakeGrace * 2 ** wakes, policy.wakeGraceLimit);
  return { ...document, wakes, wakeAt: now + grace, updatedAt: now };
}

function settle(document: Conversation, turn: Turn, answer: Answer, now: number): Conversation {
  const { speaker } = document;
  // Whoever prepared the answer, and whatever became of it: the bot does not speak while a person does.
  const isHeard = speaker.kind === 'person' && !answer.notice;
  const answered: Omit<AnsweredTurn, 'ordinal'> = {
    ...turn,
    ...answer.said,
    answeredAt: now,
    replies: isHeard ? [] : answer.replies,
    outcome: answer.outcome,
    skill: answer.skill,
    ...(answer.content === undefined ? {} : { content: answer.content }),
    understanding: answer.understanding,
    ...(answer.meant === undefined ? {} : { meant: answer.meant }),
    ...(answer.rating === undefined ? {} : { rating: answer.rating }),
    ...handoverOf(document, turn, answer),
    ...(answer.notice && { notice: answer.notice }),
    logged: false,
    deliveredAt: null,
    timings: answer.timings,
  };
  const next = append({ ...document, inbox: document.inbox.slice(1), active: null }, answered);
  if (speaker.kind === 'person') {
    // What was written before the person's last words may have been read by then.
    const waits = turn.acceptedAt > speaker.spoke ? turn.acceptedAt : null;
    return progress({ ...next, speaker: { ...speaker, unanswered: speaker.unanswered ?? waits, last: now } }, now);
  }
  const spoken = { ...next, speaker: answer.speaker ?? speaker, callback: answer.callback ?? next.callback };
  const isOver = speaker.kind !== 'bot' && spoken.speaker.kind === 'bot' && !spoken.callback;
  return progress(withDialog(isOver ? kept(spoken, answer.kept) : spoken, turn.userId, answer.dialog), now);
}

/** Why a person was asked for, where this answer says that one was. */
function handoverOf(document: Conversation, turn: Turn, answer: Answer): Pick<AnsweredTurn, 'handover'> {
  const { speaker, callback, dialog, understanding } = answer;
  if (document.speaker.kind === 'bot' && speaker?.kind === 'waiting') return { handover: speaker.reason };
  if (callback) return { handover: callback.reason };
  // By a ticket of the shop's.
  if (dialog.handover && !dialogOf(document, turn.userId).handover)
    return { handover: understanding?.intent ?? 'not_understood' };
  return {};
}

/** The document without what only a person needed: texts as they were written, and what the staff said of somebody. */
export function kept(document: Conversation, keep: (text: string) => string): Conversation {
  const recent = document.recent.map(({ meant, replies, ...turn }) => ({
    ...turn,
    text: keep(turn.text),
    ...(meant !== undefined && { meant: keep(meant) }),
    replies: turn.by ? replies.map((reply) => ({ ...reply, text: keep(reply.text) })) : replies,
  }));
  return { ...document, recent };
}

/** An answered turn at the end, on its way to its channel. */
export function append(document: Conversation, unnumbered: Omit<AnsweredTurn, 'ordinal'>): Conversation {
  const said = document.said + 1;
  const turn: AnsweredTurn = { ...unnumbered, ordinal: said };
  const { channel } = document;
  const push = (channel.kind === 'activity' || channel.push !== undefined) && turn.replies.length > 0;
  const outbox = push ? [...document.outbox, { turnId: turn.id, sent: 0, attempts: 0, retryAt: 0 }] : document.outbox;
  return { ...document, outbox, recent: [...document.recent, turn], said };
}

/** Every change ends here: old turns leave, and the sweep is told when to look. */
export function progress(document: Conversation, now: number): Conversation {
  const next = { ...document, recent: trim(document), wakes: 0, updatedAt: now };
  const participants = [...new Set([next.userId, ...[...next.recent, ...next.inbox].map(({ userId }) => userId)])];
  const { others, ...rest } = next;
  // Who has no turn here any more begins anew.
  const kept = Object.entries(others ?? {}).filter(
    ([user]) => user !== next.userId && participants.includes(user as UserId),
  );
  const dialogs = kept.length > 0 ? { others: Object.fromEntries(kept) } : {};
  return { ...rest, ...dialogs, participants, wakeAt: nextWake(next, now) };
}

/** Drops the oldest answered turns that nothing needs any more. */
function trim(document: Conversation, kept: number = policy.recentTurns): AnsweredTurn[] {
  const sending = new Set(document.outbox.map((delivery) => delivery.turnId));
  let excess = document.recent.length - kept;
  if (excess <= 0) return document.recent;
  return document.recent.filter((turn) => {
    if (excess <= 0 || !turn.logged || sending.has(turn.id)) return true;
    excess -= 1;
    return false;
  });
}

function nextWake(document: Conversation, now: number): number | null {
  const times: number[] = [];
  const turn = document.inbox[0];
  if (turn) times.push(Math.max(turn.retryAt, document.active?.claim?.until ?? now, now) + policy.wakeGrace);
  const delivery = document.outbox[0];
  if (delivery) times.push(Math.max(delivery.retryAt, document.delivering?.until ?? now, now) + policy.wakeGrace);
  if (unlogged(document).length > 0) times.push(now + policy.logGrace);
  const { passOn } = document.callback ?? {};
  if (passOn) times.push(Math.max(passOn.at, now));
  const over = expiry({ speaker: document.speaker, updatedAt: now });
  if (over) times.push(Math.max(over.at, now));
  return times.length === 0 ? null : Math.min(...times);
}

/**
 * When time ends what a speaker has, or it must be looked at whether it does; null: it does not. Whether somebody is at the desk is not for
 * here to know (speaker.ts).
 */
export function expiry({ speaker, updatedAt }: Pick<Conversation, 'speaker' | 'updatedAt'>): Expiry | null {
  if (speaker.kind === 'bot') return null;
  if (speaker.kind === 'waiting')
    return { at: Math.min(speaker.since + policy.waiting, updatedAt + policy.waitingLook), what: 'waiting' };
  if (speaker.agent.elsewhere) return { at: speaker.last + policy.handoverIdle, what: 'idle' };
  if (speaker.unanswered !== null) return { at: speaker.unanswered + policy.personUnanswered, what: 'unanswered' };
  return { at: speaker.last + policy.personIdle, what: 'idle' };
}

export interface Expiry {
  at: number;
  what: 'waiting' | 'unanswered' | 'idle';
}

function held(claim: Claim | null | undefined, now: number): boolean {
  return claim !== null && claim !== undefined && claim.until > now;
}

function wait(until: number, now: number): number {
  return Math.max(0, until - now);
}

function backoff(waits: readonly number[], attempts: number): number {
  return waits[Math.min(attempts, waits.length) - 1] ?? 0;
}

function bytes(document: Conversation): number {
  return Buffer.byteLength(JSON.stringify(document));
}
