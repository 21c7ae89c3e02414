import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Role } from '../../functions/services/sign-in.ts';
import { ensureBotModels } from '../../scripts/local/bot-models.ts';
import { type Platform, type PlatformOptions, startPlatform } from '../../scripts/local/platform.ts';
import { freePorts, type Ports } from '../../scripts/local/ports.ts';

export const root = join(import.meta.dirname, '../..');

/**
 * The whole platform on free ports, with the built app and the bot's own model, for one test file. `settings` of the
 * gateway may be made of the ports.
 */
export function usePlatform(
  settings: Record<string, string> | ((ports: Ports) => Record<string, string>) = {},
  started: (platform: Platform) => Promise<void> = async () => {},
  more: Partial<PlatformOptions> = {},
): { readonly platform: Platform } {
  let platform: Platform | undefined;
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'maru-'));
    const models = await ensureBotModels(join(root, '.local/models'), () => {});
    const ports = await freePorts();
    // All of a test's requests come from one address, and many of one user.
    const rates = { RATE_ADDRESS: '1000000', RATE_ANONYMOUS: '1000000', RATE_USER: '1000000' };
    const given = { ...rates, ...(typeof settings === 'function' ? settings(ports) : settings) };
    platform = await startPlatform({ ports, folder, models, keep: false, settings: given, ...more });
    await started(platform);
  });
  after(async () => {
    await platform?.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });
  return {
    get platform() {
      if (!platform) throw new Error('the platform is not started yet');
      return platform;
    },
  };
}

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever came back
  body: any;
}

/** One request to the gateway with its key; a string body is sent as it is. */
export async function request(
  { gateway, key }: Platform,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const raw = typeof body === 'string' || body instanceof Uint8Array || body instanceof ReadableStream;
  const response = await fetch(`${gateway}${path}`, {
    method,
    headers: {
      'x-functions-key': key,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: raw ? body : JSON.stringify(body) }),
    ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
  } as RequestInit);
  const text = await response.text();
  const json = /json/.test(response.headers.get('content-type') ?? '');
  const answer = { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
  await assertDocumented(gateway, method, path, answer);
  return answer;
}

type Documents = Record<string, Record<string, { responses: Record<string, { description: string }> }>>;
const documents = new Map<string, Documents>();

/** Whatever the API answers in any test is named in its OpenAPI document: the status, and the code of a problem. */
async function assertDocumented(gateway: string, method: string, path: string, answer: Answer): Promise<void> {
  const { paths } = documents.has(gateway)
    ? { paths: documents.get(gateway)! }
    : ((await (await fetch(`${gateway}/api/openapi.json`)).json()) as { paths?: Documents });
  if (!paths) return;
  documents.set(gateway, paths);
  const segments = path.split('?')[0]!.split('/');
  const template = Object.keys(paths).find((known) => {
    const parts = known.split('/');
    return parts.length === segments.length && parts.every((part, at) => part === segments[at] || part.startsWith('{'));
  });
  const documented = template && paths[template]![method === 'HEAD' ? 'get' : method.toLowerCase()];
  if (!documented) return;
  const named = documented.responses[answer.status];
  assert.ok(named, `${method} ${template} does not name ${answer.status}`);
  const { code } = (answer.body ?? {}) as { code?: string };
  if (answer.status >= 400 && code)
    assert.match(named.description, new RegExp(`\\b${code}\\b`), `${method} ${template}`);
}

/** Says something over the HTTP API and waits for the answer. */
export async function say(
  platform: Platform,
  conversationId: string,
  text: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const user = `user-of-${conversationId}`;
  const body = { userId: user, customerId: user, text };
  return await request(platform, 'POST', `/api/conversations/${conversationId}/messages`, body, {
    prefer: 'wait=20',
    ...headers,
  });
}

/** One request to the console's API, as somebody of the staff. */
export async function asStaff(
  platform: Platform,
  { name, roles }: { name: string; roles: readonly Role[] },
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer> {
  const token = await platform.entra.token(roles, { name });
  return await request(platform, method, `/api/admin/${path}`, body, { authorization: `Bearer ${token}` });
}

/** Waits until `look` gives something; throws after `seconds`. */
export async function eventually<T>(look: () => Promise<T | null | undefined | false>, seconds = 15): Promise<T> {
  const end = Date.now() + seconds * 1_000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${look}`);
    await sleep(100);
  }
}

let serial = 0;
export const unique = (prefix: string): string => `${prefix}-${process.pid}-${serial++}`;
