import type { Metrics } from '../metrics.ts';
import type { Model, Repository } from '../models/repository.ts';
import type { Answer } from './answer.ts';
import { type Head, header } from './header.ts';
import { badRequest, HttpError } from './http-error.ts';
import type { Call, Inference } from './inference.ts';
import { parseJson } from './json.ts';
import type { Request } from './requests.ts';
import * as v1 from './v1.ts';
import * as v2 from './v2.ts';

export interface Services {
  repository: Repository;
  inference: Inference;
  metrics: Metrics;
  /** What the image says it is. */
  release: string | undefined;
}

/** Finds what answers a request. Throws {@link HttpError}. */
export function answer(request: Head, services: Services, call: Call): Answer | Promise<Answer> {
  const path = (request.url ?? '/').split('?', 1)[0]!;
  const parts = path.split('/').map(decode);
  const method = request.method ?? 'GET';
  if (parts[1] === 'v2') return openInference(method, parts.slice(2), request, services, call);
  if (parts[1] === 'v1' && parts[2] === 'models') return kserve(method, parts.slice(3), services, call);
  if (path === '/score') {
    only(method, 'POST');
    return call.read((body) => {
      const model = find(services.repository, v1.scoredModel(body));
      return ask(model, { protocol: 'score', body, headerLength: undefined, deadline: call.deadline }, services, call);
    });
  }
  if (path === '/healthcheck') {
    only(method, 'GET');
    return services.repository.ready ? json({ status: 'ok' }) : json({ status: 'starting' }, 503);
  }
  if (path === '/metrics') {
    only(method, 'GET');
    const { metrics } = services;
    return metrics.text().then((body) => ({ body, headers: { 'content-type': metrics.contentType } }));
  }
  throw nothing(path);
}

function openInference(
  method: string,
  parts: string[],
  request: Head,
  services: Services,
  call: Call,
): Answer | Promise<Answer> {
  const { repository } = services;
  const [first, name = '', third, version, fifth] = parts;
  if (first === 'models' && name) {
    const versioned = third === 'versions' && version ? version : undefined;
    const action = versioned === undefined ? third : fifth;
    if (parts.length > (versioned === undefined ? 3 : 5)) throw nothing(`/v2/${parts.join('/')}`);
    if (action === 'infer') {
      only(method, 'POST');
      const headerLength = header(request, 'inference-header-content-length');
      return call.read((body) => {
        const model = find(repository, name, versioned);
        const timeout = v2.timeoutOf({ bytes: body, headerLength });
        if (timeout !== undefined) call.deadline = Math.min(call.deadline, Date.now() + timeout / 1_000);
        return ask(model, { protocol: 'v2', body, headerLength, deadline: call.deadline }, services, call);
      });
    }
    only(method, 'GET');
    if (action === undefined) return json(v2.modelMetadata(find(repository, name, versioned), repository));
    if (action === 'ready') return json({ name, ready: find(repository, name, versioned) !== undefined });
  }
  if (parts.length === 0 || (parts.length === 1 && first === '')) {
    only(method, 'GET');
    return json(v2.serverMetadata(services.release));
  }
  if (first === 'health' && parts.length === 2) {
    only(method, 'GET');
    if (name === 'live') return json({ live: true });
    if (name === 'ready') return json({ ready: repository.ready }, repository.ready ? 200 : 503);
  }
  if (first === 'repository') return repositoryExtension(method, parts.slice(1), services, call);
  throw nothing(`/v2/${parts.join('/')}`);
}

/** Of a request about the repository: it is parsed where HTTP is served. */
const REQUEST_BYTES = 64 * 1024;

async function repositoryExtension(
  method: string,
  parts: string[],
  { repository }: Services,
  call: Call,
): Promise<Answer> {
  const [first, name = '', action] = parts;
  if (first === 'index' && parts.length === 1) {
    only(method, 'POST');
    const bytes = await call.read((body) => body, REQUEST_BYTES);
    const body = bytes.length > 0 ? parseJson(bytes) : {};
    const onlyReady = typeof body === 'object' && body !== null && 'ready' in body && body.ready === true;
    return json(repository.index().filter(({ state }) => !onlyReady || state === 'READY'));
  }
  if (first === 'models' && parts.length === 3 && (action === 'load' || action === 'unload')) {
    only(method, 'POST');
    await call.read(() => undefined, REQUEST_BYTES);
    // Not a dot in front: that is a folder that is still being written.
    if (!/^[\w-][\w.-]{0,63}$/.test(name)) throw badRequest('a model name has 1 to 64 letters, digits or any of . _ -');
    if (action === 'load') {
      await repository.load(name).catch((error: Error) => {
        throw badRequest(`failed to load ${name}: ${error.message}`);
      });
    } else {
      if (!repository.find(name)) throw v2.notServed(name, undefined);
      await repository.unload(name);
    }
    return json({});
  }
  throw nothing(`/v2/repository/${parts.join('/')}`);
}

function kserve(method: string, parts: string[], services: Services, call: Call): Answer | Promise<Answer> {
  const { repository } = services;
  const [last = ''] = parts;
  if (parts.length === 0) {
    only(method, 'GET');
    return json({ models: repository.names });
  }
  if (parts.length > 1) throw nothing(`/v1/models/${parts.join('/')}`);
  const predict = last.endsWith(':predict');
  only(method, predict ? 'POST' : 'GET');
  if (!predict) return json({ name: find(repository, last).name, ready: true });
  // Read first: a model that is found must not be replaced while its request still arrives.
  return call.read((body) => {
    const model = find(repository, last.slice(0, -':predict'.length));
    return ask(model, { protocol: 'v1', body, headerLength: undefined, deadline: call.deadline }, services, call);
  });
}

function ask(model: Model, request: Request, { inference }: Services, call: Call): Promise<Answer> {
  call.model = model;
  return inference.answer(model, request, call);
}

function find(repository: Repository, name: string, version?: string): Model {
  const model = repository.find(name, version);
  if (!model) throw v2.notServed(name.slice(0, 100), version?.slice(0, 100));
  return model;
}

function json(body: unknown, status = 200): Answer {
  return { status, body: JSON.stringify(body) };
}

function only(method: string, allowed: string): void {
  if (method !== allowed && !(method === 'HEAD' && allowed === 'GET'))
    throw new HttpError(405, `use ${allowed}`, { allow: allowed });
}

function nothing(path: string): HttpError {
  return new HttpError(404, `there is nothing at ${path.slice(0, 200)}`);
}

function decode(part: string): string {
  try {
    return part.includes('%') ? decodeURIComponent(part) : part;
  } catch {
    throw badRequest('the path is not UTF-8');
  }
}
