import type { HttpHandler, HttpRequest, HttpResponseInit, InvocationContext } from '@azure/functions';
import type { z } from 'zod';
import { Unavailable } from '../services/failure.ts';
import { followContent } from '../services/live-content.ts';
import type { Principal, Role } from '../services/sign-in.ts';
import { hop, log, startTelemetry } from '../services/telemetry.ts';
import { limitAnonymous } from './limits.ts';
import { type Code, type FieldError, Problem, problemResponse } from './problem.ts';

/** The largest body that any route reads, and the deepest: what reads it further on may be recursive. */
const BODY_LIMIT = 64 * 1024;
const DEPTH_LIMIT = 32;

/** What a route takes and gives: it validates what comes in, and /api/openapi.json is made of it. */
export interface Operation {
  summary: string;
  description?: string;
  /**
   * `key`: of the function app, which the host checks. `anyone`, limited by address. `channel`: a Bot Framework token. `secret`: the
   * registry's. `staff`: who has signed in and has the role that stands in routes.ts.
   */
  access: 'key' | 'anyone' | 'channel' | 'secret' | 'staff';
  path?: z.ZodObject;
  query?: z.ZodObject;
  headers?: z.ZodObject;
  body?: z.ZodType;
  /** Types of a body that is bytes, and no JSON. */
  bytes?: readonly string[];
  answers: Record<number, AnswerDescription>;
  /** Codes of the catalogue, besides those that every route of its kind has. */
  problems: readonly Code[];
}

interface AnswerDescription {
  description: string;
  /** Of a JSON body; without it and `types` there is none. */
  schema?: z.ZodType;
  /** Of another body, one of these. */
  types?: readonly string[];
  headers?: Record<string, string>;
}

/** `role`: what routes.ts says; a route of the staff lets nobody in without. */
export type Route = ((request: HttpRequest, context: InvocationContext, role?: Role) => Promise<HttpResponseInit>) & {
  operation: Operation;
};

/** Wraps a handler: limits and telemetry around it, and every error as a problem of the catalogue. */
export function route(name: string, operation: Operation, handler: HttpHandler): Route {
  return wrapped(name, operation, (request, context) => handler(request, context) as Promise<HttpResponseInit>);
}

/** A route of the staff: its handler is told who asks. */
export function staffRoute(
  name: string,
  operation: Omit<Operation, 'access'>,
  handler: (request: HttpRequest, principal: Principal) => Promise<HttpResponseInit>,
): Route {
  return wrapped(name, { ...operation, access: 'staff' }, async (request, _context, role) => {
    const { authorize } = await import('./authorize.ts');
    return await handler(request, await authorize(request, role));
  });
}

function wrapped(
  name: string,
  operation: Operation,
  handler: (request: HttpRequest, context: InvocationContext, role?: Role) => Promise<HttpResponseInit>,
): Route {
  const wrapped = async (request: HttpRequest, context: InvocationContext, role?: Role): Promise<HttpResponseInit> => {
    await startTelemetry();
    await followContent();
    const parent = request.headers.get('traceparent') ?? context.traceContext?.traceParent ?? '';
    let answer: HttpResponseInit;
    try {
      if (operation.access === 'anyone') await limitAnonymous(request);
      answer = await hop(name, parent, {}, async () => await handler(request, context, role));
    } catch (error) {
      answer = problemResponse(asProblem(name, error));
    }
    const headers = { 'x-content-type-options': 'nosniff', ...(answer.headers as Record<string, string>) };
    // As RFC 9110 has it: what GET would answer, without the body.
    return request.method === 'HEAD' ? { status: answer.status, headers } : { ...answer, headers };
  };
  return Object.assign(wrapped, { operation });
}

