import { actionsOf } from '../../../functions/bot/index.ts';
import type { Order, Shop } from '../../../functions/bot/shop.ts';
import {
  type Dialog,
  emptyDialog,
  type Locale,
  type Reply,
  type Understanding,
} from '../../../functions/conversation/document.ts';
import { conversationId, customerId, turnId, userId } from '../../../functions/conversation/identifier.ts';
import { type Bot, NONE } from '../../../functions/dialog/bot.ts';
import { answerBy, choose } from '../../../functions/skills/choose.ts';
import type { Act, ActionRequest, Outside, Question } from '../../../functions/skills/skill.ts';
import { bot as retailer } from '../../bot.ts';

/** Somebody who talks to a bot; what a message means is said with it. */
export class Talk {
  bot: Bot;
  dialog: Dialog = emptyDialog;
  now = Date.parse('2026-11-27T03:00:00Z');
  /** When the next turns were taken; 0: long enough after what they answer. */
  acceptedAt = 0;
  /** What was asked of the service desk. */
  readonly tickets: string[] = [];
  /** What was done that has an effect, with what was collected. */
  readonly done: string[] = [];
  readonly #acts: Readonly<Record<string, Act>>;
  #last: Reply[] = [];
  #turns = 0;
  #locale: Locale;

  constructor(bot: Bot, acts: Readonly<Record<string, Act>>) {
    this.bot = bot;
    this.#acts = acts;
    this.#locale = bot.languages.first;
  }

  async say(text: string, intent = NONE, given?: Locale) {
    return await this.hear(text, { intent, score: 0.9, top: [], model: { name: 'm', version: '1' } }, given);
  }

  /** A message that was understood so. */
  async hear(text: string, understanding: Understanding, given?: Locale) {
    const locale = given ?? this.bot.languages.of(text, this.#locale);
    this.#locale = locale;
    this.#turns += 1;
    this.now += 1_000;
    const question: Question = {
      bot: this.bot,
      conversationId: conversationId('api', 'c'),
      turn: {
        id: turnId(`t${this.#turns}`),
        givenId: `t${this.#turns}`,
        userId: userId('api', 'u'),
        customerId: customerId('demo'),
        text,
        attachments: [],
        locale,
        fingerprint: '',
        traceparent: '',
        acceptedAt: this.acceptedAt,
        attempts: 0,
        retryAt: 0,
      },
      understanding,
      dialog: this.dialog,
      speaker: { kind: 'bot' },
      callback: null,
      history: [],
      last: this.#last,
      now: this.now,
    };
    const { skill, dialog } = choose(question);
    const { replies, dialog: after } = await answerBy(skill, { ...question, dialog }, this.#outside());
    // What is kept of it is JSON.
    this.dialog = JSON.parse(JSON.stringify(after));
    this.#last = replies;
    return { skill: skill.name, replies, text: replies.map((reply) => reply.text).join('\n') };
  }

  /** The turn before comes again, as after a crash. */
  again(): void {
    this.#turns -= 1;
  }

  #outside(): Outside {
    return {
      act: async (bot: Bot, action: string, request: ActionRequest) => {
        const result = await this.#acts[action]!(request);
        if (bot.content.actions[action]!.effect !== 'none')
          this.done.push([action, ...Object.values(request.slots)].join(' '));
        return result;
      },
      queue: null,
      hub: null,
      desk: {
        openTicket: async ({ text }: { text: string }) => {
          this.tickets.push(text);
          return 'T-1';
        },
        addToTicket: async (_ticket: string, text: string) => void this.tickets.push(text),
        closeTicket: async () => {},
      },
    } as unknown as Outside;
  }
}

/** A customer of the shop, with three orders. */
export class Shopper extends Talk {
  readonly orders: Order[];
  readonly cancelled: string[];

  constructor(bot = retailer) {
    const orders = [
      order('ORD-10021', 'preparing', 'Running shoes', '러닝화'),
      order('ORD-10022', 'paid', 'Rice cooker', '전기밥솥'),
      order('ORD-10023', 'shipped', 'Winter jacket', '겨울 재킷'),
    ];
    const cancelled: string[] = [];
    super(bot, actionsOf(shopOf(orders, cancelled)));
    this.orders = orders;
    this.cancelled = cancelled;
  }
}

function shopOf(orders: Order[], cancelled: string[]): Shop {
  const find = (number: string) => orders.find((one) => one.number === number) ?? null;
  return {
    orders: async () => orders,
    order: async (_customer, number) => find(number),
    cancelOrder: async (_customer, number) => {
      cancelled.push(number);
      find(number)!.status = 'cancelled';
      return true;
    },
    searchProducts: async () => [],
  };
}

function order(number: string, status: Order['status'], en: string, ko: string): Order {
  const items = [{ name: { en, ko }, quantity: 1 }];
  return { number, status, items, total: 10_000, orderedOn: '2026-11-26', deliveryOn: '2026-11-29' };
}
