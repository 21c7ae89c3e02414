import type { Dialog, Locale } from '../conversation/document.ts';
import { localeOf, say } from './content.ts';
import type { Order, Outside, Question, Skill, SkillAnswer } from './skill.ts';

/**
 * Orders in the shop: status, and cancellation over several turns
 * (which order? → are you sure? → the shop cancels it).
 */
export const orders: Skill = {
  name: 'orders',

  continues({ turn, understanding, dialog }) {
    const scenario = dialog.scenario;
    if (scenario?.step === 'confirm') return ['yes', 'no', 'order_cancel'].includes(understanding?.intent ?? '');
    return scenario !== null && choice(turn.text, (scenario.slots.orders ?? '').split(' ')) !== null;
  },

  async run(question, outside) {
    const { turn, understanding, dialog } = question;
    const { scenario } = dialog;
    if (scenario?.step === 'confirm') return await confirm(question, scenario.slots.order!, outside);
    if (scenario) {
      const number = choice(turn.text, (scenario.slots.orders ?? '').split(' '));
      if (number === null) return await ask(question, scenario.step, outside, 'order_which_again');
      return scenario.step === 'cancel'
        ? await startCancel(question, number, outside)
        : await status(question, number, outside);
    }
    const number = orderNumber(turn.text);
    const step = understanding?.intent === 'order_cancel' ? 'cancel' : 'status';
    if (number === null) return await ask(question, step, outside, step === 'cancel' ? 'cancel_which' : 'status_which');
    return step === 'cancel' ? await startCancel(question, number, outside) : await status(question, number, outside);
  },
};

/** The first order number in a text, as the shop writes it. */
export function orderNumber(text: string): string | null {
  const digits = /(?<![\d-])(?:ord[\s-]?)?#?(\d{5,8})(?!\d)/i.exec(text)?.[1];
  return digits ? `ORD-${digits}` : null;
}

const ORDINALS: [RegExp, number][] = [
  [/^\s*(?:the\s+)?(?:first|1st|1|latest|newest)(?:\s+(?:one|order))?\s*[.!]*$|첫\s*번째|^\s*1번/i, 0],
  [/^\s*(?:the\s+)?(?:second|2nd|2)(?:\s+(?:one|order))?\s*[.!]*$|두\s*번째|^\s*2번/i, 1],
  [/^\s*(?:the\s+)?(?:third|3rd|3)(?:\s+(?:one|order))?\s*[.!]*$|세\s*번째|^\s*3번/i, 2],
];

/** The order that a text picks from a list: by number or by place. */
function choice(text: string, numbers: string[]): string | null {
  const number = orderNumber(text);
  if (number) return number;
  const place = ORDINALS.find(([pattern]) => pattern.test(text))?.[1];
  return place === undefined ? null : (numbers[place] ?? null);
}

async function ask(
  question: Question,
  step: string,
  outside: Outside,
  phrase: 'cancel_which' | 'status_which' | 'order_which_again',
) {
  const { turn, now } = question;
  const locale = localeOf(turn.text, turn.locale);
  const all = await outside.shop.orders(turn.userId);
  const list = step === 'cancel' ? all.filter(cancellable) : all;
  if (list.length === 0) return end(question, say(locale, step === 'cancel' ? 'cancel_none' : 'orders_none'));
  if (list.length === 1 && step === 'status') return await status(question, list[0]!.number, outside);
  const lines = list.map((order, index) => `${index + 1}. ${describe(order, locale)}`);
  const slots = { orders: list.map((order) => order.number).join(' ') };
  return {
    replies: [{ text: [say(locale, phrase), ...lines].join('\n'), suggestions: list.map((order) => order.number) }],
    dialog: { ...question.dialog, scenario: { skill: 'orders', step, slots, updatedAt: now } },
  };
}

async function status(question: Question, number: string, outside: Outside): Promise<SkillAnswer> {
  const locale = localeOf(question.turn.text, question.turn.locale);
  const order = await outside.shop.order(question.turn.userId, number);
  if (!order) return end(question, say(locale, 'order_unknown', { number }));
  return end(
    question,
    say(locale, `status_${order.status}`, {
      number,
      items: items(order, locale),
      date: date(order.deliveryOn, locale),
    }),
    order.status === 'paid' || order.status === 'preparing' ? [say(locale, 'suggest_cancel', { number })] : [],
  );
}

async function startCancel(question: Question, number: string, outside: Outside): Promise<SkillAnswer> {
  const { turn, now } = question;
  const locale = localeOf(turn.text, turn.locale);
  const order = await outside.shop.order(turn.userId, number);
  if (!order) return end(question, say(locale, 'order_unknown', { number }));
  if (order.status !== 'paid' && order.status !== 'preparing')
    return end(question, say(locale, `cancel_${order.status}`, { number }));
  return {
    replies: [
      {
        text: say(locale, 'cancel_confirm', { number, items: items(order, locale), total: won(order.total, locale) }),
        suggestions: [say(locale, 'yes'), say(locale, 'no')],
      },
    ],
    dialog: {
      ...question.dialog,
      misses: 0,
      scenario: { skill: 'orders', step: 'confirm', slots: { order: number }, updatedAt: now },
    },
  };
}

async function confirm(question: Question, number: string, outside: Outside): Promise<SkillAnswer> {
  const { turn, understanding, conversationId } = question;
  const locale = localeOf(turn.text, turn.locale);
  if (understanding?.intent === 'no') return end(question, say(locale, 'cancel_kept', { number }));
  const other = understanding?.intent === 'order_cancel' ? orderNumber(turn.text) : null;
  if (other && other !== number) return await startCancel(question, other, outside);
  if (understanding?.intent !== 'yes')
    return {
      replies: [
        { text: say(locale, 'cancel_confirm_again', { number }), suggestions: [say(locale, 'yes'), say(locale, 'no')] },
      ],
      dialog: question.dialog,
    };
  // The key makes a second run of this turn the same cancellation, not another one.
  const done = await outside.shop.cancelOrder(turn.userId, number, `${conversationId}/${turn.id}`);
  return end(question, say(locale, done ? 'cancel_done' : 'cancel_shipped', { number }));
}

function end({ dialog }: Question, text: string, suggestions: string[] = []): SkillAnswer {
  const ended: Dialog = { ...dialog, scenario: null, misses: 0 };
  return { replies: [{ text, ...(suggestions.length > 0 ? { suggestions } : {}) }], dialog: ended };
}

function cancellable(order: Order): boolean {
  return order.status === 'paid' || order.status === 'preparing';
}

function describe(order: Order, locale: Locale): string {
  return `${order.number}: ${items(order, locale)}, ${won(order.total, locale)} (${say(locale, `state_${order.status}`)})`;
}

function items(order: Order, locale: Locale): string {
  return order.items
    .map(({ name, quantity }) => (quantity > 1 ? `${name[locale]} × ${quantity}` : name[locale]))
    .join(', ');
}

export function won(amount: number, locale: Locale): string {
  return locale === 'ko' ? `${amount.toLocaleString('ko-KR')}원` : `₩${amount.toLocaleString('en-US')}`;
}

function date(iso: string, locale: Locale): string {
  return new Intl.DateTimeFormat(locale === 'ko' ? 'ko-KR' : 'en-US', {
    month: 'long',
    day: 'numeric',
    timeZone: 'Asia/Seoul',
  }).format(new Date(iso));
}
