import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** The bot's held-out utterances, beside the built app (scripts/build/functions.ts): read by releases alone. */
const FILE = join(dirname(fileURLToPath(import.meta.url)), 'held-out.json');

const heldOutFile = z.strictObject({
  intents: z.array(z.strictObject({ text: z.string().min(1), intent: z.string().min(1) })),
  faq: z.array(z.strictObject({ text: z.string().min(1), entry: z.string().min(1) })),
});
type HeldOut = z.infer<typeof heldOutFile>;

let used: HeldOut | undefined;

/** What nothing was trained on, and a person has said what it means or which entry answers it; none where the bot has no such set. */
export async function heldOut(): Promise<HeldOut> {
  used ??= await readFile(FILE, 'utf8').then(
    (text) => heldOutFile.parse(JSON.parse(text)),
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return { intents: [], faq: [] };
      throw error;
    },
  );
  return used;
}

/** Uses these whatever stands beside the app: for tests, which run from the sources. */
export function useHeldOut(rows: HeldOut): void {
  used = rows;
}
