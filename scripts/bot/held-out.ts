import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import papaparse from 'papaparse';
import { z } from 'zod';
import { type Content, NONE, utteranceKey } from '../../functions/dialog/bot.ts';

/** Where a bot's folder holds what its models are judged by: CSV files with the columns `text` and `intent`. */
const FOLDER = 'held-out';

export interface HeldOutRow {
  text: string;
  /** `none`: no intent. */
  intent: string;
  file: string;
  /** From 1. */
  line: number;
}

/** The rows of every file; none where there is no such folder. */
export function readHeldOut(folder: string): HeldOutRow[] {
  if (!existsSync(join(folder, FOLDER))) return [];
  const names = readdirSync(join(folder, FOLDER)).filter((name) => name.endsWith('.csv'));
  return names.sort().flatMap((name) => {
    const text = readFileSync(join(folder, FOLDER, name), 'utf8');
    const { data } = papaparse.parse<Record<string, string>>(text, { header: true, skipEmptyLines: true });
    return data.map((row, index) => ({
      text: row.text ?? '',
      intent: row.intent ?? '',
      file: `${FOLDER}/${name}`,
      line: index + 2,
    }));
  });
}

/** What the FAQ's model is judged by (`held-out/faq.json`): other ways to ask, by entry, and what no entry answers, by kind. */
const textsByLanguage = z.record(z.string(), z.array(z.string().min(1)));
export const faqHeldOut = z.looseObject({
  questions: z.record(z.string(), textsByLanguage),
  off_topic: z.record(z.string(), textsByLanguage).default({}),
});
const FAQ_FILE = `${FOLDER}/faq.json`;

/** Its rows; none where there is no such file. Throws what is wrong with its shape. */
export function readFaqHeldOut(folder: string): { text: string; entry: string }[] {
  if (!existsSync(join(folder, FAQ_FILE))) return [];
  const { questions, off_topic: none } = faqHeldOut.parse(JSON.parse(readFileSync(join(folder, FAQ_FILE), 'utf8')));
  const rows = (entry: string, all: Record<string, string[]>) =>
    Object.values(all)
      .flat()
      .map((text) => ({ text, entry }));
  return [
    ...Object.entries(questions).flatMap(([entry, all]) => rows(entry, all)),
    ...Object.values(none).flatMap((all) => rows(NONE, all)),
  ];
}

/** What is wrong with it, as below. */
export function faqHeldOutProblems(
  folder: string,
  { faq }: Content,
): { file: string; line: number | null; message: string }[] {
  const problem = (message: string) => ({ file: FAQ_FILE, line: null, message });
  let rows: ReturnType<typeof readFaqHeldOut>;
  try {
    rows = readFaqHeldOut(folder);
  } catch (error) {
    return [problem(`has another shape: ${error instanceof Error ? error.message.split('\n')[0] : error}`)];
  }
  const known = new Set([NONE, ...faq.map(({ name }) => name)]);
  const trained = new Set(
    faq.flatMap(({ question, other_ways: ways }) =>
      [...Object.values(question), ...Object.values(ways).flat()].map(utteranceKey),
    ),
  );
  return rows.flatMap(({ text, entry }) => {
    if (!known.has(entry)) return [problem(`there is no entry "${entry}" in faq.json`)];
    if (trained.has(utteranceKey(text))) return [problem(`"${text}" is trained on too: it can't judge what it made`)];
    return [];
  });
}

/** What is wrong with them: they judge models, so nothing of them is trained on, and each means what the bot knows. */
export function heldOutProblems(
  rows: readonly HeldOutRow[],
  { intents }: Content,
): { file: string; line: number; message: string }[] {
  const known = new Set([NONE, ...intents.map(({ name }) => name)]);
  const trained = new Set(
    intents.flatMap(({ utterances, not = {} }) =>
      [...Object.values(utterances), ...Object.values(not)].flat().map(utteranceKey),
    ),
  );
  return rows.flatMap(({ text, intent, file, line }) => {
    if (text.trim() === '') return [{ file, line, message: 'has no text (columns: text,intent)' }];
    if (!known.has(intent)) return [{ file, line, message: `there is no intent "${intent}" in intents.json` }];
    if (trained.has(utteranceKey(text)))
      return [{ file, line, message: `"${text}" is trained on too: it can't judge what it made` }];
    return [];
  });
}
