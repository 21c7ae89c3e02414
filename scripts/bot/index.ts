import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { fileShapes, lines, RETAILER, readBotFolder } from './folder.ts';
import { showSuggestions } from './suggestions.ts';

const HELP = `npm run bot -- check [folder]: what is wrong with a bot's folder, with file and line (functions/bot, if none is named)
npm run bot -- schemas:        writes the JSON Schemas of its files to docs/schemas
npm run bot -- suggestions:    other ways to say things, as users have shown by tapping what was offered for what they said; of the
                               platform that runs on this machine, or of the deployment that COSMOS_ENDPOINT names
`;
const COMMANDS = ['check', 'schemas', 'suggestions'];
const root = join(import.meta.dirname, '../..');

/** The JSON Schema of each file of a bot's folder, by its name: an editor that is given it helps while somebody types. */
export function schemas(): Map<string, string> {
  return new Map(
    fileShapes.map(({ file, shape }) => {
      const schema = z.toJSONSchema(shape, { io: 'input', unrepresentable: 'any' });
      return [file.replace('.json', '.schema.json'), `${JSON.stringify(schema, null, 2)}\n`];
    }),
  );
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h' } },
  });
  const [command, folder = RETAILER] = positionals;
  if (values.help || !COMMANDS.includes(command ?? '')) {
    console.log(HELP);
    process.exit(values.help ? 0 : 1);
  }
  if (command === 'suggestions') {
    try {
      await showSuggestions();
      process.exit(0);
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
      process.exit(1);
    }
  }
  if (command === 'schemas') {
    await mkdir(join(root, 'docs/schemas'), { recursive: true });
    for (const [file, text] of schemas()) await writeFile(join(root, 'docs/schemas', file), text);
    console.log(`Written: docs/schemas (${schemas().size} files)`);
  } else {
    const { content, problems } = readBotFolder(resolve(folder));
    for (const line of lines(problems)) console.error(line);
    if (content) {
      const { intents, faq, flows, languages } = content;
      const spoken = languages.map(({ tag }) => tag).join(', ');
      console.log(
        `${relative(process.cwd(), resolve(folder))}: ${intents.length} intents, ${faq.length} entries of a FAQ, ${Object.keys(flows).length} flows, in ${spoken}. Nothing wrong.`,
      );
    } else process.exitCode = 1;
  }
}
