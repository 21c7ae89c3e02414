import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import papaparse from 'papaparse';
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
