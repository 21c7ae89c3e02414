import { createHash } from 'node:crypto';
import type { Card, Locale, Reply } from '../conversation/document.ts';
import type { FlowState, Option, Slot, Value, Values } from '../conversation/flow.ts';
import { type Bot, type Intent, NONE, utteranceKey } from './bot.ts';
import { type Entity, type Found, find, itemsOf, type Reading } from './entity.ts';
import { type Collect, type Confirm, type Flow, type Say, stepAt, stepId } from './flow.ts';
import { readMessage } from './message.ts';
import type { ShortAnswer } from './short-answer.ts';
import type { ActionResult } from './value.ts';

/**
 * Goes through flows. Pure: an action that must run is yielded, and its result is given back; so a turn that runs twice goes the
 * same way. An answer goes through its flow anew from the first step, with what was collected and confirmed: every look is taken
 * again, so that **what is done is what was confirmed last**. A question is passed only where what it would show is what was
 * confirmed; where it is anything else, it is shown again.
 */

/** What was said in a turn, and by whom. */
export interface Heard {
  text: string;
  locale: Locale;
  /** The intent as far as it is known; null: not understood. */
  intent: string | null;
  /** Of the intent, 0–1. */
  score: number;
  /** It says what is not wanted. */
  denies: boolean;
  signedIn: boolean;
  /** When it was taken. */
  acceptedAt: number;
  now: number;
}

/** An action that must run, with what was collected. */
interface ActionCall {
  action: string;
  slots: Record<string, string>;
  text: string;
  locale: Locale;
}

/** Where a flow stands after a turn. `flow` null: it is over. `handover`: a person is to be called, and told why. */
interface Outcome {
  replies: Reply[];
  flow: FlowState | null;
  handover: { phrase: string } | null;
}

export type Play = Generator<ActionCall, Outcome, ActionResult>;

/** Begins a flow, with what its first message says already. */
export function begin(bot: Bot, name: string, heard: Heard): Play {
  const state: FlowState = {
    flow: name,
    step: stepId(flowOf(bot, name).steps, 0),
    slots: {},
    options: {},
    values: {},
    tries: 0,
    shown: null,
    confirmed: {},
    declined: {},
    askedAt: heard.now,
    updatedAt: heard.now,
  };
  return new Run(bot, state, heard).begin();
}

/** Goes on with a flow that waited for this turn. */
export function proceed(bot: Bot, state: FlowState, heard: Heard): Play {
  return new Run(bot, state, heard).proceed();
}

/** Whether a flow as it was left is still one of the bot's. */
export function stands(bot: Bot, { flow, step, slots }: FlowState): boolean {
  const known = bot.content.flows[flow];
  return known !== undefined && stepAt(known.steps, step) >= 0 && Object.keys(slots).every((slot) => known.slots[slot]);
}

/** Whether what waits is a confirmation. */
export function confirms(bot: Bot, { flow, step }: FlowState): boolean {
  const { steps } = flowOf(bot, flow);
  const waiting = steps[stepAt(steps, step)];
  return waiting !== undefined && 'confirm' in waiting;
}

/** What a message is to a flow that waits: an answer, or said beside it. */
export function answers(bot: Bot, state: FlowState, heard: Heard): boolean {
  return new Run(bot, state, heard).isAnswered();
}

/** What brings a user back to a flow, after something else was answered. */
export function comeBack(bot: Bot, state: FlowState, heard: Heard): Reply {
  return new Run(bot, state, heard).comeBack();
}

function flowOf(bot: Bot, name: string): Flow {
  const flow = bot.content.flows[name];
  if (!flow) throw new Error(`there is no flow "${name}"`);
  return flow;
}

/** Slots that a message fills or changes, and what it says of the one that was asked for. */
interface Heed {
  changed: Record<string, Slot>;
  asked: Found | null;
}

/** How likely another wish must be to be answered beside a flow, and how much must be said. */
export const ASIDE = 0.7;
const FEW_WORDS = 2;
const FEW_LETTERS = 12;
/** Words that say little: "the", "for". */
const SHORT_WORD = 3;
/** Characters of a flow's state. */
const STATE = 60_000;
/** What is said as a whole: nothing else is in it. */
const WHOLE = new Set(['text', 'phone', 'email', 'pattern']);

