import type { Dialog, Locale } from '../conversation/document.ts';
import type { CustomerId } from '../conversation/identifier.ts';
import type { Option } from '../dialog/choice.ts';
import { cancelAnswers, chooser, say, shortAnswers } from './content.ts';
import type { Order, Outside, Question, Skill, SkillAnswer } from './skill.ts';

/**
 * Orders in the shop: status, and cancellation over several turns
 * (which order? → are you sure? → the shop cancels it).
 */
export const orders: Skill = {
  name: 'orders',

  continues({ turn, understanding, dialog: { scenario } }) {
    if (!scenario) return false;
    const shown = optionsOf(scenario);
    if (scenario.step !== 'confirm')
      return shortAnswers.read(turn.text) === 'again' || chooser.choose(turn.text, shown, { asked: true }) !== null;
    if (cancelAnswers.read(turn.text) !== null) return true;
    if (chooser.choose(turn.text, shown, { present: scenario.slots.order! }) !== null) return true;
    // It sounds like an answer, and says none clearly: it is asked again.
    return ['yes', 'no', 'order_cancel'].includes(understanding?.intent ?? '');
  },

  resume({ turn: { locale }, dialog: { scenario } }) {
    if (!scenario) return null;
    if (scenario.step === 'confirm')
      return {
        text: say(locale, 'cancel_back', { number: scenario.slots.order! }),
        suggestions: [say(locale, 'cancel_yes'), say(locale, 'cancel_no')],
      };
    return { text: say(locale, 'order_back'), suggestions: optionsOf(scenario).map(({ value }) => value) };
  },

  async run(question, outside) {
    const { turn, understanding, dialog } = question;
    if (turn.customerId === null) return end(question, say(turn.locale, 'sign_in'));
    const all = await outside.shop.orders(turn.customerId);
    const asked: Asked = { question, customer: turn.customerId, all, outside };
    const { scenario } = dialog;
    if (scenario?.step === 'confirm') return await confirm(asked, scenario);
    if (scenario) return await chosen(asked, scenario);
    const step = understanding?.intent === 'order_cancel' ? 'cancel' : 'status';
    const choice = chooser.choose(turn.text, all.map(optionOf));
    if (choice?.kind === 'one') return await take(asked, step, choice.value);
    // A number as the shop writes it is an order's; any other may be a price, a date or a postcode.
    const number = named(turn.text);
    if (number) return await take(asked, step, number);
    return await ask(asked, step, step === 'cancel' ? 'cancel_which' : 'status_which');
  },
};

/** What a step has at hand. */
interface Asked {
  question: Question;
  customer: CustomerId;
  /** Every order of the customer. */
  all: Order[];
  outside: Outside;
}

type Scenario = NonNullable<Dialog['scenario']>;

/** Orders that are offered at once, and that may be chosen by place. */
const LISTED = 5;
/** Answers in a row that are not clear, before the scenario ends and a person is offered. */
const TRIES = 3;

/** An order's number where a text has it with the shop's prefix, however that was typed. */
export function named(text: string): string | null {
  const [, digits] = NUMBER.exec(text.normalize('NFKC')) ?? [];
  return digits === undefined ? null : `ORD-${digits}`;
}

const NUMBER = /(?<![a-z])ord[\s\p{Pd}]{0,3}(\d{5,8})(?!\d)/iu;

function optionOf({ number, items }: Order): Option {
  return { value: number, names: items.flatMap(({ name }) => Object.values(name)) };
}

/** What was listed, as the scenario keeps it. */
function optionsOf({ slots }: Scenario): Option[] {
  return slots.options === undefined ? [] : (JSON.parse(slots.options) as Option[]);
}

/** How often it was asked in vain, with this time. */
function triesOf({ slots }: Scenario): number {
  return Number(slots.tries ?? 0) + 1;
}

/** The answer to which order is meant. */
async function chosen(asked: Asked, scenario: Scenario): Promise<SkillAnswer> {
  const { question, all } = asked;
  const { text, locale } = question.turn;
  const step = scenario.step === 'cancel' ? 'cancel' : 'status';
  const choice = chooser.choose(text, optionsOf(scenario), { asked: true });
  if (choice?.kind === 'one') return await take(asked, step, choice.value);
  // It may be one that was not listed.
  const other = chooser.choose(text, all.map(optionOf));
  if (other?.kind === 'one') return await take(asked, step, other.value);
  const tries = triesOf(scenario);
  if (tries >= TRIES) return end(question, say(locale, 'order_given_up'), [say(locale, 'ask_person')]);
  const phrase = choice?.kind === 'unclear' || other ? 'order_several' : 'order_which_again';
  const again = await ask(asked, step, phrase, tries);
  if (choice?.kind !== 'unknown') return again;
  const unknown = { text: say(locale, 'order_unknown', { number: choice.number }) };
  return { ...again, replies: [unknown, ...again.replies] };
}

