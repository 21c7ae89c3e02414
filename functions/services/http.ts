import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { Rejected, Unavailable, unavailable } from './failure.ts';
import { traceHeaders } from './telemetry.ts';

export interface Call {
  method?: string;
  headers?: Record<string, string>;
  /** Sent as JSON. */
  body?: unknown;
  /** Milliseconds for one attempt, the reading of the body included. */
  timeout: number;
  /** Attempts in all; more than one only for calls that may be repeated. */
  attempts: number;
  /** Most bytes of the answer. */
  limit?: number;
}

export interface Answer {
  status: number;
  headers: Headers;
  body: Buffer;
}

/**
 * Calls another service with a timeout, a bounded answer, and retries for what may pass by itself: network errors,
 * timeouts, 408, 429, 502, 503 and 504. Throws {@link Unavailable} when attempts are used up, {@link Rejected} for
 * other 4xx and 5xx.
 */
export async function call(service: string, url: string, options: Call): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await once(service, url, options);
    } catch (error) {
      if (!(error instanceof Unavailable) || attempt >= options.attempts) throw error;
      await sleep(Math.min(Math.max(error.retryAfter, 100 * 2 ** attempt * (0.5 + Math.random())), 2_000));
    }
  }
}

/** {@link call}s, and reads the answer by a schema. Throws {@link Rejected} for one that does not fit, without its text. */
export async function callJson<T>(service: string, url: string, schema: z.ZodType<T>, options: Call): Promise<T> {
  const { body } = await call(service, url, options);
  let json: unknown;
  try {
    json = JSON.parse(body.toString());
  } catch {
    throw new Rejected(service, 'answered with what is not JSON');
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const { path, code } = parsed.error.issues[0]!;
  throw new Rejected(
    service,
    `answered in another shape (${path.filter((part) => typeof part === 'string').join('.') || 'body'}: ${code})`,
  );
}

async function once(service: string, url: string, options: Call): Promise<Answer> {
  const signal = AbortSignal.timeout(options.timeout);
  try {
    const response = await fetch(url, {
      method: options.method ?? 'GET',
      headers: {
        ...traceHeaders(),
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      // Nobody is followed to another address.
      redirect: 'manual',
      signal,
    });
    if (response.status >= 300 && response.status < 400) {
      await response.body?.cancel();
      throw new Rejected(service, `answered ${response.status}, which leads elsewhere`, response.status);
    }
    const body = await read(service, response, options.limit ?? 4_000_000);
    if (response.ok) return { status: response.status, headers: response.headers, body };
    // Not the body: it may repeat what a user wrote, and this reaches logs.
    const detail = `answered ${response.status}`;
    if ([408, 429, 502, 503, 504].includes(response.status))
      throw new Unavailable(service, detail, retryAfter(response.headers.get('retry-after'), Date.now()));
    throw new Rejected(service, detail, response.status);
  } catch (error) {
    if (error instanceof Unavailable || error instanceof Rejected) throw error;
    if (signal.aborted) throw new Unavailable(service, `no answer in ${options.timeout} ms`, 0, { cause: error });
    throw unavailable(service, error instanceof Error && error.cause instanceof Error ? error.cause : error);
  }
}

/** Milliseconds that a Retry-After asks to wait (RFC 9110: seconds, or a date); 0 for none. */
export function retryAfter(header: string | null, now: number): number {
  if (header === null) return 0;
  const seconds = Number(header);
  const ms = Number.isNaN(seconds) ? Date.parse(header) - now : 1_000 * seconds;
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}

async function read(service: string, response: Response, limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > limit) throw new Rejected(service, `answered with more than ${limit} bytes`, 413);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
