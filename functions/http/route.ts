import type { HttpHandler, HttpRequest, HttpResponseInit, InvocationContext } from '@azure/functions';
import type { z } from 'zod';
import { Unavailable } from '../services/failure.ts';
import { hop, log, startTelemetry } from '../services/telemetry.ts';
import { type FieldError, Problem, problemResponse } from './problem.ts';

/** The largest body that any route reads. */
const BODY_LIMIT = 64 * 1024;

/** Wraps a handler: telemetry around it, and every error as a problem of the catalogue. */
export function route(name: string, handler: HttpHandler): HttpHandler {
  return async (request: HttpRequest, context: InvocationContext) => {
    await startTelemetry();
    const parent = request.headers.get('traceparent') ?? context.traceContext?.traceParent ?? '';
    try {
      return await hop(name, parent, {}, async () => await handler(request, context));
    } catch (error) {
      return problemResponse(asProblem(name, error));
    }
  };
}

function asProblem(name: string, error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof Unavailable) {
    log('warn', 'a service is unavailable', { route: name, error: error.message });
    const seconds = Math.max(2, Math.ceil(error.retryAfter / 1_000));
    return new Problem('unavailable', undefined, { headers: { 'retry-after': String(seconds) } });
  }
  log('error', 'unexpected error', { route: name, error: error instanceof Error ? error.stack : String(error) });
  return new Problem('internal');
}

/** Reads a JSON body within the limits of the edge. Throws problems of the catalogue. */
export async function readJson<T>(request: HttpRequest, schema: z.ZodType<T>): Promise<T> {
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json' && !type?.endsWith('+json')) throw new Problem('unsupported_media_type');
  if (Number(request.headers.get('content-length') ?? 0) > BODY_LIMIT) throw new Problem('message_too_large');
  return validate(parse(await readBody(request)), schema);
}

function validate<T>(value: unknown, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const large = parsed.error.issues.find((issue) => issue.code === 'too_big' && issue.path[0] === 'text');
  if (large) throw new Problem('message_too_large', `text: ${large.message}.`);
  const errors: FieldError[] = parsed.error.issues.slice(0, 10).map((issue) => ({
    field: issue.path.join('.') || (issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 5).join(', ') : '(body)'),
    reason: issue.message.slice(0, 200),
  }));
  throw new Problem(
    'invalid_message',
    errors.map(({ field, reason }) => `${field.slice(0, 80)}: ${reason}.`).join(' '),
    { errors },
  );
}

async function readBody(request: HttpRequest): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Counted while it is read: a chunked body says nothing of its length.
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > BODY_LIMIT) throw new Problem('message_too_large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    const reason = error instanceof SyntaxError ? 'It does not parse.' : 'It is not UTF-8.';
    throw new Problem('invalid_json', reason);
  }
}

/** A JSON answer. */
export function json(status: number, body: unknown, headers: Record<string, string> = {}): HttpResponseInit {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
    body: JSON.stringify(body),
  };
}
