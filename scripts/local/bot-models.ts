import { createHash } from 'node:crypto';
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { faqOf } from '../bot/faq.ts';
import { botFolder, RETAILER } from '../bot/folder.ts';
import { openClassifier } from '../train/classifier.ts';
import { recipe } from '../train/recipe.ts';
import { trainRetrieval } from '../train/retrieval/train.ts';
import { train } from '../train/train.ts';

const root = join(import.meta.dirname, '../..');

/** The models of a bot, by the names that the gateway asks them by, and the versions that its folder makes. */
export interface Versions {
  intents: string;
  /** Null: it has no FAQ. */
  faq: string | null;
}

/**
 * The models of a bot, trained from its folder where there are none for its utterances yet. They are built here and not kept in the
 * repository: it takes seconds, and so they can never be older than the utterances. The FAQ's is there first, it takes the least time.
 * Returns the model repository.
 */
export async function ensureBotModels(
  repository: string,
  progress: (what: string, share: number) => void,
  bot: string = RETAILER,
): Promise<string> {
  const content = botFolder(bot);
  const versions = await modelVersions(bot);
  const out = (name: keyof Versions, version: string) => join(repository, name, version);
  const { giveUp, seed } = { giveUp: content.about.give_up, seed: 1 };
  if (versions.faq !== null) {
    const [name, version] = ['faq', versions.faq] as const;
    const show = (share: number) => progress('the FAQ', share);
    if (!(await exists(out(name, version))))
      await trainRetrieval({ ...faqOf(content), out: out(name, version), name, version, seed, progress: show });
    await serveOnly(repository, name, version);
  } else await rm(join(repository, 'faq'), { recursive: true, force: true });
  const [name, version] = ['intents', versions.intents] as const;
  if (!(await exists(out(name, version))))
    await train({
      data: join(bot, 'intents.json'),
      manners: content.languages,
      out: out(name, version),
      name,
      version,
      seed,
      recipe,
      giveUp,
      progress: (share) => progress('the intent model', share),
    });
  await serveOnly(repository, name, version);
  return repository;
}

/** Versions are checksums of the content, so the greatest is not the newest. */
async function serveOnly(repository: string, name: string, version: string): Promise<void> {
  const current = join(repository, name, 'config.json');
  await writeFile(`${current}.${process.pid}`, JSON.stringify({ versions: { only: [version] } }));
  await rename(`${current}.${process.pid}`, current);
}

/** The models of a bot as they lie in a repository, opened without their server. */
export async function openBotModels(repository: string) {
  const open = async (name: keyof Versions) => {
    const current = await readFile(join(repository, name, 'config.json'), 'utf8').catch(() => null);
    if (current === null) return null;
    const { versions } = JSON.parse(current) as { versions: { only: [string] } };
    const folder = join(repository, name, versions.only[0]);
    return await openClassifier(folder, JSON.parse(await readFile(join(folder, 'model.json'), 'utf8')));
  };
  const [intents, faq] = [await open('intents'), await open('faq')];
  if (!intents) throw new Error(`${repository} has no model of the intents`);
  return { intents, faq, close: async () => void (await Promise.all([intents.close(), faq?.close()])) };
}

/** Made of everything that decides the models' answers: what is said, the trainer, the features. An answer to an intent changes nothing. */
export async function modelVersions(bot: string = RETAILER): Promise<Versions> {
  const content = botFolder(bot);
  const { about, languages, intents, faq } = content;
  const said = intents.map(({ name, utterances, not }) => [name, utterances, not]);
  const questions = faq.map(({ name, question, other_ways }) => [name, question, other_ways]);
  const manners = languages.map(({ scripts, openings, closings, negations }) => [
    scripts,
    openings,
    closings,
    negations,
  ]);
  const code = await sources();
  return {
    intents: versionOf([code, about.give_up, manners, said]),
    faq: faq.length > 0 ? versionOf([code, about.faq_refuse, said, faq.map(({ answer }) => answer), questions]) : null,
  };
}

function versionOf(parts: unknown): string {
  const digest = createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  return `1.0.${Number.parseInt(digest.slice(0, 7), 16)}`;
}

async function sources(): Promise<string> {
  const hash = createHash('sha256');
  const trainer = join(root, 'scripts/train');
  const names = (await readdir(trainer, { recursive: true })).filter((name) => name.endsWith('.ts')).sort();
  const files = [
    import.meta.filename,
    join(root, 'scripts/bot/faq.ts'),
    join(root, 'inference-container/tasks/ngrams.ts'),
    ...names.map((name) => join(trainer, name)),
  ];
  for (const file of files) hash.update(await readFile(file));
  return hash.digest('hex');
}

function exists(folder: string): Promise<boolean> {
  return stat(join(folder, 'model.json')).then(
    () => true,
    () => false,
  );
}
