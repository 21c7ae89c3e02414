import type { Callback, Dialog, Reply, Speaker, Turn, Understanding } from '../conversation/document.ts';
import type { ConversationId, CustomerId } from '../conversation/identifier.ts';
import type { Bot } from '../dialog/bot.ts';
import type { ActionResult } from '../dialog/value.ts';

/** What a skill is asked: one turn, what it means, and where the dialog stands. */
export interface Question {
  /** One version of it answers the whole turn. */
  bot: Bot;
  conversationId: ConversationId;
  turn: Turn;
  /** Null for a turn that is not understood by its text (an image). */
  understanding: Understanding | null;
  dialog: Dialog;
  /** Who answers in this conversation. */
  speaker: Speaker;
  /** A message that was left while nobody was at the desk, and nobody has taken yet. */
  callback: Callback | null;
  /** The last turns, oldest first, as they are kept. */
  history: { customer: string; replies: string[] }[];
  /** What the bot said to this user last. */
  last: Reply[];
  /** What the user said before, where it was not understood and this turn is what was offered for it. */
  meant?: string;
  now: number;
}

/** The replies, and where the dialog stands after them. */
export interface SkillAnswer {
  replies: Reply[];
  dialog: Dialog;
  /** A person of our own desk was asked for, or is not wanted any more. */
  speaker?: Speaker;
  /** Nobody is at the desk: what was said is kept for who comes. */
  callback?: Callback;
  /** What the user thought of a person's help, 1 to 5. */
  rating?: number;
  /** What became of a message that could not be taken: said whoever has the conversation. */
  notice?: true;
  /** Nothing is said because a person has the conversation: where that is no longer so, the turn is understood anew. */
  silent?: true;
}

/** What an action of a bot is given. */
export interface ActionRequest {
  /** What was collected, by slot; of what was asked for before it was confirmed, exactly what the question showed. */
  slots: Readonly<Record<string, string>>;
  /** Null for a guest. */
  customerId: CustomerId | null;
  conversationId: ConversationId;
  /** What the user wrote. */
  text: string;
  locale: string;
  /** The same for the same call of the same turn: what was done by it once is not done again. */
  key: string;
}

/** An action in code: a function of a bot's folder (functions/bot/index.ts). Throws Unavailable or Rejected. */
export type Act = (request: ActionRequest) => Promise<ActionResult>;

/** What another desk is told. */
export interface HubEvent {
  type: 'handoff.initiate' | 'message' | 'handoff.cancel';
  /** By which it answers: POST /api/hub/{conversationId}. */
  conversationId: ConversationId;
  ticket: string;
  reason: string;
  text: string;
  locale: string;
  customerId: CustomerId | null;
  /** Of what was said before, the last few, without personal details. */
  history: { customer: string; replies: string[] }[];
}

/** What skills may do to the world outside; each call has its own timeout and retries, and throws Unavailable or Rejected. */
export interface Outside {
  /** Runs an action of the bot. */
  act(bot: Bot, action: string, request: ActionRequest): Promise<ActionResult>;
  /** Our own desk (the console's); null: the shop's tickets are used in its place. */
  queue: {
    /** Customers who wait before somebody who asks now, or who has waited since then. Null: it can't be said now. */
    ahead(since: number): Promise<number | null>;
  } | null;
  /** Another desk, which is told over a webhook, or by the channel itself; null: ours, or the shop's tickets. */
  hub: { tell: ((event: HubEvent, key: string) => Promise<void>) | null } | null;
  desk: {
    openTicket(
      ticket: { customerId: CustomerId | null; conversationId: ConversationId; text: string; reason: string },
      key: string,
    ): Promise<string>;
    addToTicket(ticket: string, text: string, key: string): Promise<void>;
    closeTicket(ticket: string, key: string): Promise<void>;
  };
  /** Answers the text of a turn as if it had come without its attachments. */
  respond(question: Question): Promise<SkillAnswer>;
  attachments: {
    /** Reads an attachment and keeps it. Throws Rejected when it is too large or not what it says. Repeatable. */
    keep(
      conversationId: ConversationId,
      turn: Turn,
      index: number,
    ): Promise<{ name: string; contentType: string; picture: Buffer; url: string }>;
    /** What a model takes a kept attachment for; `none` below its threshold. Null: it can't say. Repeatable, and never throws. */
    look(kept: { picture: Buffer; contentType: string }, model: string): Promise<string | null>;
  };
}

/**
 * One thing that the platform can do for any bot. A skill with `inline` answers within the step that understood the turn, without
 * acting on anything outside; every other one gets a queue and a function of its own (`skill-<name>`) and may run twice: it gives
 * its outside calls a key made of the turn.
 */
export interface Skill {
  name: string;
  inline?: boolean;
  run(question: Question, outside: Outside): Promise<SkillAnswer> | SkillAnswer;
}
