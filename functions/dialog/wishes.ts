import type { Understanding, Wish } from '../conversation/document.ts';
import { type Bot, NONE, NOT } from './bot.ts';

/** Parts of a message that are looked at. */
const PARTS = 6;
/** Letters that a part must have to say something. */
const LEAST = 2;
/** A part has less around it than a message: what is likely of it alone must be likelier. */
const LIKELY = 0.6;
/** What is wished beside what the whole message is taken for. */
const SURE = 0.8;

/** Of what the whole message may be taken for, the likeliest. */
const SEEN = 3;

/** Signs at which a message is taken apart, but between digits: a price, a time. */
const SIGNS = /(?<!\d)[.,:]|[.,:](?!\d)|[!?;\n…~。、！？]+/gu;

/** The parts of a message, in order; none where it is one. Each is asked for beside the whole, in one call. */
export function partsOf(bot: Bot, text: string): string[] {
  const parts = text
    .normalize('NFKC')
    .split(SIGNS)
    .flatMap((part) => atJoins(bot, part))
    .map((part) => part.trim())
    .filter((part) => (part.match(/\p{L}/gu)?.length ?? 0) >= LEAST);
  return parts.length > 1 ? parts.slice(0, PARTS) : [];
}

/** Between words: right before some that join, right behind others. */
function atJoins({ joins }: Bot, text: string): string[] {
  const parts: string[][] = [[]];
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const said = word.toLowerCase();
    if (joins.before.has(said) && parts.at(-1)!.length > 0) parts.push([]);
    parts.at(-1)!.push(word);
    if (joins.after.some((ending) => said.endsWith(ending))) parts.push([]);
  }
  return parts.filter((words) => words.length > 0).map((words) => words.join(' '));
}

/**
 * What a message means as a whole, by what its parts mean. The wishes stand in their order, those that are said not to be wanted
 * among them; small talk beside a wish is none. The first that is wanted is the intent.
 */
export function weigh(bot: Bot, whole: Understanding, parts: readonly Understanding[]): Understanding {
  const said: Wish[] = parts.filter(({ intent, score }) => isWish(bot, intent) && score >= LIKELY).map(wishOf);
  const denied = said.some(({ negated }) => negated) || whole.intent === NOT;
  const wanted = unique(said.filter(({ negated }) => !negated));
  const own = isWish(bot, whole.intent) && whole.intent !== NOT ? wishOf(whole) : null;
  // What the whole is taken for may be what it denies: only what a part wishes by itself is wished.
  if (denied) return withWishes(whole, wanted, said);
  if (!own) return wanted.length > 0 ? withWishes(whole, wanted, said) : whole;
  // An opening by itself may look like a wish ("I'm a regular of yours"): what is wished can be seen in the whole as well.
  const seen = new Set(whole.top.slice(0, SEEN).map(({ intent }) => intent));
  const beside = wanted.filter(({ intent, score }) => intent !== own.intent && score >= SURE && seen.has(intent));
  if (beside.length === 0) return whole;
  const all = wanted.some(({ intent }) => intent === own.intent)
    ? wanted.filter(({ intent }) => intent === own.intent || beside.some((one) => one.intent === intent))
    : [own, ...beside];
  return withWishes(whole, all, all);
}

function withWishes(whole: Understanding, wanted: Wish[], wishes: Wish[]): Understanding {
  const [first] = wanted;
  if (!first) return { ...whole, intent: NOT, wishes };
  return { ...whole, intent: first.intent, score: first.score, wishes };
}

/** Whether a label is more than small talk. What nobody knows is none. */
function isWish(bot: Bot, label: string): boolean {
  if (label === NOT) return true;
  const intent = bot.intents.get(label);
  return intent !== undefined && label !== NONE && intent.is === undefined;
}

function wishOf({ intent, score }: Understanding): Wish {
  return { intent, score, negated: intent === NOT };
}

function unique(wishes: Wish[]): Wish[] {
  return wishes.filter(({ intent }, index) => wishes.findIndex((other) => other.intent === intent) === index);
}
