import type { Metrics } from '../metrics.ts';
import { type Model, type Repository, StillArriving } from '../models/repository.ts';
import { isName, NAME_RULE } from '../models/version.ts';
import type { Access } from './access.ts';
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
  access: Access;
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
  if (path === '/') {
    only(method, 'GET');
    return json({ status: 'alive' });
  }
  if (path === '/openapi.json') {
    only(method, 'GET');
    // Only who asks for it needs what makes it.
    return import('./openapi.ts').then(({ openApi }) => json(openApi()));
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
  const { repository, metrics } = services;
  const [first, name = '', third, version, fifth] = parts;
  if (first === 'models' && name === 'stats' && parts.length === 2) {
    only(method, 'GET');
    return metrics.statistics(repository.all()).then((counted) => json(v2.modelStatistics(counted)));
  }
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
    const found = ['ready', 'config', 'stats', undefined].includes(action);
    if (!found) throw nothing(`/v2/${parts.join('/')}`);
    only(method, 'GET');
    const model = find(repository, name, versioned);
    if (action === 'ready') return json({ name, ready: true });
    if (action === 'config') return json(v2.modelConfig(model));
    if (action === undefined) return json(v2.modelMetadata(model, repository));
    const asked = versioned === undefined ? repository.all().filter((other) => other.name === name) : [model];
    return metrics.statistics(asked).then((counted) => json(v2.modelStatistics(counted)));
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
  if (first === 'repository') return repositoryExtension(method, parts.slice(1), request, services, call);
  throw nothing(`/v2/${parts.join('/')}`);
}

/** Of a request about the repository: it is parsed where HTTP is served. */
const REQUEST_BYTES = 64 * 1024;

async function repositoryExtension(
  method: string,
  parts: string[],
  request: Head,
  { repository, access }: Services,
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
    access.admitToRepository(request);
    const options = loadParameters(await call.read((body) => body, REQUEST_BYTES));
    if (!isName(name)) throw badRequest(`a model's name ${NAME_RULE}`);
    if (action === 'load') {
      for (const option of Object.keys(options))
        if (option === 'config' || option.startsWith('file:'))
          throw badRequest(
            `parameters.${option.slice(0, 100)}: models are read from the repository, and not from the request`,
          );
      await repository.load(name, call.deadline).catch((error: Error) => {
        const message = `failed to load ${name}: ${error.message}`;
        throw error instanceof StillArriving
          ? new HttpError(503, message, { 'retry-after': '2' })
          : badRequest(message);
      });
    } else {
      if (!repository.find(name)) throw v2.notServed(name, undefined);
      await repository.unload(name);
    }
    return json({});
  }
  throw nothing(`/v2/repository/${parts.join('/')}`);
}

/** Parameters of a request to load or unload: none where its body is empty. */
function loadParameters(bytes: Buffer): object {
  const body = bytes.length > 0 ? parseJson(bytes) : {};
  const parameters = typeof body === 'object' && body !== null && 'parameters' in body ? body.parameters : {};
  return typeof parameters === 'object' && parameters !== null ? parameters : {};
}

function kserve(method: string, parts: string[], services: Services, call: Call): Answer | Promise<Answer> {
  const { repository } = services;
  const [last = ''] = parts;
  if (parts.length === 0) {
    only(method, 'GET');
    return json({ models: repository.names });
  }
  if (parts.length > 1) throw nothing(`/v1/models/${parts.join('/')}`);
  if (/:(?!predict$)\w+$/.test(last)) throw new HttpError(404, `${last.slice(0, 100)} is not offered; :predict is`);
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
  if (model) return model;
  const said = [name.slice(0, 100), version?.slice(0, 100)] as const;
  throw repository.awaited(name, version) ? v2.notYetServed(...said) : v2.notServed(...said);
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
