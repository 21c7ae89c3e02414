import type { Conversation } from '../conversation/document.ts';
import type { ConversationId, UserId } from '../conversation/identifier.ts';
import * as conversation from '../conversation/transitions.ts';
import { upcast } from '../conversation/version.ts';
import { eraseAttachments, listAttachments } from './blobs.ts';
import { currentBot, keptOf } from './bot.ts';
import type { LoggedTurn } from './call-log.ts';
import { change, notify } from './conversations.ts';
import { Documents, REMOVE } from './documents.ts';
import type { Incident } from './incidents.ts';
import type { Lesson } from './lessons.ts';
import { type Notes, notesAfter } from './notes.ts';
import type { Review } from './reviews.ts';
import { type ContainerName, containers } from './stores.ts';
import { log } from './telemetry.ts';
import { forgetSeen, type User } from './users.ts';

/**
 * Erasing a user and exporting what is kept of one, over every store of services/stores.ts. What is under way while a user is
 * erased (a picture that is being read, a message that comes again after ten minutes) may be written after it: so an
 * erasure is a document, and is repeated until nothing of before can be under way.
 */
interface Erasure {
  /** The user's. */
  id: UserId;
  /** What was accepted until then goes; what comes after it is a new user's. */
  at: number;
  /** When it is done again; null: it is over. */
  repeatAt: number | null;
  repeats: number;
}

/** Waits before each repetition. A queue gives a crashed worker's message out again after ten minutes. */
const REPEATS = [20_000, 120_000, 900_000];

const documents = {
  conversations: new Documents<Conversation>('conversations'),
  users: new Documents<User>('users'),
  turns: new Documents<LoggedTurn>('turns'),
  incidents: new Documents<Incident>('incidents'),
  notes: new Documents<Notes>('notes'),
  lessons: new Documents<Lesson>('lessons'),
  reviews: new Documents<Review>('reviews'),
  erasures: new Documents<Erasure>('erasures'),
} satisfies Record<
  Exclude<
    ContainerName,
    'releases' | 'ramps' | 'trainings' | 'trials' | 'replays' | 'staff' | 'statistics' | 'audit' | 'content'
  >,
  unknown
>;

export interface Removed {
  conversations: number;
  turns: number;
  incidents: number;
  attachments: number;
}

/** Erases a user now, and again until nothing of before is left. Repeatable. Null: nobody knows this user. */
export async function eraseUser(id: UserId, now: number): Promise<Removed | null> {
  const user = await documents.users.read(id);
  // First, so that a crash in the middle is made good.
  if (user) await documents.erasures.put({ id, at: now, repeatAt: now + REPEATS[0]!, repeats: 0 });
  const removed = await erase(id, now);
  const any = Object.values(removed).some((count) => count > 0);
  if (!user && any) await documents.erasures.put({ id, at: now, repeatAt: now + REPEATS[0]!, repeats: 0 });
  return user || any ? removed : null;
}

/** Repeats the erasures that are due. */
export async function repeatErasures(now: number): Promise<void> {
  const query = 'SELECT TOP 100 * FROM c WHERE c.repeatAt > 0 AND c.repeatAt <= @now ORDER BY c.repeatAt';
  for (const { id, at } of await documents.erasures.query(query, [{ name: '@now', value: now }], { limit: 100 })) {
    try {
      await erase(id, at);
    } catch (error) {
      // The others are not held up; this one is looked at again by the next sweep.
      log('warn', 'an erasure could not be repeated yet', { error: String(error) });
      continue;
    }
    await documents.erasures.change(id, {
      transition: (current) => {
        // Asked for once more meanwhile: that begins anew.
        if (current?.at !== at) return [null, undefined];
        const repeats = current.repeats + 1;
        const wait = REPEATS[repeats];
        return [{ ...current, repeats, repeatAt: wait === undefined ? null : now + wait }, undefined];
      },
    });
  }
}

