import { type Dialog, emptyDialog, type Locale, type Reply } from '../../../functions/conversation/document.ts';
import { conversationId, customerId, turnId, userId } from '../../../functions/conversation/identifier.ts';
import { localeOf } from '../../../functions/conversation/locale.ts';
import { answerBy, choose } from '../../../functions/skills/choose.ts';
import { NONE } from '../../../functions/skills/content.ts';
import type { Order, Outside } from '../../../functions/skills/skill.ts';

/** A customer of the shop who talks to the bot; what each message means beside orders is said with it. */
export class Talk {
  readonly orders: Order[] = [
    order('ORD-10021', 'preparing', 'Running shoes', '러닝화'),
    order('ORD-10022', 'paid', 'Rice cooker', '전기밥솥'),
    order('ORD-10023', 'shipped', 'Winter jacket', '겨울 재킷'),
  ];
  readonly cancelled: string[] = [];
  dialog: Dialog = emptyDialog;
  now = 1_000;
  #turns = 0;
  #locale: Locale = 'en';

  async say(text: string, intent = NONE, given?: Locale) {
    const locale = given ?? localeOf(text, this.#locale);
    this.#locale = locale;
    this.#turns += 1;
    this.now += 1_000;
    const question = {
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
        acceptedAt: 0,
        attempts: 0,
        retryAt: 0,
      },
      understanding: { intent, score: 0.9, top: [], model: { name: 'm', version: '1' } },
      dialog: this.dialog,
      now: this.now,
    };
    const { skill, dialog } = choose(question);
    const answer = await answerBy(skill, { ...question, dialog }, this.#outside());
    this.dialog = answer.dialog;
    return {
      skill: skill.name,
      replies: answer.replies,
      text: answer.replies.map((reply: Reply) => reply.text).join('\n'),
    };
  }

  #outside(): Outside {
    const find = (number: string) => this.orders.find((one) => one.number === number) ?? null;
    return {
      shop: {
        orders: async () => this.orders,
        order: async (_customer: unknown, number: string) => find(number),
        cancelOrder: async (_customer: unknown, number: string) => {
          this.cancelled.push(number);
          find(number)!.status = 'cancelled';
          return true;
        },
        searchProducts: async () => [],
        openTicket: async () => 'T-1',
      },
    } as unknown as Outside;
  }
}

function order(number: string, status: Order['status'], en: string, ko: string): Order {
  const items = [{ name: { en, ko }, quantity: 1 }];
  return { number, status, items, total: 10_000, orderedOn: '2026-11-26', deliveryOn: '2026-11-29' };
}
