import { type Container, CosmosClient, ErrorResponse } from '@azure/cosmos';
import type { AnsweredTurn, Conversation } from '../conversation/document.ts';
import type { Release } from '../releases/release.ts';
import { Rejected, Unavailable } from './failure.ts';
import { credential } from './identity.ts';
import { settings } from './settings.ts';

/** A document with the ETag that guards its next write. */
export interface Versioned<T> {
  document: T;
  etag: string;
}

export interface User {
  id: string;
  locale: string;
  createdAt: number;
}

/** One turn in the call log (container `turns`, partition key = conversationId). */
export interface LoggedTurn extends AnsweredTurn {
  conversationId: string;
  channel: string;
  feedback?: { rating: 'up' | 'down'; comment?: string; at: number };
  label?: string;
  ttl: number;
}

/** What an operator must look at (container `incidents`, partition key = id). */
export interface Incident {
  id: string;
  kind: 'turn_failed' | 'delivery_failed' | 'poison_message';
  conversationId: string | null;
  turnId: string | null;
  reason: string;
  at: number;
  ttl: number;
}

type Name = 'conversations' | 'users' | 'turns' | 'incidents' | 'releases';

let client: CosmosClient | undefined;

function container(name: Name): Container {
  if (!client) {
    const { COSMOS_ENDPOINT: endpoint, COSMOS_KEY: key } = settings();
    client = new CosmosClient({
      endpoint,
      ...(key ? { key } : { aadCredentials: credential() }),
      connectionPolicy: {
        requestTimeout: 5_000,
        // Discovery reads the addresses of the account's regions; an endpoint without TLS has none.
        enableEndpointDiscovery: endpoint.startsWith('https:'),
        retryOptions: { maxRetryAttemptCount: 5, fixedRetryIntervalInMilliseconds: 0, maxWaitTimeInSeconds: 5 },
      },
    });
  }
  return client.database(settings().COSMOS_DATABASE).container(name);
}

/** Thrown when a guarded write finds another version: read again and recompute. */
export class Conflict extends Error {}
/** Thrown when a document is over Cosmos DB's limit of 2 MiB. */
export class TooLarge extends Error {}

/** Of one call with all its attempts: against an account in Azure the SDK alone goes on for ten minutes. */
const DEADLINE_MS = 10_000;

async function guard<T>(work: (options: { abortSignal: AbortSignal }) => Promise<T>): Promise<T> {
  try {
    return await work({ abortSignal: AbortSignal.timeout(DEADLINE_MS) });
  } catch (error) {
    const status = error instanceof ErrorResponse ? Number(error.code) : 0;
    // 449: two writers met inside the service; the write was not made.
    if (status === 409 || status === 412 || status === 449) throw new Conflict(String(status), { cause: error });
    if (status === 413) throw new TooLarge('over 2 MiB', { cause: error });
    if (status === 429) {
      const after = error instanceof ErrorResponse ? (error.retryAfterInMs ?? 0) : 0;
      throw new Unavailable('cosmos', 'request units are used up', after, { cause: error });
    }
    if (status >= 400 && status < 500 && status !== 408 && status !== 410)
      throw new Rejected('cosmos', message(error), status, { cause: error });
    throw new Unavailable('cosmos', message(error), 0, { cause: error });
  }
}

function message(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!.slice(0, 300);
}

export async function readConversation(id: string): Promise<Versioned<Conversation> | null> {
  const { resource, etag, statusCode } = await guard((options) =>
    container('conversations').item(id, id).read<Conversation>(options),
  );
  return resource && statusCode !== 404 ? { document: resource, etag } : null;
}

/** Creates a document. Throws {@link Conflict} when it exists. */
export async function createConversation(document: Conversation): Promise<void> {
  await guard((options) => container('conversations').items.create(document, options));
}

/** Replaces a document if it still has this ETag. Throws {@link Conflict} otherwise, or when it is gone. */
export async function replaceConversation(document: Conversation, etag: string): Promise<void> {
  try {
    await guard((options) =>
      container('conversations')
        .item(document.id, document.id)
        .replace(document, { ...options, accessCondition: { type: 'IfMatch', condition: etag } }),
    );
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) throw new Conflict('gone', { cause: error });
    throw error;
  }
}

/** Ids of documents whose `wakeAt` has passed, at most `limit`. */
export async function dueConversations(now: number, limit: number): Promise<string[]> {
  const { resources } = await guard((options) =>
    container('conversations')
      .items.query<{ id: string }>(
        {
          // `> 0` also leaves out null, which must not be compared with a number.
          query: `SELECT TOP ${limit} c.id FROM c WHERE c.wakeAt > 0 AND c.wakeAt <= @now ORDER BY c.wakeAt`,
          parameters: [{ name: '@now', value: now }],
        },
        { ...options, maxItemCount: limit },
      )
      .fetchAll(),
  );
  return resources.map((row) => row.id);
}

/** Users whose profile this process has seen: most conversations are of one. */
const seen = new Set<string>();
const SEEN = 10_000;

/** Creates the user's profile if there is none. */
export async function ensureUser(user: User): Promise<void> {
  if (seen.has(user.id)) return;
  try {
    await guard((options) => container('users').items.create(user, options));
  } catch (error) {
    if (!(error instanceof Conflict)) throw error;
  }
  if (seen.size >= SEEN) seen.clear();
  seen.add(user.id);
}

