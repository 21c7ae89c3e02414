import type { Reviewed } from '../content/queue.ts';
import type { AnsweredTurn } from '../conversation/document.ts';
import type { ConversationId, TurnId } from '../conversation/identifier.ts';
import type { Counted } from '../statistics/rollup.ts';
import { Conflict, Documents, type SqlParameter } from './documents.ts';

/** One turn in the call log (container `turns`, partition key = conversationId). */
export interface LoggedTurn extends Omit<AnsweredTurn, 'sender'> {
  conversationId: ConversationId;
  channel: string;
  feedback?: Feedback;
  /** What it means, as a person has said. */
  label?: string;
  /** What the model of another version makes of it, where that is something else (services/replays.ts). */
  again?: { intent: string; score: number; version: string };
  /** The label became an utterance that models learn from: it judges none. */
  trains?: true;
}

export interface Feedback {
  rating: 'up' | 'down';
  comment?: string;
  at: number;
}

/** Whatever is noted of a turn later, it stays no longer for it. */
const documents = new Documents<LoggedTurn>('turns', undefined, ({ answeredAt }) => answeredAt);
/** Documents of one answer of the database, where many are asked for. */
const PAGE = 1_000;

/** Writes a turn to the call log. False: it was there; then only what became of its delivery is taken over. */
export async function logTurn(turn: LoggedTurn): Promise<boolean> {
  try {
    await documents.create(turn);
    return true;
  } catch (error) {
    if (!(error instanceof Conflict)) throw error;
  }
  await documents.change(
    turn.id,
    {
      transition: (known) => {
        if (!known || (known.deliveredAt === turn.deliveredAt && known.deliveryError === turn.deliveryError))
          return [null, undefined];
        const { deliveryError: _, sent: __, ...rest } = known;
        const { deliveredAt, deliveryError, sent, timings } = turn;
        const delivery = {
          deliveredAt,
          ...(deliveryError !== undefined && { deliveryError }),
          ...(sent !== undefined && { sent }),
        };
        return [{ ...rest, ...delivery, timings }, undefined];
      },
    },
    { partition: turn.conversationId },
  );
  return false;
}

/** Removes turns from the call log. */
export async function removeTurns(conversationId: ConversationId, turnIds: Iterable<TurnId>): Promise<void> {
  for (const id of turnIds) await documents.remove(id, conversationId);
}

/** Keeps the newest rating of a turn. When that was answered; null: the call log has no such turn. */
export async function rate(conversationId: ConversationId, turnId: TurnId, feedback: Feedback): Promise<number | null> {
  return await documents.change<number | null>(
    turnId,
    { transition: (turn) => [turn && { ...turn, feedback }, turn?.answeredAt ?? null] },
    { partition: conversationId, races: 5 },
  );
}

export async function readTurn(conversationId: ConversationId, id: TurnId): Promise<LoggedTurn | null> {
  return (await documents.read(id, conversationId))?.document ?? null;
}

/** Turns of a conversation before the one of an ordinal, oldest first. */
export async function olderTurns(id: ConversationId, before: number, limit: number): Promise<LoggedTurn[]> {
  const query = `SELECT TOP ${limit} * FROM c WHERE c.ordinal < @before ORDER BY c.ordinal DESC`;
  return (await documents.query(query, [{ name: '@before', value: before }], { limit, partition: id })).reverse();
}

/** Turns of a conversation from the one behind an ordinal on, oldest first. */
export async function turnsAfter(
  id: ConversationId,
  ordinal: number,
  begun: number,
  limit: number,
): Promise<LoggedTurn[]> {
  // Of this conversation alone: one of the same id before it may still be in the log.
  const query = `SELECT TOP ${limit} * FROM c WHERE c.ordinal > @ordinal AND c.answeredAt >= @begun ORDER BY c.ordinal`;
  const parameters = [
    { name: '@ordinal', value: ordinal },
    { name: '@begun', value: begun },
  ];
  return await documents.query(query, parameters, { limit, partition: id });
}

/** The last logged turns that the model answered, and nobody has labelled: of those it is known what they mean. */
export async function lastTurns(limit: number): Promise<{ id: TurnId; text: string }[]> {
  // What the staff says, and pictures, have no text: among so many there are enough.
  const top = limit * 4;
  const query = `SELECT TOP ${top} c.id, c.text FROM c WHERE c.answeredAt > 0 AND NOT IS_DEFINED(c.label) ORDER BY c.answeredAt DESC`;
  const turns = await documents.query<{ id: TurnId; text: string }>(query, [], { limit: top });
  return turns.filter(({ text }) => text).slice(0, limit);
}

