import type { Agent, Conversation } from '../conversation/document.ts';
import type { ConversationId, UserId } from '../conversation/identifier.ts';
import { Documents, REMOVE } from './documents.ts';

/** What the staff has beside a conversation and no customer sees (container `notes`, the same id). */
export interface Notes {
  id: ConversationId;
  /** Whose conversation it is: erased and exported with it. */
  participants: UserId[];
  notes: Note[];
  /** What somebody has begun to write, by who; on the server, so that a reload or another machine has it. */
  drafts: Record<string, { text: string; at: number }>;
  /** When the customer last showed that they write. */
  typedAt?: number;
  /** Who looks at it, by who. */
  viewers: Record<string, { name: string; at: number }>;
}

export interface Note {
  /** Chosen by the client: sent again, it is written once. */
  key: string;
  by: Agent;
  text: string;
  at: number;
}

const documents = new Documents<Notes>('notes');
/** Notes of one conversation, and their bytes: the oldest go. */
const NOTES = 200;
const NOTES_BYTES = 500_000;
/** Somebody looks who has asked within this time, in milliseconds. */
export const LOOKING = 40_000;
/** How often that is written down. */
const LOOKED = 15_000;
/** And how often that the customer writes. */
const TYPED = 2_000;

export async function readNotes(id: ConversationId): Promise<Notes | null> {
  return (await documents.read(id))?.document ?? null;
}

export async function addNote({ id, participants }: Conversation, note: Note): Promise<void> {
  await change(id, participants, (notes) =>
    notes.notes.some(({ key, by }) => key === note.key && by.id === note.by.id)
      ? null
      : { ...notes, notes: newest([...notes.notes, note]) },
  );
}

function newest(notes: Note[]): Note[] {
  const kept = notes.slice(-NOTES);
  while (kept.length > 1 && Buffer.byteLength(JSON.stringify(kept)) > NOTES_BYTES) kept.shift();
  return kept;
}

/** Keeps what somebody is writing; blank: nothing. */
export async function keepDraft(
  { id, participants }: Conversation,
  agent: Agent,
  text: string,
  now: number,
): Promise<void> {
  await change(id, participants, (notes) => {
    const { [agent.id]: _, ...others } = notes.drafts;
    return { ...notes, drafts: text === '' ? others : { ...others, [agent.id]: { text, at: now } } };
  });
}

const looked = new Map<string, number>();

/** Notes that somebody looks at a conversation, so that two don't answer it without knowing of each other. */
export async function look({ id, participants }: Conversation, agent: Agent, now: number): Promise<void> {
  const key = `${id} ${agent.id}`;
  if (now - (looked.get(key) ?? 0) < LOOKED) return;
  if (looked.size > 10_000) looked.clear();
  looked.set(key, now);
  await change(id, participants, (notes) => {
    const others = Object.entries(notes.viewers).filter(([, { at }]) => now - at < LOOKING);
    return { ...notes, viewers: { ...Object.fromEntries(others), [agent.id]: { name: agent.name, at: now } } };
  });
}

const typed = new Map<string, number>();

/** Notes that the customer is writing. */
export async function noteTyping({ id, participants }: Conversation, now: number): Promise<void> {
  if (now - (typed.get(id) ?? 0) < TYPED) return;
  if (typed.size > 10_000) typed.clear();
  typed.set(id, now);
  await change(id, participants, (notes) => ({ ...notes, typedAt: now }));
}

/** What stays of them when a user is erased: what was written after it. */
export function notesAfter(notes: Notes, at: number): Notes | typeof REMOVE {
  const kept = notes.notes.filter((note) => note.at > at);
  const drafts = Object.entries(notes.drafts).filter(([, draft]) => draft.at > at);
  if (kept.length === 0 && drafts.length === 0) return REMOVE;
  return { ...notes, notes: kept, drafts: Object.fromEntries(drafts) };
}

async function change(
  id: ConversationId,
  participants: UserId[],
  transition: (notes: Notes) => Notes | null,
): Promise<void> {
  await documents.change(id, {
    transition: (stored) => {
      const notes = stored ?? { id, participants, notes: [], drafts: {}, viewers: {} };
      const next = transition(notes);
      // Whoever was in it once is found by what was noted then.
      return [next && { ...next, participants: [...new Set([...notes.participants, ...participants])] }, undefined];
    },
  });
}
