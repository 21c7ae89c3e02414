import type { FlowState } from './flow.ts';
import type { ConversationId, CustomerId, TurnId, UserId } from './identifier.ts';

/**
 * The conversation document: the one truth about a conversation. Queue messages are only wake-up calls.
 * Stored in the Cosmos DB container `conversations`, partition key = id, guarded by its ETag.
 * All times are milliseconds since the epoch.
 */
export interface Conversation {
  /** Of this shape (version.ts). */
  version: number;
  id: ConversationId;
  /** The user who opened the conversation, or the first of those who stay when that one was erased. */
  userId: UserId;
  /** Whose turns stand here, and who opened it: a group has several. */
  participants: UserId[];
  channel: Channel;
  locale: Locale;
  /** Who answers: one at any time (speaker.ts). */
  speaker: Speaker;
  /** Somebody asked for a person outside of office hours: what was said is kept for who comes next, and the bot goes on. */
  callback: Callback | null;
  /** Accepted and not answered, in the order of acceptance. */
  inbox: Turn[];
  /** The head of the inbox once it waits for a skill; null while nothing but understanding is due. */
  active: Active | null;
  /** Answered and not delivered, in order; the replies stand in `recent`. */
  outbox: Delivery[];
  /** Who is sending the outbox, until when; a second claim, so that a slow channel never holds a skill. */
  delivering: Claim | null;
  /** How many turns were answered or said so far. */
  said: number;
  /** The last answered turns, oldest first: a duplicate gets the answer that stands here. */
  recent: AnsweredTurn[];
  /** Of the user who opened it; of others in a group: {@link Conversation.others}. */
  dialog: Dialog;
  /** The dialogs of the others in a group, by user: nobody's turn moves another's. Absent where there is none. */
  others?: Record<string, Dialog>;
  /** When the sweep must look at this document; null when nothing is due. */
  wakeAt: number | null;
  /** Sweeps since the last progress: each waits twice as long as the one before. */
  wakes: number;
  createdAt: number;
  updatedAt: number;
}

/** Somebody of the service staff, as the sign-in names them. */
export interface Agent {
  id: string;
  name: string;
  /** Somebody of another desk: what they say may not pass through here, so their silence says nothing. */
  elsewhere?: true;
}

/**
 * Who answers the customer. `waiting`: a person was asked for, and the bot says so until one comes. `person`: nobody else says
 * anything.
 */
export type Speaker =
  | { kind: 'bot' }
  | {
      kind: 'waiting';
      /** The place in the queue is by this. */
      since: number;
      /** The intent that led here, `not_understood`, or why a person has gone: `unanswered`, `passed`. */
      reason: string;
      /** What the customer may name it by. */
      ticket: string;
      /** Who asked: in a group the bot goes on to answer the others. Absent: a person has had it already, and all of it waits. */
      user?: UserId;
      /** Whom it was handed to: a colleague is offered it first. */
      for?: Agent;
    }
  | {
      kind: 'person';
      agent: Agent;
      since: number;
      reason: string;
      ticket: string;
      /** When the customer wrote what nobody has answered yet; null: nothing waits. */
      unanswered: number | null;
      /** When the person spoke last. */
      spoke: number;
      /** When either of them wrote last. */
      last: number;
      /** Who asked; absent: nobody of a group more than the others. */
      user?: UserId;
    };

export interface Callback {
  since: number;
  reason: string;
  ticket: string;
  /** Who asked. */
  user?: UserId;
  /** Another desk could not be reached: what it must still be told, when that is tried next, and how often it was. */
  passOn?: { text: string; customerId: CustomerId | null; at: number; attempts: number };
}

/** The tag of a language that the bot speaks: `en`, `ko`. */
export type Locale = string;

/**
 * `api`: replies are read from the document. Otherwise they are sent to the reference (a Bot Framework conversation reference,
 * without its user: that is each turn's own).
 */
export type Channel =
  /** `push`: what is said is sent to the client too (REPLIES_URL), under the id that the client knows the conversation by. */
  { kind: 'api'; push?: string } | { kind: 'activity'; reference: Record<string, unknown> };

export interface Turn {
  id: TurnId;
  /** The channel's activity id or the client's Idempotency-Key, as it was sent. */
  givenId: string;
  /** The channel's account of who wrote it, which replies point at; absent for `api`. */
  sender?: unknown;
  userId: UserId;
  /** Who that is to the shop; null for a guest. */
  customerId: CustomerId | null;
  /** As it was written; once it is answered, without personal details (mask.ts). */
  text: string;
  attachments: Attachment[];
  /** What of the message could not be taken: it is said in the conversation. */
  refused?: 'text_too_long' | 'too_many_pictures';
  /** The language to answer in. */
  locale: Locale;
  /** SHA-256 of what was sent: the same id with another fingerprint is a conflict. */
  fingerprint: string;
  /** W3C trace context of the request that brought the turn. */
  traceparent: string;
  acceptedAt: number;
  /** Failed attempts so far. */
  attempts: number;
  /** Not before this time. */
  retryAt: number;
  lastError?: string;
}