/** Kinds of entities that the same words may be. */
function likeness(kind: Entity['kind']): string {
  return kind === 'money' ? 'number' : kind;
}

class Run {
  readonly #bot: Bot;
  readonly #flow: Flow;
  readonly #heard: Heard;
  #state: FlowState;
  /** What was said so far. */
  #replies: Reply[] = [];
  /** The question that was passed last by what was confirmed, if nothing has changed since. */
  #agreed = false;
  /** The options of the last action. */
  #given: Option[] = [];
  /** The steps that were gone to: what is shown depends on them. */
  readonly #path: string[] = [];

  constructor(bot: Bot, state: FlowState, heard: Heard) {
    this.#bot = bot;
    this.#flow = flowOf(bot, state.flow);
    this.#state = state;
    this.#heard = heard;
  }

  *begin(): Play {
    const { signed_in } = this.#flow;
    if (signed_in !== undefined && !this.#heard.signedIn) {
      this.#say(signed_in);
      return this.#end();
    }
    // What is said in the first message need not be asked for.
    this.#take(this.#heed(false).changed);
    return yield* this.#play();
  }

  *proceed(): Play {
    const step = this.#step();
    if (this.#flow.signed_in !== undefined && !this.#heard.signedIn) {
      this.#say(this.#flow.signed_in);
      return this.#end();
    }
    if (step && 'confirm' in step) return yield* this.#confirm(step);
    if (step && 'collect' in step) return yield* this.#collect(step);
    return yield* this.#play();
  }

