import type { Dialog, Locale } from '../conversation/document.ts';
import type { CustomerId } from '../conversation/identifier.ts';
import { say } from './content.ts';
import type { Order, Outside, Question, Skill, SkillAnswer } from './skill.ts';

/**
 * Orders in the shop: status, and cancellation over several turns
 * (which order? → are you sure? → the shop cancels it).
 */
export const orders: Skill = {
  name: 'orders',

  continues({ turn, understanding, dialog }) {
    const scenario = dialog.scenario;
    if (scenario?.step === 'confirm')
      return consent(turn.text, understanding) !== null || understanding?.intent === 'order_cancel';
    return scenario !== null && choice(turn.text, (scenario.slots.orders ?? '').split(' ')) !== null;
  },

  async run(question, outside) {
    const { turn, understanding, dialog } = question;
    if (turn.customerId === null) return end(question, say(turn.locale, 'sign_in'));
    const customer = turn.customerId;
    const { scenario } = dialog;
    if (scenario?.step === 'confirm') return await confirm(question, customer, scenario.slots.order!, outside);
    if (scenario) {
      const number = choice(turn.text, (scenario.slots.orders ?? '').split(' '));
      if (number === null) return await ask(question, customer, scenario.step, outside, 'order_which_again');
      return scenario.step === 'cancel'
        ? await startCancel(question, customer, number, outside)
        : await status(question, customer, number, outside);
    }
    const number = orderNumber(turn.text);
    const step = understanding?.intent === 'order_cancel' ? 'cancel' : 'status';
    if (number === null)
      return await ask(question, customer, step, outside, step === 'cancel' ? 'cancel_which' : 'status_which');
    return step === 'cancel'
      ? await startCancel(question, customer, number, outside)
      : await status(question, customer, number, outside);
  },
};

/**
 * The order number in a text, as the shop writes it: with its prefix, after a word for "order", or alone. Other digits
 * are prices, dates and postcodes.
 */
export function orderNumber(text: string): string | null {
  const [, prefixed, alone] = NUMBER.exec(text) ?? [];
  const digits = prefixed ?? alone;
  return digits ? `ORD-${digits}` : null;
}

const NUMBER =
  /(?:\bord[\s-]?|#|\border\s+(?:number\s+|no\.?\s+)?|주문\s*(?:(?:번호(?:는|은)?|는|은)\s*)?)(\d{5,8})(?!\d)|^\s*(\d{5,8})\s*(?:번\D*|(?:(?:please|plz|요|이요)\s*)?[.!]*)$/i;

/** Orders that are offered at once. */
const LISTED = 5;

const PLACES = [
  /^(?:the\s+)?(?:first|1st|1|latest|newest)(?:\s+(?:one|order))?$|^(?:첫\s*번째|1번)(?!.*말고)/i,
  /^(?:the\s+)?(?:second|2nd|2)(?:\s+(?:one|order))?$|^(?:두\s*번째|2번)(?!.*말고)/i,
  /^(?:the\s+)?(?:third|3rd|3)(?:\s+(?:one|order))?$|^(?:세\s*번째|3번)(?!.*말고)/i,
  /^(?:the\s+)?(?:fourth|4th|4)(?:\s+(?:one|order))?$|^(?:네\s*번째|4번)(?!.*말고)/i,
  /^(?:the\s+)?(?:fifth|5th|5|last)(?:\s+(?:one|order))?$|^(?:다섯\s*번째|5번)(?!.*말고)/i,
];

/** The order that a short text picks from a list: by number or by place. */
function choice(text: string, numbers: string[]): string | null {
  const number = orderNumber(text);
  if (number) return number;
  const said = text.trim().replace(/(?<![.!?~])[.!?~]+$/, '');
  if (said.length > 20) return null;
  const place = PLACES.findIndex((pattern) => pattern.test(said));
  return place < 0 ? null : (numbers[place] ?? null);
}

const ASSENT = /^(?:y|yes|yep|yeah|ok|okay|sure|네|넵|예|응|어|그래|ㅇㅇ|ㅇㅋ|좋아)(?![\p{L}\p{N}])/iu;
const DENIAL = /^(?:n|no|nope|nah|아니|아뇨|아니요|아니오|ㄴㄴ|싫어)(?![\p{L}\p{N}])/iu;
const NEGATION =
  /\b(?:not|don'?t|do not|never|stop|wait|keep)\b|하지\s*마|지\s*말|말고|안\s*(?:할|해|취)|취소\s*안|그대로/i;

/** How sure the model must be of a bare yes before anything is cancelled. */
const SURE = 0.8;

/** Yes, no, or neither. A cancellation can't be taken back: what is not clear is asked again. */
export function consent(text: string, understanding: Question['understanding']): 'yes' | 'no' | null {
  const said = text.trim();
  if (DENIAL.test(said)) return 'no';
  if (NEGATION.test(said)) return understanding?.intent === 'no' ? 'no' : null;
  if (ASSENT.test(said)) return 'yes';
  if (!understanding || understanding.score < SURE) return null;
  // The model hears small talk in signs and single words: only words count as an answer.
  const words = /\p{L}{2,}/u.test(said);
  return words &&
    (understanding.intent === 'yes' || understanding.intent === 'no') &&
    said.split(/\s+/).length <= 6 &&
    !/\bwhy\b|왜/i.test(said)
    ? understanding.intent
    : null;
}

async function ask(
  question: Question,
  customer: CustomerId,
  step: string,
  outside: Outside,
  phrase: 'cancel_which' | 'status_which' | 'order_which_again',
) {
  const { turn, now } = question;
  const { locale } = turn;
  const all = await outside.shop.orders(customer);
  const list = (step === 'cancel' ? all.filter(cancellable) : all).slice(0, LISTED);
  if (list.length === 0) return end(question, say(locale, step === 'cancel' ? 'cancel_none' : 'orders_none'));
  if (list.length === 1 && step === 'status') return await status(question, customer, list[0]!.number, outside);
  const lines = list.map((order, index) => `${index + 1}. ${describe(order, locale)}`);
  const slots = { orders: list.map((order) => order.number).join(' ') };
  return {
    replies: [{ text: [say(locale, phrase), ...lines].join('\n'), suggestions: list.map((order) => order.number) }],
    dialog: { ...question.dialog, scenario: { skill: 'orders', step, slots, updatedAt: now } },
  };
}

async function status(
  question: Question,
  customer: CustomerId,
  number: string,
  outside: Outside,
): Promise<SkillAnswer> {
  const { locale } = question.turn;
  const order = await outside.shop.order(customer, number);
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

async function startCancel(
  question: Question,
  customer: CustomerId,
  number: string,
  outside: Outside,
): Promise<SkillAnswer> {
  const { turn, now } = question;
  const { locale } = turn;
  const order = await outside.shop.order(customer, number);
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

async function confirm(
  question: Question,
  customer: CustomerId,
  number: string,
  outside: Outside,
): Promise<SkillAnswer> {
  const { turn, understanding, conversationId } = question;
  const { locale } = turn;
  const other = orderNumber(turn.text);
  if (other && other !== number) return await startCancel(question, customer, other, outside);
  const answer = consent(turn.text, understanding);
  if (answer === 'no') return end(question, say(locale, 'cancel_kept', { number }));
  if (answer === null) {
    const text = say(locale, 'cancel_confirm_again', { number });
    return { replies: [{ text, suggestions: [say(locale, 'yes'), say(locale, 'no')] }], dialog: question.dialog };
  }
  // The key makes a second run of this turn the same cancellation, not another one.
  const done = await outside.shop.cancelOrder(customer, number, `${conversationId}/${turn.id}`);
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
