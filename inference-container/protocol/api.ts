import type { Model, Repository } from '../models/repository.ts';

export interface Exchange {
  repository: Repository;
  params: Record<string, string | undefined>;
  body: unknown;
  /** Runs rows through a model; throws HttpError when a row is refused or the queue is full. */
  run(model: Model, rows: unknown[]): Promise<unknown[]>;
}

/** Paths (`METHOD /path`, as URLPattern writes them) and what answers them. */
export type Api = Record<string, (exchange: Exchange) => Promise<unknown>>;

export class HttpError extends Error {
  readonly status: number;
  readonly headers: Record<string, string>;

  constructor(status: number, message: string, headers: Record<string, string> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}
