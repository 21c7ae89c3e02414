import { Random } from '../random.ts';

/**
 * Which settings a search tries, and how far each. The first trials change one setting each, so that what every one does is seen; of the later
 * ones half are drawn blindly, half where good ones were found (a tree-structured Parzen estimator: Bergstra et al. 2011). All are judged on
 * a small part first, and a third of them on more (successive halving: Jamieson and Talwalkar 2016). What is tried next hangs on the seed
 * and on what has ended in the generations before, never on who was faster: any number of workers find the same. Pure.
 */
type Values = Record<string, number>;

/** Each setting with the values that it may take, the smallest first. */
export type Space = Record<string, readonly number[]>;

export interface Plan {
  space: Space;
  /** What the settings are in the recipe as it is. */
  present: Values;
  seed: number;
  trials: number;
}

/** A trial that is to be made: the rung says on how much it is judged. */
export interface Attempt {
  index: number;
  rung: number;
  /** What is otherwise than in the recipe; nothing: the recipe as it is. */
  settings: Values;
}

/** A trial that was made. */
export interface Trial extends Attempt {
  /** On what was held out of its training; null: it could not be trained. */
  figures: { accuracy: number; auroc: number | null } | null;
  /** Of so many that were held out. */
  of: number;
  /** Which of them were wrong, by their places. */
  wrong: number[];
  seconds: number;
}

/** The last rung is judged on everything. */
export const RUNGS = 3;
/** Of a rung, this share is judged on more. */
const PROMOTED = 1 / 3;
/** Trials of a generation: those of the next know what has come of them. */
const GENERATION = 9;
/** The share of trials that counts as good, and at least so many. */
const [GOOD, GOOD_LEAST] = [0.25, 3];
/** Settings that are drawn where good ones were found, of which the most promising is tried. */
const DRAWN = 24;
/** Differences within so many standard errors are none: where nothing is better, one search in twenty takes something all the same. */
const SHOWS = 2;
/** What out-of-scope AUROC may fall by. */
const BLINDER = 0.01;

/** Trials that may be made now, and were not yet; none: the search is over. Those that are judged on most stand first. */
export function attempts(plan: Plan, done: readonly Trial[]): Attempt[] {
  const ended = new Map(done.map((trial) => [keyOf(trial), trial]));
  const isOpen = (one: Attempt) => !ended.has(keyOf(one));
  // With the recipe as it is everything is compared: it need not earn its place.
  const found = Array.from({ length: RUNGS }, (_, rung): Attempt => ({ index: 0, rung, settings: {} })).filter(isOpen);
  for (const { from, to } of generations(plan)) {
    const before = done.filter(({ index, rung }) => rung === 0 && index < from);
    const own = Array.from({ length: to - from }, (_, place) => from + place).map((index) => ({
      index,
      // What was begun goes on as it was begun, whatever another build would draw.
      settings: ended.get(keyOf({ index, rung: 0 }))?.settings ?? drawn(plan, index, before),
    }));
    let going = own;
    for (let rung = 0; rung < RUNGS; rung += 1) {
      found.push(...going.map((one) => ({ ...one, rung })).filter(isOpen));
      const judged = going.flatMap(({ index }) => ended.get(keyOf({ index, rung })) ?? []);
      if (judged.length < going.length) break;
      const promoted = ranked(judged.filter(({ figures }) => figures)).slice(0, Math.ceil(PROMOTED * going.length));
      going = own.filter(({ index }) => promoted.some((one) => one.index === index));
    }
    // The next generation learns from the first rung of this one, and of the recipe as it is.
    if (!ended.has(keyOf({ index: 0, rung: 0 })) || own.some(({ index }) => !ended.has(keyOf({ index, rung: 0 }))))
      break;
  }
  return found.sort((a, b) => b.rung - a.rung || a.index - b.index);
}

/** How many trials all of it is, on every rung. */
export function expected(plan: Plan): number {
  let total = RUNGS;
  for (const { from, to } of generations(plan))
    for (let rung = 0, going = to - from; rung < RUNGS; rung += 1, going = Math.ceil(PROMOTED * going)) total += going;
  return total;
}

/** Trials that change one setting alone: at most one of each. */
const screened = ({ space, trials }: Plan): number => Math.min(trials, 1 + Object.keys(space).length);

/** Of each, its first trial and the one after its last; trial 0 is the recipe as it is. */
function generations(plan: Plan): { from: number; to: number }[] {
  const found = [{ from: 1, to: screened(plan) }];
  for (let from = screened(plan); from < plan.trials; from += GENERATION)
    found.push({ from, to: Math.min(plan.trials, from + GENERATION) });
  return found;
}

const keyOf = ({ index, rung }: { index: number; rung: number }): string => `${index}.${rung}`;

/** Accuracy and out-of-scope AUROC count alike, and neither hangs on a threshold. */
const scoreOf = ({ figures }: Trial): number =>
  figures ? figures.accuracy + (figures.auroc ?? 0) : Number.NEGATIVE_INFINITY;

/** The best first, of trials of one rung. */
export function ranked(trials: readonly Trial[]): Trial[] {
  return [...trials].sort((a, b) => scoreOf(b) - scoreOf(a) || a.index - b.index);
}

