import { createHash, timingSafeEqual } from 'node:crypto';
import { type Head, header } from './header.ts';
import { HttpError } from './http-error.ts';

/** Answered to everybody, so that a platform's checks need no key: liveness and readiness. */
const HEALTH = new Set(['/', '/v2/health/live', '/v2/health/ready', '/healthcheck']);

/** Who may ask, by the keys of the settings. */
export class Access {
  readonly #inference: Buffer | null;
  readonly #repository: Buffer | null;

  constructor({ INFERENCE_KEY, REPOSITORY_KEY }: { INFERENCE_KEY?: string; REPOSITORY_KEY?: string }) {
    this.#inference = INFERENCE_KEY === undefined ? null : digest(INFERENCE_KEY);
    this.#repository = REPOSITORY_KEY === undefined ? null : digest(REPOSITORY_KEY);
  }

  /** Throws 401 for a request that needs a key and has none, or another. */
  admit(request: Head): void {
    if (!this.#inference || HEALTH.has((request.url ?? '').split('?', 1)[0]!)) return;
    const given = keyOf(request);
    if (!given || !(same(given, this.#inference) || (this.#repository && same(given, this.#repository))))
      throw refusal('this server answers who shows its key: Authorization: Bearer <INFERENCE_KEY>');
  }

  /** Throws 403 where nobody may load and unload models, and 401 for who may not. */
  admitToRepository(request: Head): void {
    if (!this.#repository)
      throw new HttpError(403, 'loading and unloading are off: start the server with REPOSITORY_KEY to allow them');
    const given = keyOf(request);
    if (!given || !same(given, this.#repository))
      throw refusal('loading and unloading need the key: Authorization: Bearer <REPOSITORY_KEY>');
  }
}

function refusal(message: string): HttpError {
  return new HttpError(401, message, { 'www-authenticate': 'Bearer' });
}

function keyOf(request: Head): Buffer | null {
  const [, key] = /^Bearer +([!-~]+)$/i.exec(header(request, 'authorization') ?? '') ?? [];
  return key === undefined ? null : digest(key);
}

/** Of one length, whatever was given: the time to compare says nothing of the key. */
function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

function same(given: Buffer, key: Buffer): boolean {
  return timingSafeEqual(given, key);
}