/** Codes that any route of an access may answer with. */
export function commonProblems({ access, body }: Operation): Code[] {
  return [
    ...(access === 'anyone' ? (['too_many_requests'] as const) : []),
    ...(access === 'staff'
      ? (['unauthorized', 'forbidden', 'wrong_origin', 'too_many_requests', 'unavailable'] as const)
      : []),
    ...(body
      ? (['invalid_json', 'invalid_message', 'length_required', 'message_too_large', 'unsupported_media_type'] as const)
      : []),
    'internal',
  ];
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

/** A parameter of the path or the query, or a header, by its schema. Throws the problem `invalid_message`. */
export function read<T>(field: string, value: string, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const reason = parsed.error.issues[0]!.message;
  throw new Problem('invalid_message', `${field}: ${reason}.`, { errors: [{ field, reason }] });
}

/** All parameters of the query, by their schema. Throws the problem `invalid_message`. */
export function readQuery<T>(request: HttpRequest, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(Object.fromEntries(request.query));
  if (parsed.success) return parsed.data;
  throw invalid(parsed.error);
}

/** Reads a JSON body within the limits of the edge. Throws problems of the catalogue. */
export async function readJson<T>(request: HttpRequest, schema: z.ZodType<T>): Promise<T> {
  return parseJson(await readText(request), schema);
}

/** The text of a JSON body, as it was sent, for what must be looked at before it is read. */
export async function readText(request: HttpRequest): Promise<Uint8Array> {
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json' && !type?.endsWith('+json')) throw new Problem('unsupported_media_type');
  if (Number(request.headers.get('content-length') ?? 0) > BODY_LIMIT) throw new Problem('message_too_large');
  const bytes = await readBody(request, BODY_LIMIT);
  // The Functions host passes a body on only with its length.
  if (bytes.length === 0 && request.headers.get('content-length') === null) throw new Problem('length_required');
  return bytes;
}

export function parseJson<T>(bytes: Uint8Array, schema: z.ZodType<T>): T {
  return validate(parse(bytes), schema);
}

function validate<T>(value: unknown, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const large = parsed.error.issues.find((issue) => issue.code === 'too_big' && issue.path[0] === 'text');
  if (large) throw new Problem('message_too_large', `text: ${large.message}.`);
  throw invalid(parsed.error);
}

function invalid(error: z.ZodError): Problem {
  const errors: FieldError[] = error.issues.slice(0, 10).map((issue) => ({
    field: issue.path.join('.') || (issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 5).join(', ') : '(body)'),
    reason: issue.message.slice(0, 200),
  }));
  return new Problem(
    'invalid_message',
    errors.map(({ field, reason }) => `${field.slice(0, 80)}: ${reason}.`).join(' '),
    { errors },
  );
}

/** Reads a body that is bytes. Throws problems of the catalogue. */
export async function readBytes(request: HttpRequest, limit: number): Promise<Buffer> {
  if (Number(request.headers.get('content-length') ?? 0) > limit) throw new Problem('message_too_large');
  const bytes = await readBody(request, limit);
  if (bytes.length === 0 && request.headers.get('content-length') === null) throw new Problem('length_required');
  return bytes;
}

async function readBody(request: HttpRequest, limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Counted while it is read: a chunked body says nothing of its length.
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > limit) throw new Problem('message_too_large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parse(bytes: Uint8Array): unknown {
  if (tooDeep(bytes)) {
    const reason = `nested deeper than ${DEPTH_LIMIT} levels`;
    throw new Problem('invalid_message', `The body is ${reason}.`, { errors: [{ field: '(body)', reason }] });
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    const reason = error instanceof SyntaxError ? 'It does not parse.' : 'It is not UTF-8.';
    throw new Problem('invalid_json', reason);
  }
}

const [QUOTE, ESCAPE] = ['"'.charCodeAt(0), '\\'.charCodeAt(0)];
const OPENING = new Set(['[', '{'].map((sign) => sign.charCodeAt(0)));
const CLOSING = new Set([']', '}'].map((sign) => sign.charCodeAt(0)));

/** Counts brackets outside of strings, before anything that is recursive sees them. */
function tooDeep(bytes: Uint8Array): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const sign = bytes[at]!;
    if (inString) {
      if (sign === ESCAPE) at += 1;
      else if (sign === QUOTE) inString = false;
    } else if (sign === QUOTE) inString = true;
    else if (OPENING.has(sign)) {
      depth += 1;
      if (depth > DEPTH_LIMIT) return true;
    } else if (CLOSING.has(sign)) depth -= 1;
  }
  return false;
}

/** A JSON answer. */
export function json(status: number, body: unknown, headers: Record<string, string> = {}): HttpResponseInit {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
    body: JSON.stringify(body),
  };
}
