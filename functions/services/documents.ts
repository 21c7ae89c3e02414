import { setTimeout as sleep } from 'node:timers/promises';
import { type Container, CosmosClient, ErrorResponse, type SqlParameter } from '@azure/cosmos';
import { Rejected, Unavailable, unavailable } from './failure.ts';
import { credential } from './identity.ts';
import { settings } from './settings.ts';
import { type ContainerName, containers } from './stores.ts';

export type { SqlParameter };

/** A document with the ETag that guards its next write. */
export interface Versioned<D> {
  document: D;
  etag: string;
}

/** Thrown when a guarded write finds another version: read again and recompute. */
export class Conflict extends Error {}
/** Thrown when a document is over Cosmos DB's limit of 2 MiB. */
export class TooLarge extends Error {}

/** Of one call with all its attempts: against an account in Azure the SDK alone goes on for ten minutes. */
const DEADLINE_MS = 10_000;
/** Races that one step may lose before it gives up: more than ever wait in one conversation's queue. */
const RACES = 40;
const DAY_SECONDS = 86_400;

let client: CosmosClient | undefined;

function database() {
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
  return client.database(settings().COSMOS_DATABASE);
}

/** What a transition makes of a document: the next version, null for nothing to write, or {@link REMOVE}; and a result. */
type Change<D, T> = [D | typeof REMOVE | null, T];
/** The document goes. */
export const REMOVE = Symbol('remove');

/** One step of a document. */
export interface Step<D, P, T> {
  /** What the transition needs of other services; called for each version that is read, so it may run more than once. */
  prepare?(document: D | null): Promise<P>;
  /** Pure: the same for the same document, and called again with a newer one where another step was faster. */
  transition(document: D | null, prepared: P): Change<D, T>;
}

/**
 * The documents of one container of Cosmos DB (services/stores.ts). Every write of what exists is guarded by the ETag of what
 * was read. Every method may throw {@link Unavailable} and Rejected.
 */
export class Documents<D extends { id: string }> {
  readonly #name: ContainerName;
  readonly #upcast: (stored: D) => D;
  readonly #from: ((document: D) => number) | null;

  /**
   * `upcast`: what another build wrote, as this one knows it. `from`: when the time that a document stays begins; else with its last write.
   */
  constructor(
    name: ContainerName,
    upcast: (stored: D) => D = (stored) => stored,
    from: ((document: D) => number) | null = null,
  ) {
    this.#name = name;
    this.#upcast = upcast;
    this.#from = from;
  }

  /** `partition`: the value of the container's partition key; the id itself where that is the key. */
  async read(id: string, partition: string = id): Promise<Versioned<D> | null> {
    const { resource, etag, statusCode } = await guard((options) =>
      this.#container.item(id, partition).read<D>(options),
    );
    return resource && statusCode !== 404 ? { document: this.#upcast(strip(resource)), etag } : null;
  }

  /** Throws {@link Conflict} when it exists. */
  async create(document: D): Promise<void> {
    await guard((options) => this.#container.items.create(this.#kept(document), options));
  }

  /** Writes what may be written twice with the same content. */
  async put(document: D): Promise<void> {
    await guard((options) => this.#container.items.upsert(this.#kept(document), options));
  }

  /** Replaces a document if it still has this ETag. Throws {@link Conflict} otherwise, or when it is gone. */
  async replace(document: D, etag: string): Promise<void> {
    await gone(
      guard((options) =>
        this.#container
          .item(document.id, this.#partition(document))
          .replace(this.#kept(document), { ...options, accessCondition: { type: 'IfMatch', condition: etag } }),
      ),
    );
  }

  /** Removes a document; with an ETag only that version (or throws {@link Conflict}). One that is gone is removed. */
  async remove(id: string, partition: string = id, etag?: string): Promise<void> {
    try {
      await guard((options) =>
        this.#container
          .item(id, partition)
          .delete({ ...options, ...(etag ? { accessCondition: { type: 'IfMatch', condition: etag } } : {}) }),
      );
    } catch (error) {
      if (!(error instanceof Rejected && error.status === 404)) throw error;
    }
  }

  /** What a query finds. */
  async query<R = D>(
    query: string,
    parameters: SqlParameter[] = [],
    { limit, partition }: QueryOptions = {},
  ): Promise<R[]> {
    const { resources } = await guard((options) =>
      this.#container.items
        .query<R>(
          { query, parameters },
          {
            ...options,
            ...(limit ? { maxItemCount: limit } : {}),
            ...(partition === undefined ? {} : { partitionKey: partition }),
          },
        )
        .fetchAll(),
    );
    return resources.map((row) => (typeof row === 'object' && row !== null ? strip(row) : row));
  }

  /**
   * One step of a document: read → prepare → transition → guarded write; from the read again when another step was faster.
   * Returns the result of the attempt that counted. `written` is told what was written.
   */
  async change<T, P = undefined>(
    id: string,
    step: Step<D, P, T>,
    { partition = id, races = RACES, written }: Options<D> = {},
  ): Promise<T> {
    for (let race = 0; race < races; race += 1) {
      const current = await this.read(id, partition);
      const prepared = (await step.prepare?.(current?.document ?? null)) as P;
      const [next, result] = step.transition(current?.document ?? null, prepared);
      if (next === null || (next === REMOVE && !current)) return result;
      try {
        if (next === REMOVE) await this.remove(id, partition, current!.etag);
        else if (current) await this.replace(next, current.etag);
        else await this.create(next);
        if (next !== REMOVE) written?.(next);
        return result;
      } catch (error) {
        if (!(error instanceof Conflict)) throw error;
        await sleep(Math.random() * Math.min(4 * 2 ** race, 200));
      }
    }
    throw new Unavailable('cosmos', `another step of a document in ${this.#name} was faster ${races} times`);
  }

  get #container(): Container {
    return database().container(this.#name);
  }

  #partition(document: D): string {
    const { partitionKey } = containers[this.#name];
    return partitionKey === '/id' ? document.id : (document as unknown as { conversationId: string }).conversationId;
  }

  /** With the time that it stays. */
  #kept(document: D): D & { ttl?: number } {
    const { days } = containers[this.#name];
    if (days === null) return document;
    const all = (typeof days === 'number' ? days : settings()[days]) * DAY_SECONDS;
    const age = this.#from ? Math.max(0, Math.floor((Date.now() - this.#from(document)) / 1_000)) : 0;
    return { ...document, ttl: Math.max(1, all - age) };
  }
}

interface QueryOptions {
  /** At most so many, where the query says TOP itself. */
  limit?: number;
  /** In one partition alone: else all of them are asked, and a partition key that is not indexed is looked for in each document. */
  partition?: string;
}

interface Options<D> {
  partition?: string;
  races?: number;
  written?(document: D): void;
}

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
      throw new Rejected('cosmos', `answered ${status}`, status, { cause: error });
    throw unavailable('cosmos', error);
  }
}

/** A document that is gone is another version of it. */
async function gone<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) throw new Conflict('gone', { cause: error });
    throw error;
  }
}

/** Without Cosmos DB's own fields. */
function strip<T extends object>(document: T): T {
  const { _rid, _self, _etag, _attachments, _ts, ttl, ...own } = document as Record<string, unknown>;
  return own as T;
}