  isAnswered(): boolean {
    const step = this.#step();
    const own = this.#bot.intents.get(this.#heard.intent ?? '');
    if (!step) return false;
    const heed = this.#heed();
    if (this.#isAside(own, heed)) return false;
    const speaksOfSlots = heed.asked !== null || Object.keys(heed.changed).length > 0;
    if ('collect' in step) {
      const answer = this.#answer();
      if (answer === null || speaksOfSlots) return speaksOfSlots;
      return answer === 'again' || (step.optional && (answer === 'skip' || answer === 'no'));
    }
    if (!('confirm' in step)) return false;
    if (this.#answer(step) !== null || speaksOfSlots) return true;
    // It sounds like an answer and says none clearly: it is asked again.
    return own !== undefined && own.flow === this.#state.flow;
  }

  /**
   * Another wish than the flow's own, whatever day or thing it names by the way. Where little more is said than that, it is an
   * answer; so is what is only likely another wish.
   */
  #isAside(own: Intent | undefined, { changed }: Heed): boolean {
    if (!own || own.name === NONE || own.is !== undefined || own.flow === this.#state.flow) return false;
    const { text, score } = this.#heard;
    if (this.#bot.tapped(text) === own.name) return true;
    if (score < ASIDE) return false;
    if (own.handover !== undefined) return true;
    const named = Object.entries(changed).flatMap(([slot, { value, label }]) => {
      // A note would name all of it.
      if (this.#entityOf(slot).kind === 'text') return [];
      const names = this.#optionsOf(slot).find((option) => option.value === value)?.names ?? [];
      const labels = this.#bot.languages.all.map(({ tag }) => this.#bot.write(tag, label));
      return [...names, ...labels].flatMap((one) => readMessage(one).words);
    });
    const { words } = readMessage(text);
    const rest = words.filter((word) => {
      if (/^\d/.test(word)) return false;
      if (/^[a-z]/.test(word))
        return word.length > SHORT_WORD && !named.includes(word) && !named.includes(word.replace(/s$/, ''));
      return !named.some((name) => word.startsWith(name));
    });
    // Where words do not stand apart, by what is left without the names.
    const letters = rest.map((word) => named.reduce((left, name) => left.replace(name, ''), word)).join('').length;
    return rest.length >= FEW_WORDS || letters > FEW_LETTERS;
  }

  comeBack(): Reply {
    const step = this.#step();
    const { locale } = this.#heard;
    if (step && 'confirm' in step) return this.#bot.reply(locale, step.back, this.#values(), this.#buttons(step));
    if (!step || !('collect' in step)) return this.#bot.reply(locale, 'flow_back', { ...this.#values(), question: '' });
    const question = this.#bot.say(locale, step.ask, this.#values());
    return this.#bot.reply(locale, step.back, { ...this.#values(), question }, this.#choices(step));
  }

  /** The answer to a question whether something shall be done. */
  *#confirm(step: Confirm & { id?: string | undefined }): Play {
    const answer = this.#answer(step);
    const { locale, acceptedAt } = this.#heard;
    const { shown, step: id, askedAt } = this.#state;
    // Written before the question was there: the second tap, or what was meant for another.
    const early = acceptedAt > 0 && acceptedAt <= askedAt;
    if ((answer === 'yes' || answer === 'no') && shown !== null && !early) {
      // The last answer is the only one: an older yes must not agree to what is looked up and comes back after a no.
      const { [id]: _yes, ...confirmed } = this.#state.confirmed;
      const { [id]: _no, ...declined } = this.#state.declined;
      if (answer === 'yes') confirmed[id] = shown;
      else declined[id] = shown;
      this.#state = { ...this.#state, confirmed, declined };
      return yield* this.#play();
    }
    const { changed, asked } = this.#heed();
    // Another is meant: that one is shown.
    if (answer === null && this.#take(changed)) return yield* this.#play();
    const tries = this.#state.tries + (answer === null ? 1 : 0);
    if (tries >= step.tries) {
      this.#say(step.given_up, [this.#bot.say(locale, 'ask_person')]);
      return this.#end();
    }
    if (asked?.kind === 'outside' || asked?.kind === 'unknown')
      this.#replies.push(this.#bot.reply(locale, 'flow_unknown', { number: saidOf(asked) }));
    this.#say(step.again, this.#buttons(step));
    return this.#wait({ ...this.#state, tries });
  }

  /** The answer to a question for a slot. */
  *#collect(step: Collect & { id?: string | undefined }): Play {
    const answer = this.#answer();
    const { changed, asked } = this.#heed();
    if (answer === 'again') return this.#ask(step, step.ask, this.#state.tries);
    if (step.optional && asked === null && (answer === 'skip' || answer === 'no')) {
      this.#state = { ...this.#state, slots: { ...this.#state.slots, [step.collect]: null }, tries: 0 };
      return yield* this.#play();
    }
    const { locale } = this.#heard;
    const others = this.#filled().filter(([name, { value }]) => changed[name] && changed[name].value !== value);
    if (this.#take(changed)) {
      // What was said before the question is another now: that it was heard is said.
      const values = others.map(([name]) => changed[name]!.label);
      if (values.length > 0) this.#replies.push(this.#bot.reply(locale, 'flow_changed', { value: { list: values } }));
      return yield* this.#play();
    }
    const tries = this.#state.tries + 1;
    if (tries >= step.tries) {
      this.#say(step.given_up, [this.#bot.say(locale, 'ask_person')]);
      return this.#end();
    }
    if (asked?.kind === 'unknown' || asked?.kind === 'outside') this.#refuse(step, saidOf(asked));
    return this.#ask(step, asked?.kind === 'unclear' ? step.several : step.again, tries);
  }

  #refuse(step: Collect, number: Value): void {
    this.#replies.push(this.#bot.reply(this.#heard.locale, step.unknown, { ...this.#values(), number }));
  }

  /** Goes through the flow until the user must say something, or it is over. What was looked up before is looked up anew. */
  *#play(): Play {
    const { steps } = this.#flow;
    this.#state = { ...this.#state, values: {} };
    for (let at = 0; at < steps.length; ) {
      const step = steps[at]!;
      const id = stepId(steps, at);
      const go = (target: string) => {
        at = stepAt(steps, target);
        this.#path.push(target);
      };
      const next = stepId(steps, at + 1);
      if ('collect' in step) {
        const filled = this.#state.slots[step.collect];
        // What was said before it was known what may be chosen is held against that.
        const isKnown = step.options === undefined || filled === null || step.collect in this.#state.options;
        if (filled !== undefined && isKnown) {
          go(next);
          continue;
        }
        this.#agreed = false;
        const result: ActionResult | null = step.options ? yield* this.#run(step.options) : null;
        if (result && result.result !== 'options') {
          go(step.results[result.result]!);
          continue;
        }
        const given = result ? this.#given : [];
        this.#state = { ...this.#state, step: id, options: { ...this.#state.options, [step.collect]: given } };
        if (filled) {
          const option = given.find(({ value }) => value === filled.value);
          if (option) {
            this.#fill(step.collect, slotOf(option));
            continue;
          }
          const { [step.collect]: _, ...slots } = this.#state.slots;
          this.#state = { ...this.#state, slots };
          if (filled.value !== this.#heed(false).changed[step.collect]?.value) this.#refuse(step, filled.label);
        }
        const named = this.#heed(false).changed[step.collect];
        const listed = this.#listed(step);
        const only = step.single && listed.length === 1 ? slotOf(listed[0]!) : undefined;
        if (named || only) {
          this.#fill(step.collect, (named ?? only)!);
          continue;
        }
        return this.#ask(step, step.ask, 0);
      }
      if ('confirm' in step) {
        const shown = this.#fingerprint(step);
        this.#agreed = this.#state.confirmed[id] === shown;
        if (this.#agreed || this.#state.declined[id] === shown) {
          // What leads to the question was said when it was asked.
          this.#replies = [];
          go(this.#agreed ? next : step.declined);
          continue;
        }
        this.#say(step.confirm, this.#buttons(step));
        const { now } = this.#heard;
        return this.#wait({ ...this.#state, step: id, shown, tries: 0, askedAt: now });
      }
      if ('call' in step) {
        // The folder's check says the same before the bot is served; here it holds whatever was served.
        if (this.#bot.content.actions[step.call]!.effect === 'irreversible' && !this.#agreed)
          throw new Error(`${this.#state.flow}: "${step.call}" was reached without a yes`);
        const { result } = yield* this.#run(step.call);
        const target = Object.hasOwn(step.results, result) ? step.results[result] : undefined;
        if (target === undefined) throw new Error(`${this.#state.flow}: "${step.call}" answered "${result}"`);
        go(target);
      } else if ('say' in step) {
        this.#tell(step);
        go(step.next ?? next);
      } else if ('branch' in step) {
        const value = this.#state.slots[step.branch]?.value ?? '';
        go(Object.hasOwn(step.cases, value) ? step.cases[value]! : step.otherwise);
      } else return { replies: this.#replies, flow: null, handover: { phrase: step.handover } };
    }
    return this.#end();
  }

  *#run(action: string): Generator<ActionCall, ActionResult, ActionResult> {
    const slots = Object.fromEntries(this.#filled().map(([name, slot]) => [name, slot.value]));
    const { text, locale } = this.#heard;
    const result: ActionResult = yield { action, slots, text, locale };
    this.#given = result.options ?? [];
    this.#state = { ...this.#state, values: { ...this.#state.values, ...result.values } };
    return result;
  }

  /** Fills a slot that is due. */
  #fill(name: string, slot: Slot): void {
    this.#state = { ...this.#state, slots: { ...this.#state.slots, [name]: slot } };
  }

  /** Fills slots, and forgets what was chosen by what they were before. False: nothing is another than it was. */
  #take(changed: Record<string, Slot>): boolean {
    const other = Object.entries(changed).filter(([name, { value }]) => this.#state.slots[name]?.value !== value);
    if (other.length === 0) return false;
    const slots: FlowState['slots'] = { ...this.#state.slots, ...Object.fromEntries(other) };
    const options = { ...this.#state.options };
    let stale = other.map(([name]) => name);
    while (stale.length > 0) {
      const before = stale;
      stale = Object.entries(this.#flow.slots)
        .filter(([name, { depends_on }]) => depends_on.some((one) => before.includes(one)) && !(name in changed))
        .filter(([name]) => name in slots || name in options)
        .map(([name]) => name);
      for (const name of stale) {
        delete slots[name];
        delete options[name];
      }
    }
    // What was confirmed was something else.
    this.#state = { ...this.#state, slots, options, tries: 0, shown: null, confirmed: {}, declined: {} };
    this.#agreed = false;
    return true;
  }

  /** What the message says of the flow's slots. `waiting`: the bot has asked for one of them, and this may be the answer. */
  #heed(waiting = true): Heed {
    const step = this.#step();
    const awaited = waiting && step && 'collect' in step ? step.collect : null;
    const heed: Heed = { changed: {}, asked: null };
    if (awaited !== null) {
      heed.asked = this.#tapped(step as Collect) ?? this.#find(awaited, true);
      if (heed.asked?.kind === 'one') heed.changed[awaited] = heed.asked.slot;
      // A name or a number of somebody's says nothing else, whatever day is in it.
      if (heed.asked?.kind === 'one' && WHOLE.has(this.#entityOf(awaited).kind)) return heed;
    }
    for (const name of Object.keys(this.#flow.slots)) {
      if (name === awaited || !this.#mayBeMeant(name, awaited)) continue;
      const found = this.#find(name, false);
      if (found?.kind === 'one') heed.changed[name] = found.slot;
      // Of what was not asked for, it matters only that something was meant to change.
      else if (found && name in this.#state.slots) heed.asked ??= found;
    }
    return heed;
  }

  /** Whether a message may be about a slot that it was not asked for. */
  #mayBeMeant(name: string, awaited: string | null): boolean {
    const { kind } = this.#entityOf(name);
    // Of what may be chosen nothing is known before it was fetched.
    if (kind === 'choice') return name in this.#state.options;
    if (kind === 'list') return true;
    // A number, a day or an address is one slot's: of two that may have it, none has it unasked.
    const alike = Object.keys(this.#flow.slots).filter(
      (other) => likeness(this.#entityOf(other).kind) === likeness(kind),
    );
    if (alike.length > 1) return false;
    return likeness(kind) !== 'number' || awaited === null;
  }

  #find(name: string, asked: boolean): Found | null {
    const { text, locale, now, denies } = this.#heard;
    const entity = this.#entityOf(name);
    if (entity.kind === 'text' && (denies || this.#answer() !== null || this.#isBare())) return null;
    const { about, languages } = this.#bot.content;
    const step = this.#step();
    const choices = Object.keys(this.#flow.slots).filter((slot) =>
      ['choice', 'list'].includes(this.#entityOf(slot).kind),
    );
    const reading: Reading = {
      text,
      locale,
      now,
      timeZone: about.time_zone,
      chooser: this.#bot.chooser,
      ruledOut: this.#bot.chooser.rulesOut(text, this.#bot.joins.before),
      dateWords: languages.find(({ tag }) => tag === locale)?.dates,
      asked,
      // A place counts in what was listed: where one thing alone can be chosen, also later.
      placed: asked || (step !== undefined && 'confirm' in step && choices.length === 1),
      present: this.#state.slots[name]?.value,
    };
    return find(entity, reading, this.#optionsOf(name));
  }

  /** A bare yes or no is no name. */
  #isBare(): boolean {
    const is = this.#bot.intents.get(this.#heard.intent ?? '')?.is;
    return is === 'yes' || is === 'no';
  }

  /** What a button of the open question says is that, whatever else its words may mean. */
  #tapped(step: Collect): Found | null {
    const key = utteranceKey(this.#heard.text);
    const option = this.#listed(step).find(({ label, value }) =>
      this.#bot.languages.all.some(({ tag }) => utteranceKey(this.#bot.write(tag, label ?? value)) === key),
    );
    return option ? { kind: 'one', slot: slotOf(option) } : null;
  }

  #entityOf(slot: string): Entity {
    return this.#bot.content.entities[this.#flow.slots[slot]!.entity]!;
  }

  #optionsOf(slot: string): Option[] {
    const own = this.#state.options[slot] ?? [];
    return own.length > 0 ? own : itemsOf(this.#entityOf(slot));
  }

  #step() {
    return this.#flow.steps[stepAt(this.#flow.steps, this.#state.step)];
  }

  #answer(step?: Confirm): ShortAnswer | null {
    const { text } = this.#heard;
    if (!step) return this.#bot.shortAnswers.read(text);
    // With its question mark: "네" on the button is no "네?".
    const { compact } = readMessage(text);
    const says = (phrase: string) =>
      this.#bot.languages.all.some(
        ({ tag }) => readMessage(this.#bot.say(tag, phrase, this.#values())).compact === compact,
      );
    if (says(step.no)) return 'no';
    return says(step.yes) ? 'yes' : this.#bot.answersTo(step).read(text);
  }

  #listed({ collect, listed }: Collect): Option[] {
    return this.#optionsOf(collect)
      .filter((option) => option.listed !== false)
      .slice(0, listed);
  }

  /** What the user may tap. */
  #choices(step: Collect): string[] {
    const { locale } = this.#heard;
    const buttons = this.#listed(step).map((option) => this.#bot.write(locale, option.label ?? option.value));
    return step.optional ? [...buttons, this.#bot.say(locale, 'flow_skip')] : buttons;
  }

  /** Asks for a slot, with what may be chosen. */
  #ask(step: Collect, phrase: string, tries: number): Outcome {
    const { locale } = this.#heard;
    const listed = this.#listed(step);
    const lines =
      step.line === undefined ? [] : listed.map((option, index) => `${index + 1}. ${this.#line(step.line!, option)}`);
    const text = [this.#bot.say(locale, phrase, this.#values()), ...lines].join('\n');
    const suggestions = this.#choices(step);
    this.#replies.push(suggestions.length > 0 ? { text, suggestions } : { text });
    return this.#wait({ ...this.#state, tries });
  }

  #tell({ say, suggest, line, cards }: Say): void {
    const { locale } = this.#heard;
    const values = this.#values();
    const heading = this.#bot.say(locale, say, values);
    const lines = line === undefined ? [] : this.#given.map((option) => this.#line(line, option));
    const suggestions = suggest.map((phrase) => this.#bot.say(locale, phrase, values));
    const shown = cards === undefined ? [] : this.#given.map((option) => this.#card(cards, option));
    this.#replies.push({
      text: [heading, ...lines].join('\n'),
      ...(suggestions.length > 0 ? { suggestions } : {}),
      ...(shown.length > 0 ? { cards: shown, heading } : {}),
    });
  }

  #card({ title, text, button }: NonNullable<Say['cards']>, option: Option): Card {
    const { locale } = this.#heard;
    const { image, link } = option;
    return {
      title: this.#line(title, option),
      ...(text === undefined ? {} : { text: this.#line(text, option) }),
      ...(image ? { image: { url: image.url, alt: this.#bot.write(locale, image.alt) } } : {}),
      ...(link === undefined ? {} : { link: { url: link, title: this.#bot.say(locale, 'card_open') } }),
      ...(button === undefined ? {} : { buttons: [this.#line(button, option)] }),
    };
  }

  #line(phrase: string, option: Option): string {
    return this.#bot.say(this.#heard.locale, phrase, { value: option.value, ...option.values });
  }

  #buttons({ yes, no }: Confirm): string[] {
    const { locale } = this.#heard;
    return [this.#bot.say(locale, yes, this.#values()), this.#bot.say(locale, no, this.#values())];
  }

  #say(phrase: string, suggestions: string[] = []): void {
    this.#replies.push(this.#bot.reply(this.#heard.locale, phrase, this.#values(), suggestions));
  }

  /** What phrases of the flow may name: what was collected, and what actions said. */
  #values(): Values {
    return { ...Object.fromEntries(this.#filled().map(([name, { label }]) => [name, label])), ...this.#state.values };
  }

  /** What was collected, in the order of the flow. */
  #filled(): [string, Slot][] {
    return Object.keys(this.#flow.slots).flatMap((name): [string, Slot][] => {
      const slot = this.#state.slots[name];
      return slot ? [[name, slot]] : [];
    });
  }

  /**
   * Of what a question shows: everything that was collected, every value that its phrase names, in any language, what led to it,
   * and the flow itself with the question's words, which somebody may have edited since.
   */
  #fingerprint({ confirm }: Confirm): string {
    const values = this.#values();
    const phrases = this.#bot.content.phrases[confirm] ?? {};
    const named = new Set(
      Object.values(phrases).flatMap((text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, key]) => key!)),
    );
    const slots = Object.entries(this.#state.slots).map(([name, slot]) => [name, slot?.value ?? null]);
    const shown = [slots.sort(), [...named].sort().map((key) => [key, values[key] ?? null]), this.#path];
    return createHash('sha256')
      .update(JSON.stringify([shown, phrases, this.#flow]))
      .digest('base64url');
  }

  #wait(state: FlowState): Outcome {
    const flow = { ...state, updatedAt: this.#heard.now };
    // The document has to hold it, with everything else.
    if (JSON.stringify(flow).length > STATE) throw new Error(`${flow.flow}: what its actions said is too much to keep`);
    return { replies: this.#replies, flow, handover: null };
  }

  #end(): Outcome {
    return { replies: this.#replies, flow: null, handover: null };
  }
}

function saidOf(found: Extract<Found, { kind: 'unknown' | 'outside' }>): Value {
  return found.kind === 'unknown' ? found.number : found.slot.label;
}

function slotOf(option: Option): Slot {
  return { value: option.value, label: option.label ?? option.value };
}
