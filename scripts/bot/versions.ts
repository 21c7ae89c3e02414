import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { botFolder, RETAILER } from './folder.ts';

const root = join(import.meta.dirname, '../..');

/** The models of a bot, by the names that the gateway asks them by, and the versions that its folder makes. */
export interface Versions {
  intents: string;
  /** Null: it has no FAQ. */
  faq: string | null;
}

/** Made of everything that decides the models' answers: what is said, the trainer, the features. An answer to an intent changes nothing. */
export async function modelVersions(bot: string = RETAILER): Promise<Versions> {
  const content = botFolder(bot);
  const { about, languages, intents, faq, recipe } = content;
  const said = intents.map(({ name, utterances, not }) => [name, utterances, not]);
  const questions = faq.map(({ name, question, other_ways }) => [name, question, other_ways]);
  const manners = languages.map(({ scripts, openings, closings, negations }) => [
    scripts,
    openings,
    closings,
    negations,
  ]);
  const sourcesOf = await sources();
  return {
    intents: versionOf([sourcesOf.intents, about.give_up, manners, said, ...(recipe ? [recipe] : [])]),
    faq:
      faq.length > 0
        ? versionOf([sourcesOf.faq, about.faq_refuse, said, faq.map(({ answer }) => answer), questions])
        : null,
  };
}

function versionOf(parts: unknown): string {
  const digest = createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  return `1.0.${Number.parseInt(digest.slice(0, 7), 16)}`;
}

/** The code that each is made by, as checksums. */
async function sources(): Promise<{ intents: string; faq: string }> {
  const trainer = join(root, 'functions/training');
  const all = (await readdir(trainer, { recursive: true })).filter((name) => name.endsWith('.ts')).sort();
  // How a training is worked on, how settings are searched for, and what is made of pictures decides nothing of what is made of words.
  const isBeside = (name: string) =>
    ['job', 'image'].some((folder) => name.startsWith(folder)) ||
    (name.startsWith('search') && basename(name) !== 'settings.ts');
  const names = all.filter((name) => !isBeside(name) && name !== 'faq.ts');
  const shared = [
    join(root, 'inference-container/tasks/ngrams.ts'),
    ...names.filter((name) => !name.startsWith('retrieval')).map((name) => join(trainer, name)),
  ];
  const own = [
    join(trainer, 'faq.ts'),
    ...names.filter((name) => name.startsWith('retrieval')).map((name) => join(trainer, name)),
  ];
  const checksum = async (files: readonly string[]) => {
    const hash = createHash('sha256');
    for (const file of files) hash.update(await readFile(file));
    return hash.digest('hex');
  };
  return { intents: await checksum(shared), faq: await checksum([...shared, ...own]) };
}