/** Conversations first, so that no worker can write another turn. */
async function erase(id: UserId, at: number): Promise<Removed> {
  const conversations = await found<Pick<Conversation, 'id'>>('conversations', id, 'c.id');
  for (const { id: conversationId } of conversations) await leave(conversationId, id, at);
  const own = 'c.id, c.conversationId, c.acceptedAt';
  const turns = (await found<Pick<LoggedTurn, 'id' | 'conversationId' | 'acceptedAt'>>('turns', id, own)).filter(
    ({ acceptedAt }) => acceptedAt <= at,
  );
  for (const turn of turns) await documents.turns.remove(turn.id, turn.conversationId);
  const incidents = (await found<Pick<Incident, 'id' | 'acceptedAt'>>('incidents', id, 'c.id, c.acceptedAt')).filter(
    ({ acceptedAt }) => acceptedAt <= at,
  );
  for (const incident of incidents) await documents.incidents.remove(incident.id);
  for (const { id: conversationId } of await found<Notes>('notes', id, 'c.id'))
    await documents.notes.change(conversationId, {
      transition: (notes) => [notes && notesAfter(notes, at), undefined],
    });
  // What the bot is to learn has nothing of theirs but where it came from.
  for (const { id: lesson } of await found<Lesson>('lessons', id, 'c.id'))
    await documents.lessons.change(lesson, {
      transition: (current) => [current && { ...current, from: null, participants: [] }, undefined],
    });
  for (const { id: review } of await found<Review>('reviews', id, 'c.id'))
    await documents.reviews.change(review, {
      transition: (current) => {
        if (!current) return [null, undefined];
        const from = current.from.filter(({ userId }) => userId !== id);
        const participants = current.participants.filter((user) => user !== id);
        return [{ ...current, from, participants }, undefined];
      },
    });
  const attachments = await eraseAttachments(id, at);
  await documents.users.change(id, {
    transition: (user) => [user && user.createdAt <= at ? REMOVE : null, undefined],
  });
  forgetSeen(id);
  return { conversations: conversations.length, turns: turns.length, incidents: incidents.length, attachments };
}

async function leave(id: ConversationId, user: UserId, at: number): Promise<void> {
  const wakeUps = await change(id, {
    transition: (document) => {
      const now = Date.now();
      const next = document && conversation.forget(document, user, at, keptOf(currentBot()), now);
      if (next === 'empty') return [REMOVE, []];
      return [next, next ? conversation.wakeUps(next, now) : []];
    },
  });
  await notify(id, wakeUps);
}

/** Everything that is kept about a user, by store; null when there is nothing. */
export async function exportUser(id: UserId) {
  const [user] = await found<User>('users', id);
  const conversations = (await found<Conversation>('conversations', id)).map((document) =>
    conversation.partOf(upcast(document), id),
  );
  const turns = await found<LoggedTurn>('turns', id);
  const incidents = await found<Incident>('incidents', id);
  const notes = await found<Notes>('notes', id);
  const lessons = await found<Lesson>('lessons', id);
  // Of several: what is others' is not this one's to have.
  const reviews = (await found<Review>('reviews', id)).map(({ text, locale, decision, from }) => ({
    text,
    locale,
    meaning: decision?.intent ?? null,
    from: from.filter(({ userId }) => userId === id),
  }));
  const attachments = await listAttachments(id);
  if (
    !user &&
    [conversations, turns, incidents, notes, lessons, reviews, attachments].every((list) => list.length === 0)
  )
    return null;
  return { user: user ?? null, conversations, turns, incidents, notes, lessons, reviews, attachments };
}

async function found<D>(name: keyof typeof documents, user: UserId, fields = '*'): Promise<D[]> {
  const { found: condition } = containers[name].user;
  if (!condition) return [];
  const query = fields === '*' ? `SELECT * FROM c WHERE ${condition}` : `SELECT ${fields} FROM c WHERE ${condition}`;
  return await documents[name].query<D>(query, [{ name: '@user', value: user }]);
}
