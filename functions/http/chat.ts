import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { settings } from '../services/settings.ts';
import { Problem } from './problem.ts';
import { route } from './route.ts';

/** The folder of the built app (scripts/build.ts puts `web/` beside the bundle). */
const here = dirname(fileURLToPath(import.meta.url));

/** The files of the chat page, beside the built app in `web/`. */
const files: Record<string, string> = {
  'chat.js': 'text/javascript; charset=utf-8',
  'chat.css': 'text/css; charset=utf-8',
  'webchat.js': 'text/javascript; charset=utf-8',
};

/** GET /chat: the chat page; it loads nothing from any other address. */
export const getChat = route(
  'chat',
  {
    summary: 'The chat page, and its files',
    access: 'anyone',
    path: z.object({ file: z.enum(['chat.js', 'chat.css', 'webchat.js']) }),
    answers: { 200: { description: 'The file.', type: 'text/html' } },
    problems: ['not_found'],
  },
  async (request) => {
    const name = request.params.file ?? '';
    if (name === '') return await page();
    const type = Object.hasOwn(files, name) ? files[name] : undefined;
    if (!type) throw new Problem('not_found');
    return { status: 200, headers: { 'content-type': type, 'cache-control': 'no-cache' }, body: await file(name) };
  },
);

async function page(): Promise<HttpResponseInit> {
  const { DIRECT_LINE_URL: directLine, SHOP_CUSTOMER_TOKEN_URL: shop, CHAT_FRAME_ANCESTORS: ancestors } = settings();
  // Web Chat makes its styles at run time; each page names them with a word that nobody can know before.
  const nonce = randomBytes(16).toString('base64');
  const { origin } = new URL(directLine);
  const policy = {
    'default-src': ["'none'"],
    'script-src': ["'self'"],
    'style-src': ["'self'", `'nonce-${nonce}'`],
    'img-src': ["'self'", 'data:', 'blob:', 'https:', origin, ...(shop ? [new URL(shop).origin] : [])],
    'connect-src': ["'self'", origin, origin.replace(/^http/, 'ws'), ...(shop ? [new URL(shop).origin] : [])],
    'font-src': ["'self'", 'data:'],
    'worker-src': ['blob:'],
    'base-uri': ["'none'"],
    'form-action': ["'none'"],
    'frame-ancestors': ancestors.length > 0 ? ancestors : ["'none'"],
  };
  const html = (await file('index.html')).toString();
  const values: Record<string, string> = { nonce, customerTokenUrl: shop ?? '' };
  return {
    status: 200,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'content-security-policy': Object.entries(policy)
        .map(([directive, sources]) => `${directive} ${sources.join(' ')}`)
        .join('; '),
    },
    body: html.replace(/\{\{(\w+)\}\}/g, (_, name: string) => attribute(values[name] ?? '')),
  };
}

function file(name: string): Promise<Buffer> {
  return readFile(join(here, 'web', name));
}

function attribute(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