/** The recipe as it is, and the best that was found, both judged on everything. Null: it was not found out yet. */
export function best(done: readonly Trial[]): { before: Trial; after: Trial; better: boolean } | null {
  const last = ranked(done.filter(({ rung, figures }) => rung === RUNGS - 1 && figures));
  const before = last.find(({ index }) => index === 0);
  const after = last.find(({ index }) => index !== 0);
  if (!before || !after) return null;
  return { before, after, better: gain(before, after) > SHOWS * errorOf(before, after) && !isBlinder(before, after) };
}

/** What changing one setting alone has done. */
export interface Effect {
  setting: string;
  from: number;
  to: number;
  /** Differences; null: nothing was out of scope. */
  accuracy: number;
  auroc: number | null;
  /** How many answers became right, or wrong, of so many. */
  changed: number;
  of: number;
  /** Nothing: what is seen is within what chance does. */
  shows: 'better' | 'worse' | 'nothing';
}

/** Of each setting that was tried alone. */
export function effects({ space, present }: Pick<Plan, 'space' | 'present'>, done: readonly Trial[]): Effect[] {
  const first = done.filter(({ rung, figures }) => rung === 0 && figures);
  const before = first.find(({ index }) => index === 0);
  if (!before) return [];
  return Object.keys(space).flatMap((setting) => {
    const after = first.find(({ settings }) => Object.keys(settings).length === 1 && setting in settings);
    if (!after) return [];
    const by = gain(before, after);
    const isSeen = Math.abs(by) > SHOWS * errorOf(before, after);
    return {
      setting,
      from: present[setting]!,
      to: after.settings[setting]!,
      accuracy: by,
      auroc:
        after.figures!.auroc === null || before.figures!.auroc === null
          ? null
          : after.figures!.auroc - before.figures!.auroc,
      changed: differing(before, after),
      of: before.of,
      shows: !isSeen ? ('nothing' as const) : by > 0 ? ('better' as const) : ('worse' as const),
    };
  });
}

/** In accuracy, whose error is known: an AUROC shakes by more than it gains. */
const gain = (before: Trial, after: Trial): number => after.figures!.accuracy - before.figures!.accuracy;

/** Whether it tells what is out of scope clearly worse. */
function isBlinder({ figures: before }: Trial, { figures: after }: Trial): boolean {
  return (before?.auroc ?? 0) - (after?.auroc ?? 0) > BLINDER;
}

/** Of the difference of two trials that were judged on the same: of the answers that only one of them has right (McNemar). At least one answer's. */
const errorOf = (a: Trial, b: Trial): number => Math.sqrt(Math.max(1, differing(a, b))) / Math.max(1, a.of);

function differing(a: Trial, b: Trial): number {
  const [one, other] = [new Set(a.wrong), new Set(b.wrong)];
  return a.wrong.filter((place) => !other.has(place)).length + b.wrong.filter((place) => !one.has(place)).length;
}

/** The settings of a trial, the same for the same seed and the same trials before it. */
function drawn(plan: Plan, index: number, before: readonly Trial[]): Values {
  const { space, present, seed } = plan;
  const alone = screened(plan);
  if (index < alone) {
    const setting = new Random(seed).shuffle(Object.keys(space))[index - 1]!;
    return { [setting]: furthest(space[setting]!, present[setting]!) };
  }
  const random = new Random(seed * 100_003 + index);
  const blindly = () =>
    Object.fromEntries(Object.entries(space).map(([name, values]) => [name, values[random.below(values.length)]!]));
  const known = before.filter(({ figures }) => figures);
  // A wrong belief is found out only where somebody looks elsewhere.
  if ((index - alone) % 2 === 0 || known.length < 2 * GOOD_LEAST) return blindly();
  const good = new Set(ranked(known).slice(0, Math.max(GOOD_LEAST, Math.ceil(GOOD * known.length))));
  const weights = Object.entries(space).map(([name, values]) => {
    const counts = (of: Trial[]) =>
      values.map((value) => {
        const same = of.filter(({ settings }) => nearest(values, settings[name] ?? present[name]!) === value).length;
        return (same + 1) / (of.length + values.length);
      });
    const [inGood, inOthers] = [counts([...good]), counts(known.filter((trial) => !good.has(trial)))];
    return { name, values, inGood, inOthers };
  });
  let [most, found] = [Number.NEGATIVE_INFINITY, blindly()];
  for (let draw = 0; draw < DRAWN; draw += 1) {
    let promise = 0;
    const settings: Values = {};
    for (const { name, values, inGood, inOthers } of weights) {
      const place = placeOf(inGood, random.next());
      settings[name] = values[place]!;
      promise += Math.log(inGood[place]! / inOthers[place]!);
    }
    if (promise > most) [most, found] = [promise, settings];
  }
  return found;
}

/** A place by its weight; `weights` are 1 together. */
function placeOf(weights: readonly number[], at: number): number {
  let sum = 0;
  for (const [place, weight] of weights.entries()) {
    sum += weight;
    if (at < sum) return place;
  }
  return weights.length - 1;
}

/** The value that is the most unlike. */
function furthest(values: readonly number[], from: number): number {
  const place = values.indexOf(nearest(values, from));
  return place >= values.length / 2 ? values[0]! : values.at(-1)!;
}

function nearest(values: readonly number[], to: number): number {
  return values.reduce((near, value) => (Math.abs(value - to) < Math.abs(near - to) ? value : near));
}
