import type { HubEvent } from '../skills/skill.ts';
import { call } from './http.ts';
import { settings } from './settings.ts';
import { signed } from './signature.ts';

/** Tells another desk something, signed; the same `key` for the same thing, so that it may be told twice. */
export async function tellHub(event: HubEvent, key: string): Promise<void> {
  const { HUB_URL: url, HUB_KEY: secret } = settings();
  await call('hub', url!, {
    method: 'POST',
    body: event,
    headers: signed(secret!, key, event),
    timeout: 4_000,
    attempts: 2,
  });
}
