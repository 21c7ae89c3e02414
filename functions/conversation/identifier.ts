import { createHash } from 'node:crypto';

/**
 * Who and what a turn belongs to. Ids from outside are chosen by clients and channels and may hold anything, so none is
 * stored, logged, queued or put into a path as it came: what is stored is the SHA-256 of its space and itself, behind what it
 * is the id of. It can't be a dot segment or empty, can't hold a separator, and can't be another's. The types are made only here.
 */
declare const made: unique symbol;
type Identifier<Name extends string> = string & { readonly [made]: Name };

/** The id of a conversation's document, and its partition in the call log. */
export type ConversationId = Identifier<'conversation'>;
/** A turn within its conversation. */
export type TurnId = Identifier<'turn'>;
/** Who writes: a user of one channel, or of the HTTP API's clients. */
export type UserId = Identifier<'user'>;
/** A customer as the shop names it; known only by the shop's own word (services/customer-token.ts) or an API client's. */
export type CustomerId = Identifier<'customer'>;

/** The HTTP API's clients, or a channel of the Bot Framework by its name. */
export type Space = 'api' | { channel: string };

export function conversationId(space: Space, given: string): ConversationId {
  return stored('conversation', space, given) as ConversationId;
}

export function userId(space: Space, given: string): UserId {
  return stored('user', space, given) as UserId;
}

/** Turns of two spaces never share a conversation, so their ids need no space. */
export function turnId(given: string): TurnId {
  return stored('turn', 'api', given) as TurnId;
}

const CONVERSATION = /^conversation\.[\w-]{43}$/;
const TURN = /^turn\.[\w-]{43}$/;
/** Not a dot at its beginning: no path takes it for a step. */
const CUSTOMER = /^[\w@:+-][\w@:+.-]{0,127}$/;

/** The id of a document that another step of the bot names; null for anything else. */
export function storedConversationId(text: string): ConversationId | null {
  return CONVERSATION.test(text) ? (text as ConversationId) : null;
}

export function storedTurnId(text: string): TurnId | null {
  return TURN.test(text) ? (text as TurnId) : null;
}

/** Null for what can't be a customer of the shop: dot segments and separators among it. */
export function customerId(text: string): CustomerId | null {
  return CUSTOMER.test(text) ? (text as CustomerId) : null;
}

function stored(kind: string, space: Space, given: string): string {
  // As one JSON text: the end of a channel's name can't be taken for the beginning of an id. With its kind: many channels give
  // a conversation its user's id, and then the one must not tell the other.
  return `${kind}.${digest(JSON.stringify([kind, ...(space === 'api' ? [] : [space.channel]), given]))}`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
