import { userInfo } from 'node:os';
import { relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { RETAILER } from '../bot/folder.ts';
import { loadSettings } from '../release/environment.ts';
import { exportContent, importFolder, showDifferences } from './folder.ts';

const HELP = `npm run content -- diff: how the bot's folder and what is live are different
npm run content -- export: takes what is live over into the folder, item by item; the rest of its files stays as it is written
npm run content -- import: takes what the folder has over as drafts; what was changed in the console since is left alone, and said
npm run content -- publish: makes the drafts live; with import in front, import --publish does both

  --folder functions/bot   another bot's folder
  --note "why"             with publish: what stands in the history
  --force                  with import: also what was changed in the console since

Works on the platform of this machine (npm start), or on a deployment whose settings stand in the environment (azd env get-values).
`;
const COMMANDS = ['diff', 'export', 'import', 'publish'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    folder: { type: 'string', default: RETAILER },
    note: { type: 'string', default: 'by npm run content' },
    publish: { type: 'boolean', default: false },
    force: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  },
});
const [command = ''] = positionals;
if (values.help || !COMMANDS.includes(command)) {
  console.log(HELP);
  process.exit(values.help ? 0 : 1);
}
try {
  await loadSettings();
  const folder = resolve(values.folder);
  const name = process.env.RELEASE_BY ?? userInfo().username;
  const by = { id: `command.${name}`, name };
  const shown = relative(process.cwd(), folder) || '.';
  const { isPublished, publishDrafts } = await import('../../functions/services/content.ts');
  if (!(await isPublished())) {
    console.log(
      'Nothing was published in the console yet: what was deployed is live. The first publication is made there.',
    );
    process.exit(command === 'publish' ? 1 : 0);
  }
  if (command === 'diff') await showDifferences(folder, shown);
  if (command === 'export') await exportContent(folder, shown);
  if (command === 'import') await importFolder(folder, shown, by, values);
  if (command === 'publish') {
    const { serial, changed } = await publishDrafts(by, values.note);
    console.log(`Version ${serial} is live: ${changed.join(', ')}`);
  }
  process.exit(process.exitCode ?? 0);
} catch (error) {
  const { problems = [] } = error as { problems?: { item: string | null; path: string; message: string }[] };
  for (const { item, path, message } of problems) console.error([item, path, message].filter(Boolean).join('  '));
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
