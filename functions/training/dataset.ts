import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import papaparse from 'papaparse';
import { z } from 'zod';
import { Random } from './random.ts';

/** A labelled utterance. */
export interface Example {
  text: string;
  intent: string;
}

/** Out of scope: an intent of this name is an example of what the bot must not answer. */
export const NONE = 'none';
/** What is said not to be wanted, of whatever intent: a class of its own, so that it is learned from all of them. */
export const NOT = 'not';

export interface Splits {
  train: Example[];
  /** Empty: to be split off. */
  validation: Example[];
  /** Texts of other domains, without labels. */
  background: string[];
}

export interface Dataset {
  splits: Splits;
  /** Intents that say what looks like them and is not: their wishes may be denied. */
  deniable?: string[];
  /** The test split, parsed when it is asked for: nothing may be chosen on it. */
  test(): Example[];
  sha256: string;
}

/** A file that can't be trained on; the message says what to correct. */
export class DatasetError extends Error {}

/** Utterances that fit into memory in training, at about 20 KB each. */
const EXAMPLES_LIMIT = 200_000;
const BYTES_LIMIT = 256 * 1024 * 1024;
const CLASSES_LIMIT = 2_000;
/** Utterances × intents: each utterance has a weight, a target and a logit for each intent. */
const CELLS_LIMIT = 50_000_000;
const CHARACTERS_LIMIT = 1_000;
const LEAST_EXAMPLES = 2;

const texts = z.record(z.string(), z.array(z.string()));
const content = z.array(z.object({ name: z.string(), utterances: texts, not: texts.optional() }));
const pairs = z.array(z.tuple([z.string(), z.string()]));
const splitFile = z
  .looseObject({
    train: pairs.optional(),
    val: pairs.optional(),
    oos_train: pairs.optional(),
    oos_val: pairs.optional(),
  })
  // One to be measured on alone needs nothing but its test split.
  .refine((given) => given.train || Array.isArray(given.test));
const testFile = z.looseObject({ test: pairs.optional(), oos_test: pairs.optional() });

/**
 * Reads the bot's content (a JSON list of intents), a CSV with the columns `text` and `intent` (or `label`), or a JSON
 * object of splits `{train, val, test, oos_train, oos_val, oos_test}`, each a list of [text, intent].
 * Throws a {@link DatasetError}.
 */
export async function readDataset(file: string, background?: string): Promise<Dataset> {
  const { text, sha256 } = await readText(file);
  const lines = background ? (await readText(background)).text.split('\n').filter((line) => line.trim()) : [];
  const dataset = file.toLowerCase().endsWith('.csv') ? fromCsv(text) : fromJson(text);
  return { ...dataset, splits: { ...dataset.splits, background: lines }, sha256 };
}

/** Leaves out what can't be trained on, and says what and how much. Throws a {@link DatasetError} when too little is left. */
export function clean(splits: Splits): { splits: Splits; dropped: string[] } {
  const dropped: string[] = [];
  const note = (count: number, what: string) => {
    if (count > 0) dropped.push(`${count} ${what}`);
  };
  const key = ({ text }: Example) => text.normalize('NFKC').trim().toLowerCase();
  const usable = splits.train.filter(({ text, intent }) => text.trim() && intent.trim());
  note(splits.train.length - usable.length, 'rows without a text or a label');
  const short = usable.filter(({ text }) => text.length <= CHARACTERS_LIMIT);
  note(usable.length - short.length, `utterances of more than ${CHARACTERS_LIMIT} characters`);
  const intents = Map.groupBy(short, key);
  const conflicting = new Set(
    [...intents].filter(([, same]) => new Set(same.map(({ intent }) => intent)).size > 1).map(([text]) => text),
  );
  const agreed = short.filter((example) => !conflicting.has(key(example)));
  note(short.length - agreed.length, 'rows whose text has more than one label');
  const seen = new Set<string>();
  const unique = agreed.filter((example) => !seen.has(key(example)) && seen.add(key(example)));
  note(agreed.length - unique.length, 'duplicates');
  const counts = Map.groupBy(unique, ({ intent }) => intent);
  const few = [...counts]
    .filter(([intent, examples]) => intent !== NONE && examples.length < LEAST_EXAMPLES)
    .map(([intent]) => intent);
  const train = unique.filter(({ intent }) => !few.includes(intent));
  note(
    few.length,
    `intents with fewer than ${LEAST_EXAMPLES} utterances: ${few.slice(0, 5).join(', ')}${few.length > 5 ? ' …' : ''}`,
  );
  const classes = new Set(train.filter(({ intent }) => intent !== NONE).map(({ intent }) => intent));
  if (classes.size < 2)
    throw new DatasetError(
      `at least 2 intents with ${LEAST_EXAMPLES} utterances each are needed; there ${classes.size === 1 ? 'is 1' : 'are none'}`,
    );
  if (classes.size > CLASSES_LIMIT)
    throw new DatasetError(`${classes.size} intents are more than the ${CLASSES_LIMIT} that can be told apart`);
  if (train.length > EXAMPLES_LIMIT)
    throw new DatasetError(
      `${train.length} utterances are more than the ${EXAMPLES_LIMIT} that fit into memory; train on a sample`,
    );
  if (train.length * classes.size > CELLS_LIMIT)
    throw new DatasetError(
      `${train.length} utterances of ${classes.size} intents do not fit into memory together; train on a sample of ${Math.floor(CELLS_LIMIT / classes.size)}`,
    );
  const known = splits.validation.filter(({ intent }) => intent === NONE || classes.has(intent));
  note(splits.validation.length - known.length, 'validation rows with an intent that is not trained');
  return { splits: { ...splits, train, validation: known }, dropped };
}