/** Writes a turn to the call log; repeated, it changes nothing but keeps feedback and label. */
export async function logTurn(turn: LoggedTurn): Promise<void> {
  try {
    await guard((options) => container('turns').items.create(turn, options));
  } catch (error) {
    if (!(error instanceof Conflict)) throw error;
  }
}

/** Removes turns from the call log. */
export async function removeTurns(conversationId: string, turnIds: Iterable<string>): Promise<void> {
  for (const id of turnIds) await remove('turns', id, conversationId);
}

export async function readTurn(conversationId: string, turnId: string): Promise<Versioned<LoggedTurn> | null> {
  const { resource, etag, statusCode } = await guard((options) =>
    container('turns').item(turnId, conversationId).read<LoggedTurn>(options),
  );
  return resource && statusCode !== 404 ? { document: resource, etag } : null;
}

export async function replaceTurn(turn: LoggedTurn, etag: string): Promise<void> {
  await guard((options) =>
    container('turns')
      .item(turn.id, turn.conversationId)
      .replace(turn, { ...options, accessCondition: { type: 'IfMatch', condition: etag } }),
  );
}

/** Records an incident once. */
export async function recordIncident(incident: Incident): Promise<void> {
  await guard((options) => container('incidents').items.upsert(incident, options));
}

export async function readRelease(id: string): Promise<Versioned<Release> | null> {
  const { resource, etag, statusCode } = await guard((options) =>
    container('releases').item(id, id).read<Release>(options),
  );
  return resource && statusCode !== 404 ? { document: strip(resource), etag } : null;
}

/** Creates a release. Throws {@link Conflict} when it exists. */
export async function createRelease(release: Release): Promise<void> {
  await guard((options) => container('releases').items.create(release, options));
}

/** Replaces a release if it still has this ETag. Throws {@link Conflict} otherwise. */
export async function replaceRelease(release: Release, etag: string): Promise<void> {
  await guard((options) =>
    container('releases')
      .item(release.id, release.id)
      .replace(release, { ...options, accessCondition: { type: 'IfMatch', condition: etag } }),
  );
}

/** The newest releases first. */
export async function listReleases(limit: number): Promise<Release[]> {
  const { resources } = await guard((options) =>
    container('releases')
      .items.query<Release>(
        { query: `SELECT TOP ${limit} * FROM c ORDER BY c.pushedAt DESC` },
        { ...options, maxItemCount: limit },
      )
      .fetchAll(),
  );
  return resources.map(strip);
}

/** The last logged turns that the model answered. */
export async function lastTurns(limit: number): Promise<{ id: string; text: string }[]> {
  const { resources } = await guard((options) =>
    container('turns')
      .items.query<{ id: string; text: string }>(
        {
          query: `SELECT TOP ${limit} c.id, c.text FROM c WHERE c.answeredAt > 0 ORDER BY c.answeredAt DESC`,
        },
        { ...options, maxItemCount: limit },
      )
      .fetchAll(),
  );
  return resources.filter(({ text }) => text);
}

/** The newest incidents first. */
export async function listIncidents(limit: number): Promise<Incident[]> {
  const { resources } = await guard((options) =>
    container('incidents')
      .items.query<Incident>(
        { query: `SELECT TOP ${limit} * FROM c ORDER BY c.at DESC` },
        { ...options, maxItemCount: limit },
      )
      .fetchAll(),
  );
  return resources.map(strip);
}

/** Everything that is kept about a user. */
export async function exportUser(
  userId: string,
): Promise<{ user: User | null; conversations: Conversation[]; turns: LoggedTurn[] }> {
  const { resource } = await guard((options) => container('users').item(userId, userId).read<User>(options));
  const conversations = await ofUser<Conversation>('conversations', userId);
  const turns = await ofUser<LoggedTurn>('turns', userId);
  return { user: resource ? strip(resource) : null, conversations: conversations.map(strip), turns: turns.map(strip) };
}

/** Erases a user: conversations first, so that no worker can log another turn. Repeatable. Returns what was removed. */
export async function eraseUser(userId: string): Promise<{ conversations: number; turns: number }> {
  const conversations = await ofUser<Conversation>('conversations', userId);
  for (const { id } of conversations) await remove('conversations', id, id);
  const turns = await ofUser<LoggedTurn>('turns', userId);
  for (const turn of turns) await remove('turns', turn.id, turn.conversationId);
  seen.delete(userId);
  await remove('users', userId, userId);
  return { conversations: conversations.length, turns: turns.length };
}

async function ofUser<T>(name: Name, userId: string): Promise<T[]> {
  const { resources } = await guard((options) =>
    container(name)
      .items.query<T>(
        {
          query: 'SELECT * FROM c WHERE c.userId = @user',
          parameters: [{ name: '@user', value: userId }],
        },
        options,
      )
      .fetchAll(),
  );
  return resources;
}

async function remove(name: Name, id: string, partition: string): Promise<void> {
  try {
    await guard((options) => container(name).item(id, partition).delete(options));
  } catch (error) {
    if (!(error instanceof Rejected && error.status === 404)) throw error;
  }
}

/** Without Cosmos DB's own fields. */
function strip<T extends object>(document: T): T {
  return Object.fromEntries(Object.entries(document).filter(([key]) => !key.startsWith('_'))) as T;
}
