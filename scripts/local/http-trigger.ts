import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { RegisteredFunction } from './functions-core.ts';
import { invoke } from './invocation.ts';

/** The host takes bodies of up to 100 MB (host.json: http). */
const BODY_LIMIT = 100 * 1024 * 1024;

interface Route {
  registered: RegisteredFunction;
  methods: string[];
  authLevel: string;
  segments: string[];
}

/**
 * Stands for the Functions host's HTTP trigger: routes with parameters, methods, authorization levels with keys
 * (`x-functions-key` or `?code=`). Like the host, it tries routes in the order of their functions' names, and passes a body on only
 * where its length is said. Leaves out the host's own `/admin` routes and streaming.
 */
export function httpTrigger(functions: RegisteredFunction[], routePrefix: string, key: string): Server {
  const routes = functions.map((registered) => route(registered, routePrefix)).filter((known) => known !== null);
  // The host tries them in the order of the functions' names, however specific a route is.
  routes.sort((a, b) => (a.registered.name < b.registered.name ? -1 : 1));
  return createServer((request, response) => {
    handle(routes, key, request, response).catch((error) => {
      console.log(JSON.stringify({ level: 'error', message: String(error?.stack ?? error).slice(0, 1_000) }));
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });
}

async function handle(routes: Route[], key: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', `http://${request.headers.host ?? 'localhost'}`);
  const segments = url.pathname.split('/').filter(Boolean);
  for (const candidate of routes) {
    if (!candidate.methods.includes(request.method ?? '')) continue;
    const params = match(candidate.segments, segments);
    if (!params) continue;
    if (
      candidate.authLevel !== 'anonymous' &&
      (request.headers['x-functions-key'] ?? url.searchParams.get('code')) !== key
    )
      return void response.writeHead(401, { 'content-length': 0 }).end();
    return await call(candidate.registered, url, params, request, response);
  }
  response.writeHead(404, { 'content-length': 0 }).end();
}

async function call(
  registered: RegisteredFunction,
  url: URL,
  params: Record<string, string>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await read(request);
  if (!body) return void response.writeHead(413, { connection: 'close' }).end();
  const headers: Record<string, string> = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, [value].flat().join(', ')]),
  );
  // As Azure's front end, which the host stands behind: who calls, after whatever the caller wrote there.
  const { remoteAddress, remotePort } = request.socket;
  headers['x-forwarded-for'] = [headers['x-forwarded-for'], `${remoteAddress}:${remotePort}`]
    .filter(Boolean)
    .join(', ');
  const { returnValue } = await invoke(registered, {
    input: {
      http: {
        url: url.href,
        method: request.method,
        headers,
        params,
        query: Object.fromEntries(url.searchParams),
        ...(body.length > 0 && headers['content-length'] !== undefined ? { body: { bytes: body } } : {}),
      },
    },
    traceparent: headers.traceparent,
  });
  const http = (
    returnValue as {
      http?: {
        statusCode: string;
        headers: Record<string, string>;
        cookies?: RpcCookie[];
        body?: { bytes?: Uint8Array; string?: string };
      };
    } | null
  )?.http;
  const bytes = Buffer.from(http?.body?.bytes ?? http?.body?.string ?? '');
  const cookies = (http?.cookies ?? []).map(setCookie);
  response.writeHead(Number(http?.statusCode ?? 204), {
    ...http?.headers,
    ...(cookies.length > 0 ? { 'set-cookie': cookies } : {}),
    'content-length': bytes.length,
  });
  response.end(bytes);
}

/** A cookie as the worker sends it to the host. */
interface RpcCookie {
  name: string;
  value: string;
  path?: { value: string };
  maxAge?: { value: number };
  secure?: { value: boolean };
  httpOnly?: { value: boolean };
  sameSite?: string;
}

function setCookie({ name, value, path, maxAge, secure, httpOnly, sameSite }: RpcCookie): string {
  const site = sameSite ? `${sameSite[0]!.toUpperCase()}${sameSite.slice(1)}` : undefined;
  return [
    `${name}=${value}`,
    path && `Path=${path.value}`,
    maxAge && `Max-Age=${maxAge.value}`,
    secure?.value && 'Secure',
    httpOnly?.value && 'HttpOnly',
    site && site !== 'None' && `SameSite=${site}`,
  ]
    .filter(Boolean)
    .join('; ');
}

async function read(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_LIMIT) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function route(registered: RegisteredFunction, routePrefix: string): Route | null {
  const trigger = Object.values(registered.bindings).find((binding) => binding.type === 'httpTrigger');
  if (!trigger) return null;
  const path = [routePrefix, trigger.route ?? registered.name].filter(Boolean).join('/');
  return {
    registered,
    methods: (trigger.methods ?? ['GET', 'POST']).map((method) => method.toUpperCase()),
    authLevel: (trigger.authLevel ?? 'function').toLowerCase(),
    segments: path.split('/'),
  };
}

function match(pattern: string[], segments: string[]): Record<string, string> | null {
  const params: Record<string, string> = {};
  for (const [index, part] of pattern.entries()) {
    const name = /^\{\*?(\w+)\??\}$/.exec(part)?.[1];
    const segment = segments[index];
    if (name && part.startsWith('{*')) {
      params[name] = segments.slice(index).join('/');
      return params;
    }
    if (segment === undefined) {
      if (part.endsWith('?}')) continue;
      return null;
    }
    if (name) params[name] = decode(segment);
    else if (part.toLowerCase() !== segment.toLowerCase()) return null;
  }
  return segments.length > pattern.length ? null : params;
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
