import { createHash } from 'node:crypto';
import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import { waitOf } from '../conversations.ts';
import { json } from '../route.ts';

/** What changes with the clock alone, and is no news. */
const CLOCK = new Set(['now']);

/**
 * Answers with what is there now, or, where the caller has that already (If-None-Match), with the next that is another, as soon as it is
 * there (`Prefer: wait`); 304 when nothing came. `changed` waits for a hint that there may be something, at most so many milliseconds.
 */
export async function longPoll<T extends object>(
  request: HttpRequest,
  look: () => Promise<T>,
  changed: (ms: number) => Promise<unknown>,
  pause: number,
): Promise<HttpResponseInit> {
  const known = request.headers.get('if-none-match');
  const end = Date.now() + waitOf(request) * 1_000;
  for (;;) {
    const found = await look();
    const etag = etagOf(found);
    const headers = { etag, 'cache-control': 'no-store' };
    if (etag !== known) return json(200, found, headers);
    const left = end - Date.now();
    if (left <= 0) return { status: 304, headers };
    await changed(Math.min(pause, left));
  }
}

function etagOf(found: object): string {
  const lasting = Object.entries(found).filter(([name]) => !CLOCK.has(name));
  return `"${createHash('sha256').update(JSON.stringify(lasting)).digest('base64url').slice(0, 27)}"`;
}
