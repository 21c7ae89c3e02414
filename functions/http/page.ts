import type { HttpResponseInit } from '@azure/functions';
import { currentBot } from '../services/bot.ts';
import { settings } from '../services/settings.ts';
import { webFile } from './static-file.ts';

export const HTML = 'text/html; charset=utf-8';

export function attribute(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

/** Where a page finds its texts. */
const NO_TEXTS = '<script id="texts" type="application/json">{}</script>';

/**
 * A page for customers (`file` below `web/`): in the bot's name and first language, with its texts, and with a policy of its own about where it may
 * ask. `more`: what stands in the place of its other marks.
 */
export async function customerPage(
  file: string,
  texts: unknown,
  sources: Record<string, readonly string[]>,
  more: Record<string, string> = {},
): Promise<HttpResponseInit> {
  const { CHAT_FRAME_ANCESTORS: ancestors } = settings();
  const policy = {
    'default-src': ["'none'"],
    ...sources,
    'base-uri': ["'none'"],
    'form-action': ["'none'"],
    'frame-ancestors': ancestors.length > 0 ? ancestors : ["'none'"],
  };
  const bot = currentBot();
  let html = (await webFile(file)).toString();
  for (const [mark, text] of Object.entries({
    ...more,
    name: bot.content.about.name,
    noScript: bot.say(bot.languages.first, 'page_no_script'),
  }))
    html = html.replaceAll(`{{${mark}}}`, () => attribute(text));
  // Inside of a script element, no text may end it.
  const json = JSON.stringify(texts).replaceAll('<', '\\u003c');
  return {
    status: 200,
    headers: {
      'content-type': HTML,
      'cache-control': 'no-cache',
      'referrer-policy': 'no-referrer',
      'content-security-policy': Object.entries(policy)
        .map(([directive, allowed]) => `${directive} ${allowed.join(' ')}`)
        .join('; '),
    },
    body: html
      .replace('lang="en"', () => `lang="${attribute(bot.languages.first)}"`)
      .replace(NO_TEXTS, () => NO_TEXTS.replace('{}', () => json)),
  };
}
