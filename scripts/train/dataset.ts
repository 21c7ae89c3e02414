import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
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

const content = z.array(z.object({ name: z.string(), utterances: z.record(z.string(), z.array(z.string())) }));

/** Reads the bot's content (JSON) or a two-column CSV (`text,intent`). Throws an error that says what is wrong with the file. */
export async function readExamples(file: string): Promise<{ examples: Example[]; sha256: string }> {
  const bytes = await readFile(file);
  const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (file.endsWith('.csv')) {
    const { data, errors } = papaparse.parse<Record<string, string>>(text, { header: true, skipEmptyLines: true });
    if (errors[0]) throw new Error(`${file}, row ${errors[0].row}: ${errors[0].message}`);
    return { examples: data.map((row) => ({ text: row.text ?? '', intent: row.intent ?? row.label ?? '' })), sha256 };
  }
  const intents = content.parse(JSON.parse(text));
  const examples = intents.flatMap(({ name, utterances }) =>
    Object.values(utterances).flatMap((texts) => texts.map((text) => ({ text, intent: name }))),
  );
  return { examples, sha256 };
}

/** Splits by intent, a share of each for validation; the same seed splits the same way. */
export function split(examples: Example[], share: number, seed: number): { train: Example[]; validation: Example[] } {
  const train: Example[] = [];
  const validation: Example[] = [];
  const random = new Random(seed);
  const byIntent = Map.groupBy(examples, (example) => example.intent);
  for (const intent of [...byIntent.keys()].sort()) {
    const shuffled = random.shuffle([...byIntent.get(intent)!]);
    const held = Math.floor(shuffled.length * share);
    validation.push(...shuffled.slice(0, held));
    train.push(...shuffled.slice(held));
  }
  return { train, validation };
}