/** The last logged turns whose meaning a person has said. */
export async function labelledTurns(limit: number, since: number): Promise<{ text: string; intent: string }[]> {
  const query = `SELECT TOP ${limit} c.text, c.label FROM c WHERE c.answeredAt > @since AND IS_DEFINED(c.label) AND NOT IS_DEFINED(c.trains) ORDER BY c.answeredAt DESC`;
  const turns = await documents.query<{ text: string; label: string }>(query, [{ name: '@since', value: since }], {
    limit,
  });
  return turns.filter(({ text }) => text).map(({ text, label }) => ({ text, intent: label }));
}

/** What a logged turn was understood to be, and what answered it. */
export type Meant = Pick<
  LoggedTurn,
  'id' | 'conversationId' | 'text' | 'locale' | 'skill' | 'understanding' | 'label' | 'again'
>;

/** The last turns that customers wrote, the newest first. */
export async function lastMeant(limit: number): Promise<Meant[]> {
  const query = `SELECT TOP ${limit} c.id, c.conversationId, c.text, c.locale, c.skill, c.understanding, c.label, c.again FROM c WHERE c.answeredAt > 0 AND c.givenId != '' AND NOT IS_DEFINED(c["by"]) ORDER BY c.answeredAt DESC`;
  return await documents.query(query, [], { limit });
}

/** Turns since a time that may need a person's look, the newest first: without a label. */
export async function reviewableTurns(since: number, limit: number): Promise<Reviewed[]> {
  const query = `SELECT TOP ${limit} c.id, c.conversationId, c.userId, c.text, c.locale, c.answeredAt, c.understanding, c.skill, c.outcome, c.feedback, c.handover, c.givenId, c.replies FROM c WHERE c.answeredAt > @since AND c.givenId != '' AND NOT IS_DEFINED(c["by"]) AND NOT IS_DEFINED(c.label) ORDER BY c.answeredAt DESC`;
  return await documents.query(query, [{ name: '@since', value: since }], { limit });
}

/** What a person has said that a turn means; null: nothing any more. A turn that is gone stays so. */
export async function labelTurn(
  conversationId: ConversationId,
  id: TurnId,
  label: { intent: string; trains: boolean } | null,
): Promise<void> {
  await documents.change(
    id,
    {
      transition: (turn) => {
        if (!turn) return [null, undefined];
        const { label: _, trains: __, ...rest } = turn;
        if (!label) return [rest, undefined];
        return [{ ...rest, label: label.intent, ...(label.trains && { trains: true as const }) }, undefined];
      },
    },
    { partition: conversationId },
  );
}

/** What statistics count of the turns that were answered in a time. */
export async function countedTurns(from: number, to: number, limit: number): Promise<Counted[]> {
  const query = `SELECT TOP ${limit} c.acceptedAt, c.answeredAt, c.channel, c.content, c.feedback, c.givenId, c.handover, c.locale, c.outcome, c.rating, c.skill, c.timings, c.understanding, c.userId, c["by"] FROM c WHERE c.answeredAt >= @from AND c.answeredAt < @to ORDER BY c.answeredAt`;
  const parameters = [
    { name: '@from', value: from },
    { name: '@to', value: to },
  ];
  return await documents.query(query, parameters, { limit: PAGE });
}

/** A turn as far as a ramp is judged by it. */
export type Ramped = Pick<
  LoggedTurn,
  'conversationId' | 'feedback' | 'givenId' | 'handover' | 'outcome' | 'skill' | 'understanding' | 'by'
>;

/** The newest turns of a step of a ramp, as many of those that asked the release as of those that did not. */
export async function rampedTurns(
  { digest, step, since }: { digest: string; step: number; since: number },
  limit: number,
): Promise<Ramped[]> {
  const of = 'c.understanding.ramp.digest = @digest AND c.understanding.ramp.step = @step';
  const parameters = [
    { name: '@digest', value: digest },
    { name: '@step', value: step },
    { name: '@since', value: since },
  ];
  const found = await Promise.all(
    ['IS_DEFINED', 'NOT IS_DEFINED'].map((how) => {
      const query = `SELECT TOP ${limit} c.conversationId, c.feedback, c.givenId, c.handover, c.outcome, c.skill, c.understanding, c["by"] FROM c WHERE c.answeredAt > @since AND ${of} AND ${how}(c.understanding.ramp.ms) ORDER BY c.answeredAt DESC`;
      return documents.query<Ramped>(query, parameters, { limit: PAGE });
    }),
  );
  return found.flat();
}

