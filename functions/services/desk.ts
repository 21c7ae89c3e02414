import { z } from 'zod';
import type { Outside } from '../skills/skill.ts';
import { type Call, call, callJson } from './http.ts';
import { pathTo } from './path.ts';
import { settings } from './settings.ts';

/** The service desk's own HTTP API: its tickets. It does the same thing once for the same key, so each call may be repeated. */
export const desk: Outside['desk'] = {
  async openTicket(ticket, key) {
    return (await callJson('desk', tickets(), z.object({ id: z.string() }), posted(ticket, key))).id;
  },
  async addToTicket(ticket, text, key) {
    await call('desk', tickets(ticket, 'messages'), posted({ text }, key));
  },
  async closeTicket(ticket, key) {
    await call('desk', tickets(ticket, 'close'), posted({}, key));
  },
};

function tickets(...below: string[]): string {
  return pathTo('desk', `${settings().SHOP_URL}/tickets`, ...below);
}

/** Two calls in a row fit into a skill's deadline (conversation/policy.ts), each with one repetition. */
function posted(body: unknown, key: string): Call {
  return { timeout: 3_000, attempts: 2, method: 'POST', body, headers: { 'idempotency-key': key } };
}
