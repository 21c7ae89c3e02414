import type { LoggedTurn } from '../services/call-log.ts';
import { addDuration, addDurations, type Durations } from './durations.ts';
import { addPeople, addPerson, type People } from './people.ts';

/** What became of what a customer wrote. `person`: one of the staff had the conversation, and answers. */
export const OUTCOMES = ['answered', 'not_understood', 'handed_over', 'person', 'failed'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** What happened in some time, on one channel and in one language. Counts alone, and nothing of anybody. */
export interface Cell {
  channel: string;
  locale: string;
  turns: number;
  people: People;
  outcomes: Record<string, number>;
  intents: Record<string, number>;
  feedback: { up: number; down: number };
  /** What customers thought of a person's help: how many said so, and the sum of their stars. */
  ratings: { count: number; sum: number };
  /** By hop; `all` from acceptance to the answer. */
  hops: Record<string, Durations>;
  models: Record<string, number>;
  contents: Record<string, number>;
}

/** The fields of a logged turn that are counted. */
export type Counted = Pick<
  LoggedTurn,
  | 'acceptedAt'
  | 'answeredAt'
  | 'channel'
  | 'content'
  | 'feedback'
  | 'givenId'
  | 'handover'
  | 'locale'
  | 'outcome'
  | 'rating'
  | 'skill'
  | 'timings'
  | 'understanding'
  | 'userId'
> & { by?: LoggedTurn['by'] };

/** Null: nobody asked anything; the staff or the bot said something by itself. */
export function outcomeOf({
  by,
  givenId,
  outcome,
  handover,
  skill,
}: Pick<Counted, 'by' | 'givenId' | 'outcome' | 'handover' | 'skill'>): Outcome | null {
  if (by || givenId === '') return null;
  if (outcome === 'failed') return 'failed';
  if (handover !== undefined) return 'handed_over';
  if (skill === 'person' || skill === 'listener' || skill === 'rating') return 'person';
  return skill === 'fallback' ? 'not_understood' : 'answered';
}

/** Puts turns together, a cell for each channel and language. */
export function rollUp(turns: Iterable<Counted>): Cell[] {
  const cells = new Map<string, Cell>();
  for (const turn of turns) {
    const outcome = outcomeOf(turn);
    const { channel, locale, understanding, feedback, rating, timings, content } = turn;
    const key = JSON.stringify([channel, locale]);
    const cell = cells.get(key) ?? empty(channel, locale);
    cells.set(key, cell);
    if (rating !== undefined) {
      cell.ratings.count += 1;
      cell.ratings.sum += rating;
    }
    if (outcome === null) continue;
    cell.turns += 1;
    addPerson(cell.people, turn.userId);
    count(cell.outcomes, outcome);
    if (feedback) cell.feedback[feedback.rating] += 1;
    if (content !== undefined) count(cell.contents, content);
    // What a person answers was understood, and led nowhere.
    if (outcome === 'person') continue;
    if (understanding) {
      count(cell.intents, understanding.intent);
      count(cell.models, `${understanding.model.name} ${understanding.model.version}`);
    }
    for (const [hop, ms] of Object.entries({ ...timings, all: turn.answeredAt - turn.acceptedAt }))
      addDuration(durationsOf(cell, hop), ms);
  }
  return [...cells.values()];
}

/** Cells of several times as one for each channel and language. */
export function together(cells: Iterable<Cell>): Cell[] {
  const sums = new Map<string, Cell>();
  for (const cell of cells) {
    const key = JSON.stringify([cell.channel, cell.locale]);
    const sum = sums.get(key) ?? empty(cell.channel, cell.locale);
    sums.set(key, sum);
    add(sum, cell);
  }
  return [...sums.values()];
}

/** All cells as one, whatever their channel and language. */
export function total(cells: Iterable<Cell>): Cell {
  const sum = empty('', '');
  for (const cell of cells) add(sum, cell);
  return sum;
}

function add(sum: Cell, cell: Cell): void {
  sum.turns += cell.turns;
  addPeople(sum.people, cell.people);
  for (const name of ['outcomes', 'intents', 'models', 'contents'] as const)
    for (const [key, times] of Object.entries(cell[name])) count(sum[name], key, times);
  sum.feedback.up += cell.feedback.up;
  sum.feedback.down += cell.feedback.down;
  sum.ratings.count += cell.ratings.count;
  sum.ratings.sum += cell.ratings.sum;
  for (const [hop, durations] of Object.entries(cell.hops)) addDurations(durationsOf(sum, hop), durations);
}

function durationsOf({ hops }: Cell, hop: string): Durations {
  const known = hops[hop] ?? {};
  hops[hop] = known;
  return known;
}

function count(counts: Record<string, number>, key: string, times = 1): void {
  counts[key] = (counts[key] ?? 0) + times;
}

function empty(channel: string, locale: string): Cell {
  return {
    channel,
    locale,
    turns: 0,
    people: {},
    outcomes: {},
    intents: {},
    feedback: { up: 0, down: 0 },
    ratings: { count: 0, sum: 0 },
    hops: {},
    models: {},
    contents: {},
  };
}