/** What customers wrote and a model has understood, answered in a time (`to` is out), the newest first. What wished for several things is not among it. */
export async function replayedTurns(
  from: number,
  to: number,
  limit: number,
): Promise<Pick<LoggedTurn, 'id' | 'conversationId' | 'text' | 'answeredAt' | 'understanding' | 'again'>[]> {
  const query = `SELECT TOP ${limit} c.id, c.conversationId, c.text, c.answeredAt, c.understanding, c.again FROM c WHERE c.answeredAt >= @from AND c.answeredAt < @to AND c.givenId != '' AND c.text != '' AND NOT IS_DEFINED(c["by"]) AND IS_DEFINED(c.understanding.intent) AND NOT IS_DEFINED(c.understanding.wishes) AND c.understanding.model.name != 'content' ORDER BY c.answeredAt DESC`;
  const parameters = [
    { name: '@from', value: from },
    { name: '@to', value: to },
  ];
  return await documents.query(query, parameters, { limit });
}

/** Keeps what another model makes of a turn; null: the same as was understood. Repeated, it changes nothing. */
export async function seeAgain(
  { id, conversationId, again: known }: Pick<LoggedTurn, 'id' | 'conversationId' | 'again'>,
  again: NonNullable<LoggedTurn['again']> | null,
): Promise<void> {
  if (!again && !known) return;
  await documents.change(
    id,
    {
      transition: (turn) => {
        if (!turn) return [null, undefined];
        const { again: _, ...rest } = turn;
        return [again ? { ...rest, again } : rest, undefined];
      },
    },
    { partition: conversationId },
  );
}

/** Turns of a time that a model of a version understands otherwise, the newest first. */
export async function turnsSeenAgain(
  version: string,
  { from, to }: { from: number; to: number },
  limit: number,
): Promise<LoggedTurn[]> {
  const query = `SELECT TOP ${limit} * FROM c WHERE c.answeredAt >= @from AND c.answeredAt < @to AND c.again.version = @version ORDER BY c.answeredAt DESC`;
  const parameters = [
    { name: '@from', value: from },
    { name: '@to', value: to },
    { name: '@version', value: version },
  ];
  return await documents.query(query, parameters, { limit });
}

/** Turns that a model of a version understands otherwise, of one movement, the newest first. */
export async function movedTurns(
  { version, before, after }: { version: string; before: string; after: string },
  { from, to }: { from: number; to: number },
  limit: number,
): Promise<LoggedTurn[]> {
  const query = `SELECT TOP ${limit} * FROM c WHERE c.answeredAt >= @from AND c.answeredAt < @to AND c.understanding.intent = @before AND c.again.intent = @after AND c.again.version = @version ORDER BY c.answeredAt DESC`;
  const parameters = [
    { name: '@from', value: from },
    { name: '@to', value: to },
    { name: '@before', value: before },
    { name: '@after', value: after },
    { name: '@version', value: version },
  ];
  return await documents.query(query, parameters, { limit });
}

/** What customers wrote, answered between two moments (both are in), the newest first. */
export async function turnsWhere(
  conditions: readonly string[],
  parameters: SqlParameter[],
  { low, high }: { low: number; high: number },
  limit: number,
): Promise<LoggedTurn[]> {
  // Neither the staff's words nor what the bot says by itself.
  const asked = ["c.givenId != ''", 'NOT IS_DEFINED(c["by"])', ...conditions].join(' AND ');
  const query = `SELECT TOP ${limit} * FROM c WHERE c.answeredAt >= @low AND c.answeredAt <= @high AND ${asked} ORDER BY c.answeredAt DESC`;
  const all = [...parameters, { name: '@low', value: low }, { name: '@high', value: high }];
  return await documents.query(query, all, { limit });
}

/** When the oldest turn of the log was answered; null: there is none. */
export async function firstLogged(): Promise<number | null> {
  const query = 'SELECT TOP 1 VALUE c.answeredAt FROM c WHERE c.answeredAt > 0 ORDER BY c.answeredAt';
  return (await documents.query<number>(query, [], { limit: 1 }))[0] ?? null;
}

/** What users said, and what they then tapped of what was offered for it, the newest first: other ways to say that. */
export async function meantTurns(
  limit: number,
  since: number,
): Promise<Pick<LoggedTurn, 'id' | 'text' | 'meant' | 'locale' | 'understanding'>[]> {
  // By time, which is indexed: what else is asked is looked for in those days alone.
  const query = `SELECT TOP ${limit} c.id, c.text, c.meant, c.locale, c.understanding FROM c WHERE c.answeredAt > @since AND IS_DEFINED(c.meant) ORDER BY c.answeredAt DESC`;
  return await documents.query(query, [{ name: '@since', value: since }], { limit });
}
