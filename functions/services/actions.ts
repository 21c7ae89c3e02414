import { actions } from '#bot';
import type { Bot } from '../dialog/bot.ts';
import type { Action } from '../dialog/flow.ts';
import { type ActionResult, actionResult } from '../dialog/value.ts';
import type { ActionRequest } from '../skills/skill.ts';
import { Rejected } from './failure.ts';
import { callJson } from './http.ts';
import { signed } from './signature.ts';

/** One attempt, and one more; three calls fit into a skill's deadline (conversation/policy.ts). */
const ATTEMPTS = 2;

/** Runs an action of a bot: its code, or a call over HTTP. Throws Unavailable or Rejected. */
export async function act(bot: Bot, name: string, request: ActionRequest): Promise<ActionResult> {
  const known = bot.content.actions[name];
  if (!known) throw new Error(`there is no action "${name}"`);
  const given = known.http ? await post(name, known.http, request) : await run(name, request);
  // What it may say is bounded, whoever says it.
  const parsed = actionResult.safeParse(given);
  if (!parsed.success)
    throw new Rejected(name, `answered in another shape (${parsed.error.issues[0]?.path.join('.')})`);
  if (!known.results.includes(parsed.data.result))
    throw new Rejected(name, 'answered with a result that it does not name');
  return parsed.data;
}

async function run(name: string, request: ActionRequest): Promise<unknown> {
  const own = Object.hasOwn(actions, name) ? actions[name] : undefined;
  if (!own) throw new Error(`the action "${name}" has neither an address nor code`);
  return await own(request);
}

async function post(
  name: string,
  { url, key, timeout_seconds, statuses }: NonNullable<Action['http']>,
  { key: idempotencyKey, ...said }: ActionRequest,
): Promise<ActionResult> {
  const body = { action: name, ...said };
  try {
    return await callJson(name, addressOf(url), actionResult, {
      method: 'POST',
      body,
      headers: { 'idempotency-key': idempotencyKey, ...(key ? signed(setting(key), idempotencyKey, body) : {}) },
      timeout: timeout_seconds * 1_000,
      attempts: ATTEMPTS,
      limit: 200_000,
    });
  } catch (error) {
    const result = error instanceof Rejected ? statuses[error.status] : undefined;
    if (result === undefined) throw error;
    return { result };
  }
}

/** `{CLINIC_URL}/appointments`, with the setting in its place. The folder's check knows that bot.json names it. */
function addressOf(url: string): string {
  return url.replace(/^\{(\w+)\}/, (_, name: string) => setting(name).replace(/(?<!\/)\/+$/, ''));
}

function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`the setting ${name} is missing; an action of the bot needs it`);
  return value;
}
