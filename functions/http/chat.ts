import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Problem } from './problem.ts';
import { route } from './route.ts';

/** The folder of the built app (scripts/build.ts puts `web/` beside the bundle). */
const here = dirname(fileURLToPath(import.meta.url));

/** The files of the chat page, beside the built app in `web/`. */
const files: Record<string, { name: string; type: string }> = {
  '': { name: 'index.html', type: 'text/html; charset=utf-8' },
  'chat.js': { name: 'chat.js', type: 'text/javascript; charset=utf-8' },
  'chat.css': { name: 'chat.css', type: 'text/css; charset=utf-8' },
  'webchat.js': { name: 'webchat.js', type: 'text/javascript; charset=utf-8' },
};

/** GET /chat: the chat page; it loads nothing from any other address. */
export const getChat = route('chat', async (request) => {
  const name = request.params.file ?? '';
  const file = Object.hasOwn(files, name) ? files[name] : undefined;
  if (!file) throw new Problem('not_found');
  return {
    status: 200,
    headers: {
      'content-type': file.type,
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    },
    body: await readFile(join(here, 'web', file.name)),
  };
});