/** Each example is held out of one of so many folds, those of an intent in turn; the same seed makes the same folds. */
export function folds(examples: Example[], count: number, seed: number): { train: Example[]; held: Example[] }[] {
  const random = new Random(seed);
  const places = new Map<Example, number>();
  const byIntent = Map.groupBy(examples, (example) => example.intent);
  // The first fold gets one of each intent, however few there are: it may be the only one.
  for (const intent of [...byIntent.keys()].sort())
    for (const [at, example] of random.shuffle([...byIntent.get(intent)!]).entries()) places.set(example, at % count);
  return Array.from({ length: count }, (_, fold) => ({
    train: examples.filter((example) => places.get(example) !== fold),
    held: examples.filter((example) => places.get(example) === fold),
  })).filter(({ held }) => held.length > 0);
}

/** The utterances of a bot's intents. */
export function contentDataset(intents: readonly z.infer<typeof content>[number][]): Omit<Dataset, 'sha256'> {
  const labelled = (all: Record<string, string[]>, label: string) =>
    Object.values(all).flatMap((own) => own.map((one) => ({ text: one, intent: label })));
  const train = intents.flatMap(({ name, utterances, not = {} }) => [
    ...labelled(utterances, name.trim()),
    ...labelled(not, NOT),
  ]);
  const deniable = intents.filter(({ not }) => not).map(({ name }) => name.trim());
  return { splits: { train, validation: [], background: [] }, deniable, test: () => [] };
}

function fromCsv(text: string): Omit<Dataset, 'sha256'> {
  const { data, errors, meta } = papaparse.parse<Record<string, string>>(text, { header: true, skipEmptyLines: true });
  const column = ['intent', 'label'].find((name) => meta.fields?.includes(name));
  if (!meta.fields?.includes('text') || !column)
    throw new DatasetError('the CSV needs a first row with the columns text and intent (or label)');
  // That it guesses the delimiter is no error.
  const error = errors.find(({ type }) => type !== 'Delimiter');
  if (error) throw new DatasetError(`row ${(error.row ?? 0) + 2} of the CSV: ${error.message}`);
  const train = data.map((row) => ({ text: row.text ?? '', intent: (row[column] ?? '').trim() }));
  return { splits: { train, validation: [], background: [] }, test: () => [] };
}

function fromJson(text: string): Omit<Dataset, 'sha256'> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new DatasetError('the file is neither a CSV (by its name) nor JSON');
  }
  const intents = content.safeParse(json);
  if (intents.success) return contentDataset(intents.data);
  const parsed = splitFile.safeParse(json);
  if (!parsed.success) throw unreadable(parsed.error);
  const inside = (rows: [string, string][] = []) => rows.map(([own, intent]) => ({ text: own, intent: intent.trim() }));
  const outside = (rows: [string, string][] = []) => rows.map(([own]) => ({ text: own, intent: NONE }));
  const { train, val, oos_train, oos_val } = parsed.data;
  return {
    splits: {
      train: [...inside(train), ...outside(oos_train)],
      validation: [...inside(val), ...outside(oos_val)],
      background: [],
    },
    test() {
      const found = testFile.safeParse(json);
      if (!found.success) throw unreadable(found.error);
      const { test, oos_test } = found.data;
      return [...inside(test), ...outside(oos_test)].filter(({ text: own, intent }) => own.trim() && intent.trim());
    },
  };
}

/** Names the row that is no [text, intent], where the rest is a file of splits. */
function unreadable({ issues: [issue] }: z.ZodError): DatasetError {
  const [list, row] = issue?.path ?? [];
  return new DatasetError(
    typeof row === 'number'
      ? `row ${row + 1} of ${String(list)} is no [text, intent]`
      : 'the JSON is neither a list of intents with utterances nor an object with train, val or test',
  );
}

async function readText(file: string): Promise<{ text: string; sha256: string }> {
  const found = await stat(file).catch(() => {
    throw new DatasetError(`there is no file ${file}`);
  });
  if (found.isDirectory()) throw new DatasetError(`${file} is a folder`);
  const { size } = found;
  if (size === 0) throw new DatasetError(`${file} is empty`);
  if (size > BYTES_LIMIT) throw new DatasetError(`${file} has more than ${BYTES_LIMIT / 1024 / 1024} MB`);
  const bytes = await readFile(file);
  try {
    // UTF-16 without a mark can be read as UTF-8: as text full of zeros.
    if (bytes.includes(0)) throw new Error('zeros');
    return {
      text: new TextDecoder('utf-8', { fatal: true }).decode(bytes),
      sha256: createHash('sha256').update(bytes).digest('hex'),
    };
  } catch {
    throw new DatasetError(`${file} is not UTF-8; save it as UTF-8 and try again`);
  }
}
