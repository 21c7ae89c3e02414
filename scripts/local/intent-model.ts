import { createHash } from 'node:crypto';
import { readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { botFolder, RETAILER } from '../bot/folder.ts';
import { recipe } from '../train/recipe.ts';
import { train } from '../train/train.ts';

const root = join(import.meta.dirname, '../..');

/**
 * The model of a bot, trained from its folder when there is none for its utterances yet. It is built here and not kept in the
 * repository: it takes seconds, and so it can never be older than the utterances. Returns the model repository.
 */
export async function ensureIntentModel(
  repository: string,
  progress: (share: number) => void,
  bot: string = RETAILER,
): Promise<string> {
  const version = await modelVersion(bot);
  const out = join(repository, 'intents', version);
  const current = join(repository, 'intents/config.json');
  if (!(await exists(join(out, 'model.json')))) {
    const {
      about: { give_up: giveUp },
      languages: manners,
    } = botFolder(bot);
    const data = join(bot, 'intents.json');
    await train({ data, out, name: 'intents', version, seed: 1, recipe, giveUp, manners, progress });
  }
  // Versions are checksums of the content, so the greatest is not the newest.
  await writeFile(`${current}.${process.pid}`, JSON.stringify({ versions: { only: [version] } }));
  await rename(`${current}.${process.pid}`, current);
  return repository;
}

/** Made of everything that decides the model's answers: the utterances, the trainer, the features. An answer alone changes nothing. */
export async function modelVersion(bot: string = RETAILER): Promise<string> {
  const { intents, about, languages } = botFolder(bot);
  const hash = createHash('sha256').update(
    JSON.stringify([
      about.give_up,
      languages.map(({ scripts, openings, closings }) => [scripts, openings, closings]),
      intents.map(({ name, utterances, not }) => [name, utterances, not]),
    ]),
  );
  const trainer = join(root, 'scripts/train');
  const files = [
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
