import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { RETAILER } from '../bot/folder.ts';
import { buildFunctions } from './functions.ts';
import { buildInference } from './inference.ts';

const { values } = parseArgs({ options: { bot: { type: 'string' }, help: { type: 'boolean', short: 'h' } } });
if (values.help) {
  console.log(
    'npm run build [-- --bot <folder>]: dist/functions, with the bot of that folder, and dist/inference-container',
  );
  process.exit(0);
}
const bot = values.bot === undefined ? RETAILER : resolve(values.bot);
await Promise.all([buildFunctions({ bot }), buildInference()]);
