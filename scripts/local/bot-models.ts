import { cp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openClassifier } from '../../functions/training/classifier.ts';
import { faqOf } from '../../functions/training/faq.ts';
import { recipe } from '../../functions/training/recipe.ts';
import { trainRetrieval } from '../../functions/training/retrieval/train.ts';
import { varied } from '../../functions/training/search/settings.ts';
import { train } from '../../functions/training/train.ts';
import { botFolder, RETAILER } from '../bot/folder.ts';
import { modelVersions, type Versions } from '../bot/versions.ts';

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
      recipe: varied(recipe, content.recipe ?? {}),
      giveUp,
      progress: (share) => progress('the intent model', share),
    });
  await serveOnly(repository, name, version);
  await bringAlong(join(bot, 'models'), repository);
  return repository;
}

/** The bot's own, which are trained from its words. */
const OWN = ['intents', 'faq'];

/** Models that a bot brings in its folder, `models/<name>/<version>`: the newest version of each is served as it is. */
async function bringAlong(from: string, repository: string): Promise<void> {
  for (const name of await folders(from)) {
    if (OWN.includes(name)) throw new Error(`${from}: ${name} is trained from the bot's words, and can't be brought`);
    const versions = await folders(join(from, name));
    const version = versions.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))[0];
    if (!version) continue;
    const [source, out] = [join(from, name, version), join(repository, name, version)];
    const said = (folder: string) => readFile(join(folder, 'model.json'), 'utf8').catch(() => null);
    // Each file's checksum stands in it.
    if ((await said(source)) !== (await said(out))) {
      // Written beside it and renamed: a server that watches sees it whole.
      const draft = join(repository, name, `.${version}.${process.pid}`);
      await cp(source, draft, { recursive: true });
      await rm(out, { recursive: true, force: true });
      await rename(draft, out);
    }
    await serveOnly(repository, name, version);
  }
}

/** Names of the folders in a folder; none where there is no such folder. */
async function folders(of: string): Promise<string[]> {
  const entries = await readdir(of, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map(({ name }) => name);
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

function exists(folder: string): Promise<boolean> {
  return stat(join(folder, 'model.json')).then(
    () => true,
    () => false,
  );
}
