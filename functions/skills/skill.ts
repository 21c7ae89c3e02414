import type { Dialog, Reply, Turn, Understanding } from '../conversation/document.ts';
import type { ConversationId, CustomerId } from '../conversation/identifier.ts';

/** What a skill is asked: one turn, what it means, and where the dialog stands. */
export interface Question {
  conversationId: ConversationId;
  turn: Turn;
  /** Null for a turn that is not understood by its text (an image). */
  understanding: Understanding | null;
  dialog: Dialog;
  now: number;
}

/** The replies, and where the dialog stands after them. */
export interface SkillAnswer {
  replies: Reply[];
  dialog: Dialog;
}

/** What skills may do to the world outside; each call has its own timeout and retries, and throws Unavailable or Rejected. */
export interface Outside {
  shop: {
    orders(customer: CustomerId): Promise<Order[]>;
    /** Null: there is no such order of this customer. */
    order(customer: CustomerId, number: string): Promise<Order | null>;
    /** Repeatable with the same key. False: it can't be cancelled any more. */
    cancelOrder(customer: CustomerId, number: string, key: string): Promise<boolean>;
    searchProducts(text: string, locale: string): Promise<Product[]>;
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
    ): Promise<{ name: string; contentType: string; bytes: number; url: string }>;
  };
}

export interface Order {
  number: string;
  status: 'paid' | 'preparing' | 'shipped' | 'delivered' | 'cancelled';
  items: { name: { en: string; ko: string }; quantity: number }[];
  /** Won. */
  total: number;
  /** ISO dates. */
  orderedOn: string;
  deliveryOn: string;
}

export interface Product {
  id: string;
  name: { en: string; ko: string };
  /** Won. */
  price: number;
  stock: number;
  image: string;
}

/**
 * One thing the bot can do. A skill with `inline` answers within the step that understood the turn, without acting on
 * anything outside; every other one gets a queue and a function of its own (`skill-<name>`) and may run twice: it gives
 * its outside calls a key made of the turn.
 */
export interface Skill {
  name: string;
  inline?: boolean;
  /** Says whether a turn continues the skill's scenario in progress, whatever else it might mean. */
  continues?(question: Question): boolean;
  /** What brings a user back to the scenario in progress, after something else was answered. */
  resume?(question: Question): Reply | null;
  run(question: Question, outside: Outside): Promise<SkillAnswer> | SkillAnswer;
}
