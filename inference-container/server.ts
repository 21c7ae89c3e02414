import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { resolve } from 'node:path';
import { pino } from 'pino';
import { Batcher, Overloaded } from './models/batcher.ts';
import { type Model, Repository } from './models/repository.ts';
import { type Api, type Exchange, HttpError } from './protocol/api.ts';
import { v1 } from './protocol/v1.ts';
import { v2 } from './protocol/v2.ts';

/** The model server: PORT and MODEL_DIR say where. */
const BODY_LIMIT = 16 * 1024 * 1024;
const port = Number(process.env.PORT ?? 8080);
const modelDir = resolve(process.env.MODEL_DIR ?? 'models');
const logger = pino({ level: process.env.LOG_LEVEL ?? 'info' });

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const worker =
  extension === 'ts' ? new URL('./models/worker.ts', import.meta.url) : new URL('./worker.js', import.meta.url);
const batcher = new Batcher(worker);
const repository = await Repository.open(modelDir, batcher, (folder, error) =>
  logger.error({ folder, error: error.message }, 'a model was not loaded'),
);

const routes = Object.entries({ ...v1, ...v2 } satisfies Api).map(([key, handler]) => {
  const [method, pathname] = key.split(' ') as [string, string];
  return { method, pattern: new URLPattern({ pathname }), handler };
});

const server = createServer((request, response) => {
  void answer(request, response);
});
server.keepAliveTimeout = 75_000;
server.listen(port, () => {
  const { port: bound } = server.address() as { port: number };
  logger.info({ port: bound, models: repository.names }, 'serving');
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop);

async function stop(): Promise<void> {
  server.close();
  server.closeIdleConnections();
  const limit = setTimeout(() => process.exit(1), 10_000);
  await new Promise((done) => server.once('close', done));
  clearTimeout(limit);
  await batcher.close();
  process.exit(0);
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const pathname = new URL(request.url ?? '/', 'http://localhost').pathname;
    const match = routes.find((route) => route.method === request.method && route.pattern.test({ pathname }));
    if (!match) throw new HttpError(404, `there is no ${request.method} ${pathname.slice(0, 200)}`);
    const params = match.pattern.exec({ pathname })!.pathname.groups;
    const body = request.method === 'POST' ? await readJson(request) : undefined;
    send(response, 200, await match.handler({ repository, params, body, run } satisfies Exchange));
  } catch (error) {
    if (error instanceof HttpError) return send(response, error.status, { error: error.message }, error.headers);
    logger.error({ error: error instanceof Error ? error.stack : String(error) }, 'unexpected error');
    send(response, 500, { error: 'unexpected error' });
  }
}

async function run(model: Model, rows: unknown[]): Promise<unknown[]> {
  try {
    const results = await batcher.run(model.key, rows);
    return results.map((result, index) => {
      if (!result.ok) throw new HttpError(400, rows.length > 1 ? `instance ${index}: ${result.reason}` : result.reason);
      return result.value;
    });
  } catch (error) {
    if (error instanceof Overloaded) throw new HttpError(503, 'too many requests wait', { 'retry-after': '1' });
    throw error;
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_LIMIT) throw new HttpError(413, `the body has more than ${BODY_LIMIT} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new HttpError(400, 'the body is not JSON');
  }
}

function send(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}
