import { createHash } from 'node:crypto';
import { readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { recipe } from '../train/recipe.ts';
import { train } from '../train/train.ts';

const root = join(import.meta.dirname, '../..');
const CONTENT = join(root, 'functions/bot/intents.json');

/** Of in-scope accuracy: a wrong answer to what the bot knows nothing of is worse than one question too many. */
const GIVE_UP = 0.04;

/**
 * The bot's own model, trained from its content when there is none for that content yet. It is built here and not kept
 * in the repository: it takes seconds, and so it can never be older than the utterances.
 * Returns the model repository.
 */
export async function ensureIntentModel(repository: string, progress: (share: number) => void): Promise<string> {
  const version = await versionOf();
  const out = join(repository, 'intents', version);
  const current = join(repository, 'intents/config.json');
  if (!(await exists(join(out, 'model.json'))))
    await train({ data: CONTENT, out, name: 'intents', version, seed: 1, recipe, giveUp: GIVE_UP, progress });
  // Versions are checksums of the content, so the greatest is not the newest.
  await writeFile(`${current}.${process.pid}`, JSON.stringify({ versions: { only: [version] } }));
  await rename(`${current}.${process.pid}`, current);
  return repository;
}

/** Made of everything that decides the model's bytes: the content, the trainer, the features. */
async function versionOf(): Promise<string> {
  const hash = createHash('sha256');
  const trainer = join(root, 'scripts/train');
  const files = [
    CONTENT,
    join(import.meta.dirname, 'intent-model.ts'),
    join(root, 'inference-container/tasks/ngrams.ts'),
    ...(await readdir(trainer)).sort().map((name) => join(trainer, name)),
  ];
  for (const file of files) hash.update(await readFile(file));
  return `1.0.${Number.parseInt(hash.digest('hex').slice(0, 7), 16)}`;
}

function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