export interface Attachment {
  contentType: string;
  /** Blank: refused when it was accepted, because its origin is not the channel's; or the turn is answered. */
  url: string;
  name: string;
  /** It is at the channel's own service: it may be shown the bot's token. */
  fromChannel?: boolean;
}

export interface Reply {
  /** All of it, as it is said where neither cards nor buttons are shown. */
  text: string;
  /** Texts that the user may tap next. */
  suggestions?: string[];
  /** Several side by side. */
  cards?: Card[];
  /** The channel's own desk is asked to take over (`handoff.initiate`), and nothing is said. */
  handoff?: { reason: string; ticket: string; text: string };
  /** What somebody of the staff sends. */
  picture?: { url: string; contentType: string; name: string };
  /** What stands above the cards in place of the text. */
  heading?: string;
}

export interface Card {
  title: string;
  text?: string;
  image?: { url: string; alt: string };
  link?: { url: string; title: string };
  /** Texts that the user may tap. */
  buttons?: string[];
}

/** Something that a message wishes, or says not to be wished. */
export interface Wish {
  intent: string;
  /** Of the FAQ, where that is what answers. */
  entry?: string;
  score: number;
  negated: boolean;
}

/** What the FAQ has for a message, whichever answers in the end. */
export interface FaqFound {
  /** `none` where nothing is likely enough. */
  entry: string;
  /** The chance that it is the right one, 0–1. */
  score: number;
  top: { entry: string; score: number }[];
  model: { name: string; version: string };
}

export interface Understanding {
  /** Of a message of several wishes, the first; `faq` where an entry of the FAQ answers. */
  intent: string;
  /** 0–1. */
  score: number;
  top: { intent: string; score: number }[];
  /** In order, where there are several, or one is denied. */
  wishes?: Wish[];
  /** Absent where the bot has no FAQ, or no model of it. */
  faq?: FaqFound;
  /** The intent that an entry of the FAQ was likelier than. */
  rival?: { intent: string; score: number };
  model: { name: string; version: string };
  /** While a release was ramped (functions/releases/ramp.ts). */
  ramp?: RampShare;
}

/** The part that a ramped release had in a turn. */
export interface RampShare {
  digest: string;
  /** The step that the ramp was at. */
  step: number;
  /** Whether it said what was meant; else what was live did. */
  answered: boolean;
  /** How long it took, and what is live, in milliseconds; absent of whom was not asked. */
  ms?: number;
  liveMs?: number;
  /** It did not answer in time. */
  failed?: true;
  /** In shadow: what it and what is live made of the message. */
  said?: string;
  heard?: string;
}

export interface AnsweredTurn extends Turn {
  answeredAt: number;
  /** Its place among all that was answered or said in this conversation, from 1: a client that reads on names the last it has. */
  ordinal: number;
  replies: Reply[];
  outcome: 'answered' | 'failed';
  skill: string;
  /** The version of the bot's content that it was answered from; absent on what was answered before there was one. */
  content?: string;
  understanding: Understanding | null;
  /** The platform says what became of a message that could not be taken, whoever has the conversation. */
  notice?: true;
  /** Somebody of the staff said the replies, or had the platform say them; the text is blank then. */
  by?: Agent;
  /** What was done with these words: who took it, handed it over, gave it back, or lost it, and when, is in the call log so. */
  step?: 'take' | 'pass' | 'back' | 'dismiss' | 'unanswered' | 'idle';
  /** With this turn a person was asked for, here or at another desk: why. */
  handover?: string;
  /** What a conversation with a person ended as (desk.json). */
  wrapUp?: string;
  /** What the customer thought of a conversation with a person, 1 to 5. */
  rating?: number;
  /** What the user had said before, where this turn is what the bot then offered to tap: another way to say it. */
  meant?: string;
  /** The user's turn in the call log: written at least once before it may leave `recent`. */
  logged: boolean;
  /** When the channel took the replies; null while not sent, or for `api`. */
  deliveredAt: number | null;
  deliveryError?: string;
  /** How many of the replies the channel has, where it did not take all of them. */
  sent?: number;
  /** Milliseconds a hop took, by its name. */
  timings: Record<string, number>;
}

export interface Claim {
  by: string;
  until: number;
}

export interface Active {
  turnId: TurnId;
  skill: string;
  understanding: Understanding | null;
  /** Null: routed, and no worker has taken it. */
  claim: Claim | null;
  since: number;
  timings: Record<string, number>;
}

export interface Delivery {
  turnId: TurnId;
  /** Replies of the turn that the channel has taken already. */
  sent: number;
  attempts: number;
  retryAt: number;
}

export interface Dialog {
  /** The flow that waits for the user. */
  flow: FlowState | null;
  /** Flows that others were begun in, the last first: they go on after those. */
  paused: FlowState[];
  /** Turns in a row that were not understood. */
  misses: number;
  /** Set while a person of another desk has a ticket of this user's. `last`: when the user wrote to the person last. */
  handover: { ticket: string; since: number; last?: number } | null;
  /** Until when a number from 1 to 5 is what the user thought of a person's help. */
  rating?: number;
}

export const emptyDialog: Dialog = { flow: null, paused: [], misses: 0, handover: null };
