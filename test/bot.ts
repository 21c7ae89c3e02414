import { join } from 'node:path';
import { Bot } from '../functions/dialog/bot.ts';
import { botFolder } from '../scripts/bot/folder.ts';

/** The retailer's bot, from its folder. */
export const content = botFolder(join(import.meta.dirname, '../functions/bot'));
export const bot = new Bot(content);
