/** A call to another service that did not work; the type says whether trying again can help. */
abstract class Failure extends Error {
  readonly service: string;

  constructor(service: string, message: string, options?: ErrorOptions) {
    super(`${service}: ${message}`, options);
    this.name = new.target.name;
    this.service = service;
  }
}

/** The service is down, slow or busy: try again, not before `retryAfter` milliseconds. */
export class Unavailable extends Failure {
  readonly retryAfter: number;

  constructor(service: string, message: string, retryAfter = 0, options?: ErrorOptions) {
    super(service, message, options);
    this.retryAfter = retryAfter;
  }
}

/**
 * What a client library threw, as {@link Unavailable}: by its code or status, because its message may repeat what it was
 * asked with, and reaches logs and incidents.
 */
export function unavailable(service: string, error: unknown): Unavailable {
  const { code, statusCode, name } = (error ?? {}) as { code?: unknown; statusCode?: unknown; name?: unknown };
  return new Unavailable(service, `no answer (${statusCode ?? code ?? name ?? 'unknown'})`, 0, { cause: error });
}

/** The service understood and refused: the same call will be refused again. `status` is its HTTP status, 0 for none. */
export class Rejected extends Failure {
  readonly status: number;

  constructor(service: string, message: string, status = 0, options?: ErrorOptions) {
    super(service, message, options);
    this.status = status;
  }
}
