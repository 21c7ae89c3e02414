import type { HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { currentBot } from '../services/bot.ts';
import { attribute } from './page.ts';
import { Problem } from './problem.ts';
import { route } from './route.ts';
import { staticFile, webFile } from './static-file.ts';

const HTML = 'text/html; charset=utf-8';
const TYPES: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};
/** As esbuild names them: what is in them is in their name. */
const ASSET = /^assets\/[\w-]+\.(js|css|svg)$/;
const PAGE = /^[\w-]*(\/[\w.-]+){0,3}$/;

/** GET /console: the staff's pages. All of them are one document, which asks api/admin for what it shows. */
export const getConsole = route(
  'console',
  {
    summary: 'The console’s pages, and their files',
    access: 'anyone',
    path: z.object({ path: z.string() }),
    answers: {
      200: { description: 'The page or the file.', types: [HTML, ...Object.values(TYPES)] },
      304: { description: 'It is the one that the client has (If-None-Match).' },
    },
    problems: ['not_found'],
  },
  async (request) => {
    const path = request.params.path ?? '';
    const type = TYPES[ASSET.exec(path)?.[1] ?? ''];
    if (!type && !PAGE.test(path)) throw new Problem('not_found');
    if (!type) return await page();
    try {
      const headers = { 'content-type': type, 'cache-control': 'public, max-age=31536000, immutable' };
      return await staticFile(request, `console/${path}`, headers);
    } catch (error) {
      // Of another build.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new Problem('not_found');
      throw error;
    }
  },
);

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

async function page(): Promise<HttpResponseInit> {
  const html = (await webFile('console/index.html')).toString();
  return {
    status: 200,
    headers: {
      'content-type': HTML,
      'cache-control': 'no-cache',
      'referrer-policy': 'no-referrer',
      'content-security-policy': POLICY,
    },
    body: html.replaceAll('{{name}}', () => attribute(currentBot().content.about.name)),
  };
}
