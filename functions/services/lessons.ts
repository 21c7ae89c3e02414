import type { Agent } from '../conversation/document.ts';
import type { ConversationId, TurnId, UserId } from '../conversation/identifier.ts';
import { Documents } from './documents.ts';

/**
 * What the staff wants the bot to learn of a conversation (container `lessons`): a question, and what would have answered it. A person takes
 * it into the bot's content (`npm run bot -- suggestions`). It has no personal details; it names its turn only until its user is erased.
 */
export interface Lesson {
  id: string;
  kind: 'utterance' | 'answer' | 'faq';
  language: string;
  question: string;
  answer: string;
  /** Which intent it is of; null for an entry of the FAQ. */
  intent: string | null;
  by: Agent;
  at: number;
  from: { conversationId: ConversationId; turnId: TurnId } | null;
  /** Of whose turn it was made. */
  participants: UserId[];
}

const documents = new Documents<Lesson>('lessons');

/** Keeps one; with the same id it is kept once. */
export async function keepLesson(lesson: Lesson): Promise<void> {
  await documents.put(lesson);
}

/** The last lessons, the newest first. */
export async function lastLessons(limit: number): Promise<Lesson[]> {
  return await documents.query(`SELECT TOP ${limit} * FROM c WHERE c.at > 0 ORDER BY c.at DESC`, [], { limit });
}
