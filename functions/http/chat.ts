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

const HTML = 'text/html; charset=utf-8';

/** The files of the chat page, beside the built app in `web/`. */
const files: Record<string, string> = {
  'chat.js': 'text/javascript; charset=utf-8',
  'chat.css': 'text/css; charset=utf-8',
  'webchat.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
};

/** GET /chat: the chat page; it loads nothing from any other address. */
export const getChat = route(
  'chat',
  {
    summary: 'The chat page, and its files',
    access: 'anyone',
    path: z.object({ file: z.enum(['chat.js', 'chat.css', 'webchat.js', 'icon.svg']) }),
    answers: { 200: { description: 'The file.', types: [HTML, ...Object.values(files)] } },
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

/**
 * Web Chat adds `<style>` elements that are empty, and writes their rules by script, which no policy governs: the hash is that
 * of nothing. Its worker makes pictures smaller; uploads and thumbnails are blobs. A shop's pictures may be anywhere.
 */
const EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='";

async function page(): Promise<HttpResponseInit> {
  const {
    DIRECT_LINE_URL: directLine,
    SHOP_URL: shop,
    SHOP_CUSTOMER_TOKEN_URL: customerTokenUrl,
    CHAT_FRAME_ANCESTORS: ancestors,
  } = settings();
  const channel = new URL(directLine).origin;
  const policy = {
    'default-src': ["'none'"],
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
    'base-uri': ["'none'"],
    'form-action': ["'none'"],
    'frame-ancestors': ancestors.length > 0 ? ancestors : ["'none'"],
    'require-trusted-types-for': ["'script'"],
    'trusted-types': ['default'],
  };
  const html = (await file('index.html')).toString();
  return {
    status: 200,
    headers: {
      'content-type': HTML,
      'cache-control': 'no-cache',
      'referrer-policy': 'no-referrer',
      'content-security-policy': Object.entries(policy)
        .map(([directive, sources]) => `${directive} ${sources.join(' ')}`)
        .join('; '),
    },
    body: html.replace('{{customerTokenUrl}}', () => attribute(customerTokenUrl ?? '')),
  };
}

function file(name: string): Promise<Buffer> {
  return readFile(join(here, 'web', name));
}

function attribute(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
