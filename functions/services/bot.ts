import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mask } from '../conversation/mask.ts';
import { Bot, type Content, content } from '../dialog/bot.ts';
import { settings } from './settings.ts';
import { log } from './telemetry.ts';

/** The bot's content, beside the built app (scripts/build/functions.ts). */
const FILE = join(dirname(fileURLToPath(import.meta.url)), 'bot.json');
/** How often it is looked at whether there is another, in milliseconds. */
const LOOK = 500;

let current: Bot | undefined;
/** What people have published (services/content.ts): it counts, whatever was deployed. */
let published: Bot | null = null;
let given: Content | null = null;
let stamp = '';
let looked = 0;

/**
 * The bot as it is now. A turn asks once, and is answered from that to its end. What was published since is served within half a
 * second; one that can't be read is not: the last good one stays.
 */
export function currentBot(): Bot {
  return published ?? deployedBot();
}

/** The bot that was deployed with the app. */
export function deployedBot(): Bot {
  const now = Date.now();
  if (current && now - looked < LOOK) return current;
  try {
    const { mtimeMs, size, ino } = statSync(FILE);
    const seen = `${mtimeMs} ${size} ${ino}`;
    if (!current || seen !== stamp) {
      current = new Bot(content.parse(JSON.parse(readFileSync(FILE, 'utf8'))));
      stamp = seen;
    }
  } catch (error) {
    if (!current) throw error;
    log('error', "the bot's content can not be read; the last good one is served", { error: String(error) });
  }
  looked = now;
  return current;
}

/** Serves this one from now on; null: what was deployed. */
export function publishedBot(bot: Bot | null): void {
  published = bot;
}

/** Serves this one whatever stands beside the app: for tests, which run from the sources. */
export function serveBot(bot: Bot): void {
  current = bot;
  given = bot.content;
  looked = Number.POSITIVE_INFINITY;
}

/** All content of {@link serveBot}; null: it stands beside the app. */
export const builtIn = (): Content | null => given;

/** What is kept of a text: without personal details. */
export function keptOf(bot: Bot): (text: string) => string {
  return settings().MASK_PERSONAL_DETAILS ? (given) => mask(given, bot.personalDetails) : String;
}