async function ask(
  { question, all }: Asked,
  step: 'cancel' | 'status',
  phrase: 'cancel_which' | 'status_which' | 'order_which_again' | 'order_several',
  tries = 0,
): Promise<SkillAnswer> {
  const { turn, now } = question;
  const { locale } = turn;
  const list = (step === 'cancel' ? all.filter(cancellable) : all).slice(0, LISTED);
  if (list.length === 0) return end(question, say(locale, step === 'cancel' ? 'cancel_none' : 'orders_none'));
  if (list.length === 1 && step === 'status') return status(question, list[0]!);
  const lines = list.map((order, index) => `${index + 1}. ${describe(order, locale)}`);
  const slots = { options: JSON.stringify(list.map(optionOf)), tries: String(tries) };
  return {
    replies: [{ text: [say(locale, phrase), ...lines].join('\n'), suggestions: list.map((order) => order.number) }],
    dialog: { ...question.dialog, scenario: { skill: 'orders', step, slots, updatedAt: now } },
  };
}

/** Goes on with an order that was named. */
async function take(asked: Asked, step: 'cancel' | 'status', number: string): Promise<SkillAnswer> {
  const { question, customer, outside } = asked;
  const order = await outside.shop.order(customer, number);
  if (!order) return end(question, say(question.turn.locale, 'order_unknown', { number }));
  return step === 'status' ? status(question, order) : shown(asked, order);
}

function status(question: Question, order: Order): SkillAnswer {
  const { locale } = question.turn;
  const { number } = order;
  return end(
    question,
    say(locale, `status_${order.status}`, {
      number,
      items: items(order, locale),
      date: date(order.deliveryOn, locale),
    }),
    cancellable(order) ? [say(locale, 'suggest_cancel', { number })] : [],
  );
}

/** Shows what would be cancelled, and asks whether it shall be. */
function shown({ question, all }: Asked, order: Order): SkillAnswer {
  const { turn, now } = question;
  const { locale } = turn;
  const { number } = order;
  if (!cancellable(order)) return end(question, say(locale, `cancel_${order.status as 'shipped'}`, { number }));
  const slots = {
    order: number,
    shown: fingerprint(order),
    options: JSON.stringify(all.slice(0, LISTED).map(optionOf)),
  };
  return {
    replies: [
      {
        text: say(locale, 'cancel_confirm', { number, items: items(order, locale), total: won(order.total, locale) }),
        suggestions: [say(locale, 'cancel_yes'), say(locale, 'cancel_no')],
      },
    ],
    dialog: { ...question.dialog, misses: 0, scenario: { skill: 'orders', step: 'confirm', slots, updatedAt: now } },
  };
}

/** What a confirmation shows of an order. */
function fingerprint({ number, items, total }: Order): string {
  return JSON.stringify([number, total, items.map(({ name, quantity }) => [name.en, quantity])]);
}

/** The answer to whether an order shall be cancelled: only a clear yes to what was shown last cancels it. */
async function confirm(asked: Asked, scenario: Scenario): Promise<SkillAnswer> {
  const { question, customer, all, outside } = asked;
  const { turn, conversationId } = question;
  const { locale } = turn;
  const number = scenario.slots.order!;
  const answer = cancelAnswers.read(turn.text);
  if (answer === 'no') return end(question, say(locale, 'cancel_kept', { number }));
  if (answer !== 'yes') {
    const choice = chooser.choose(turn.text, all.map(optionOf), { present: number });
    if (choice?.kind === 'one' && choice.value !== number) return await take(asked, 'cancel', choice.value);
    return again(question, scenario, number);
  }
  const order = await outside.shop.order(customer, number);
  if (!order) return end(question, say(locale, 'order_unknown', { number }));
  // It is another by now, or nothing was shown: what is done is what was confirmed.
  if (fingerprint(order) !== scenario.slots.shown || !cancellable(order)) return shown(asked, order);
  // The key makes a second run of this turn the same cancellation, not another one.
  const done = await outside.shop.cancelOrder(customer, number, `${conversationId}/${turn.id}`);
  return end(question, say(locale, done ? 'cancel_done' : 'cancel_shipped', { number }));
}

/** What is not clear is asked again, and in the end left as it is. */
function again(question: Question, scenario: Scenario, number: string): SkillAnswer {
  const { turn, dialog, now } = question;
  const { locale } = turn;
  const tries = triesOf(scenario);
  if (tries >= TRIES) return end(question, say(locale, 'cancel_given_up', { number }), [say(locale, 'ask_person')]);
  const text = say(locale, 'cancel_confirm_again', { number });
  const suggestions = [say(locale, 'cancel_yes'), say(locale, 'cancel_no')];
  const next = { ...scenario, slots: { ...scenario.slots, tries: String(tries) }, updatedAt: now };
  return { replies: [{ text, suggestions }], dialog: { ...dialog, scenario: next, misses: 0 } };
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
