import type { HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { currentBot } from '../services/bot.ts';
import { settings } from '../services/settings.ts';
import { customerPage, HTML } from './page.ts';
import { Problem } from './problem.ts';
import { route } from './route.ts';
import { staticFile } from './static-file.ts';

/** The files of the chat page, beside the built app in `web/`. */
const files: Record<string, string> = {
  'chat.js': 'text/javascript; charset=utf-8',
  'chat.css': 'text/css; charset=utf-8',
  'embed.js': 'text/javascript; charset=utf-8',
  'webchat.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
};

/** GET /chat: the chat page; it loads nothing from any other address. */
export const getChat = route(
  'chat',
  {
    summary: 'The chat page, and its files',
    access: 'anyone',
    path: z.object({ file: z.enum(['chat.js', 'chat.css', 'embed.js', 'webchat.js', 'icon.svg']) }),
    answers: {
      200: { description: 'The file.', types: [HTML, ...Object.values(files)] },
      304: { description: 'It is the one that the client has (If-None-Match).' },
    },
    problems: ['not_found'],
  },
  async (request) => {
    const name = request.params.file ?? '';
    if (name === '') return await page();
    const type = Object.hasOwn(files, name) ? files[name] : undefined;
    if (!type) throw new Problem('not_found');
    // Whoever has it is told so: the page is there at once when it is opened again.
    return await staticFile(request, name, { 'content-type': type, 'cache-control': 'no-cache' });
  },
);

/** What the page says, in each of the bot's languages. */
function texts() {
  const bot = currentBot();
  const { about, languages } = bot.content;
  const own = (tag: string) => {
    const say = (phrase: string) => bot.say(tag, phrase, { name: about.name });
    const starters = about.starters.flatMap((name) => bot.of(tag, bot.intents.get(name)?.utterances)?.[0] ?? []);
    return {
      intro: say('page_intro'),
      greeting: say('page_greeting'),
      starters,
      restart: say('page_restart'),
      restartAsk: say('page_restart_ask'),
      lost: say('page_lost'),
      ended: say('page_ended'),
      send: say('page_send'),
    };
  };
  return { name: about.name, languages: languages.map(({ tag }) => ({ tag, ...own(tag) })) };
}

/**
 * Web Chat adds `<style>` elements that are empty, and writes their rules by script, which no policy governs: the hash is that
 * of nothing. Its worker makes pictures smaller; uploads and thumbnails are blobs. A shop's pictures may be anywhere.
 */
const EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='";

async function page(): Promise<HttpResponseInit> {
  const { DIRECT_LINE_URL: directLine, SHOP_URL: shop, SHOP_CUSTOMER_TOKEN_URL: customerTokenUrl } = settings();
  const channel = new URL(directLine).origin;
  const sources = {
    'script-src': ["'self'"],
    'style-src': ["'self'", EMPTY_STYLE],
    'img-src': ["'self'", 'blob:', 'https:', channel, new URL(shop).origin],
    'connect-src': [
      "'self'",
      'blob:',
      channel,
      channel.replace(/^http/, 'ws'),
      ...(customerTokenUrl ? [new URL(customerTokenUrl).origin] : []),
    ],
    'worker-src': ['blob:'],
    'require-trusted-types-for': ["'script'"],
    'trusted-types': ['default'],
  };
  return await customerPage('index.html', texts(), sources, { customerTokenUrl: customerTokenUrl ?? '' });
}
