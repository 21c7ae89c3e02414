import { randomUUID } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Registry } from '../../functions/services/registry.ts';
import { environment } from '../../inference-container/environment.ts';
import type { Identity } from './identity.ts';
import { commandOf, unpackImage } from './image.ts';
import { listen, type Running } from './listening.ts';
import { freePort } from './ports.ts';
import { type Spawned, spawnNode, tail, waitFor } from './processes.ts';

/**
 * Stands for a Web App for Containers with the slots production and staging, and for the routes of Azure Resource Manager
 * that its SDK calls: an image's layers are unpacked and run as a process, each slot's address stays whatever runs behind
 * it, and a swap exchanges what runs once the staged process has answered its health path. Leaves out sticky settings and
 * the restarts they cause, several instances, scaling, and whoever's rights: any token of the local identity does.
 */
export interface AppService {
  arm: string;
  subscription: string;
  group: string;
  site: string;
  production: Running;
  staging: Running;
  /** The process behind a slot; null while it starts, or where nothing runs. */
  processOf(slot: SlotName): Spawned | null;
  /** How often each slot was given another image. */
  staged: { slot: SlotName; image: string }[];
  stop(): Promise<void>;
}

type SlotName = 'production' | 'staging';

export interface AppServiceOptions {
  ports: { arm: number; production: number; staging: number };
  /** Unpacked images, and what the slots run, over restarts. */
  folder: string;
  logs: string;
  identity: Identity;
  /** What a slot runs that was given no image: arguments for Node, and settings. */
  builtIn: { args: string[]; environment: NodeJS.ProcessEnv };
  /** How long a process may take to answer its health path. */
  startSeconds?: number;
}

interface SlotState {
  /** Blank: what this clone builds; null: nothing. */
  image: string | null;
  port: number;
  process: Spawned | null;
  ready: boolean;
  /** Counts starts: a start that was overtaken gives up. */
  start: number;
  log: string;
}

const RESTART_MS = 1_000;
const SUBSCRIPTION = '00000000-0000-4000-8000-00000000a2a2';
const GROUP = 'rg-local';
const SITE = 'maru-inference-local';
const BASE = `/subscriptions/${SUBSCRIPTION}/resourcegroups/${GROUP}/providers/microsoft.web/sites/${SITE}`;
const AUDIENCE = 'https://management.azure.com';

class ArmError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export async function startAppService(options: AppServiceOptions): Promise<AppService> {
  const { folder, logs, identity, builtIn, startSeconds = 60 } = options;
  const agent = new Agent({ keepAlive: true });
  const stateFile = join(folder, 'app-service.json');
  const saved = JSON.parse(await readFile(stateFile, 'utf8').catch(() => '{}')) as Partial<
    Record<SlotName, string | null>
  >;
  const fresh = (image: string | null): SlotState => ({
    image,
    port: 0,
    process: null,
    ready: false,
    start: 0,
    log: '',
  });
  const slots: Record<SlotName, SlotState> = {
    production: fresh(saved.production ?? ''),
    staging: fresh(saved.staging ?? null),
  };
  const staged: AppService['staged'] = [];
  const operations = new Map<string, { done: boolean; error?: ArmError }>();
  let swapping = false;
  let stopped = false;

  const keep = async () => {
    const content = { production: slots.production.image, staging: slots.staging.image };
    await writeFile(`${stateFile}.part`, JSON.stringify(content));
    await rename(`${stateFile}.part`, stateFile);
  };

  /** Starts what a slot was given. Never throws: a slot that does not start says so in its log. */
  async function start(slot: SlotState): Promise<void> {
    slot.start += 1;
    const own = slot.start;
    slot.ready = false;
    const before = slot.process;
    slot.process = null;
    await before?.stop();
    if (slot.start !== own) return;
    try {
      const image = slot.image ? commandOf(await pull(slot.image, folder)) : null;
      if (slot.start !== own) return;
      slot.port = await freePort();
      const spawned = spawnNode(
        `slot-${slot.image?.slice(-12) || 'built-in'}`,
        image?.args ?? builtIn.args,
        {
          ...process.env,
          ...environment,
          ...(image?.environment ?? builtIn.environment),
          PORT: String(slot.port),
          HOST: '127.0.0.1',
        },
        logs,
        image?.cwd,
      );
      slot.process = spawned;
      spawned.child.once('exit', () => {
        // The service starts a container again that ended by itself.
        if (slot.process !== spawned || stopped) return;
        slot.ready = false;
        slot.log += `${new Date().toISOString()} ERROR - Container ended by itself\n`;
        setTimeout(() => void (slot.process === spawned && !stopped && start(slot)), RESTART_MS);
      });
      await waitFor('the container', spawned, () => healthy(slot.port), startSeconds);
      if (slot.start === own) slot.ready = true;
      slot.log += `${new Date().toISOString()} INFO  - Container ${slot.image || 'of this clone'} is ready\n`;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      slot.log += `${new Date().toISOString()} ERROR - Container ${slot.image} did not start: ${text}\n`;
    }
  }

  const production = await listen(front(slots, 'production', agent), options.ports.production);
  const staging = await listen(front(slots, 'staging', agent), options.ports.staging);

  async function swap(operation: { done: boolean; error?: ArmError }): Promise<void> {
    try {
      if (!slots.staging.ready || !(await healthy(slots.staging.port).catch(() => false)))
        throw new ArmError(
          417,
          'ExpectationFailed',
          `Cannot swap site slots for site '${SITE}' because the 'staging' slot did not respond to http ping.`,
        );
      [slots.production, slots.staging] = [slots.staging, slots.production];
      await keep();
    } catch (error) {
      operation.error = error instanceof ArmError ? error : new ArmError(500, 'InternalServerError', String(error));
    } finally {
      operation.done = true;
      swapping = false;
    }
  }

  async function answer(method: string, url: URL, body: unknown, host: string): Promise<Answer> {
    if (!url.searchParams.has('api-version'))
      throw new ArmError(
        400,
        'MissingApiVersionParameter',
        'The api-version query parameter is required for all requests.',
      );
    const path = url.pathname.toLowerCase();
    const listed = /^\/subscriptions\/[^/]+\/resourcegroups\/([^/]+)\/providers\/microsoft\.web\/sites$/.exec(path);
    if (method === 'GET' && listed) {
      if (listed[1] !== GROUP)
        throw new ArmError(404, 'ResourceGroupNotFound', `Resource group '${listed[1]}' could not be found.`);
      return { status: 200, body: { value: [{ id: BASE, name: SITE, kind: 'app,linux,container' }] } };
    }
    if (!path.startsWith(BASE))
      throw new ArmError(404, 'ResourceNotFound', `The Resource '${url.pathname}' was not found.`);
    let rest = path.slice(BASE.length);
    const inSlot = /^\/slots\/([^/]+)(\/.*|)$/.exec(rest);
    const name: SlotName = inSlot ? slotName(inSlot[1]!) : 'production';
    if (inSlot) rest = inSlot[2]!;
    const slot = slots[name];
    const configuration = () => ({
      id: `${BASE}/config/web`,
      name: SITE,
      type: 'Microsoft.Web/sites/config',
      properties: { linuxFxVersion: slot.image ? `DOCKER|${slot.image}` : '', healthCheckPath: '/v2/health/live' },
    });
    if (method === 'GET' && rest === '/config/web') return { status: 200, body: configuration() };
    if (method === 'PATCH' && rest === '/config/web') {
      const image = String((body as { properties?: { linuxFxVersion?: string } })?.properties?.linuxFxVersion ?? '');
      slot.image = image.replace(/^DOCKER\|/, '');
      staged.push({ slot: name, image: slot.image });
      await keep();
      void start(slot);
      return { status: 200, body: configuration() };
    }
    if (method === 'POST' && rest === '/containerlogs') {
      const text = slot.log + (slot.process ? await tail(slot.process.logFile) : '');
      return text ? { status: 200, text } : { status: 204 };
    }
    if (method === 'POST' && rest === '/slotsswap') {
      slotName(String((body as { targetSlot?: string })?.targetSlot ?? '').toLowerCase());
      if (swapping)
        throw new ArmError(409, 'Conflict', 'Cannot modify this site because another operation is in progress.');
      swapping = true;
      const id = randomUUID();
      const operation = { done: false };
      operations.set(id, operation);
      void swap(operation);
      return pending(`https://${host}${BASE}/operationresults/${id}?api-version=2025-05-01`);
    }
    const result = /^\/operationresults\/(.+)$/.exec(rest);
    if (method === 'GET' && result) {
      const operation = operations.get(result[1]!);
      if (!operation) throw new ArmError(404, 'NotFound', 'Operation not found.');
      if (operation.error) throw operation.error;
      return operation.done
        ? { status: 200, body: { name: SITE } }
        : pending(`https://${host}${url.pathname}${url.search}`);
    }
    throw new ArmError(404, 'NotFound', `The stand-in has no ${method} ${url.pathname}`);
  }

  const server = createServer((incoming, response) => {
    void handle(incoming, response);
  });
  async function handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const token = /^Bearer (.+)$/.exec(incoming.headers.authorization ?? '')?.[1] ?? '';
      if (!(await identity.verify(token, AUDIENCE)))
        throw new ArmError(
          401,
          'AuthenticationFailed',
          "Authentication failed. The 'Authorization' header is missing or not valid.",
        );
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      const text = Buffer.concat(chunks).toString();
      const {
        status,
        body,
        text: plain,
        headers,
      } = await answer(
        incoming.method ?? 'GET',
        new URL(incoming.url ?? '/', 'http://arm'),
        text ? JSON.parse(text) : undefined,
        incoming.headers.host ?? '',
      );
      const type = plain === undefined ? 'application/json' : 'application/octet-stream';
      response.writeHead(status, { ...headers, ...(status === 204 ? {} : { 'content-type': type }) });
      response.end(plain ?? (body === undefined ? undefined : JSON.stringify(body)));
    } catch (error) {
      const { status, code, message } =
        error instanceof ArmError ? error : new ArmError(500, 'InternalServerError', String(error));
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { code, message } }));
    }
  }
  const arm = await listen(server, options.ports.arm);

  await start(slots.production);
  if (!slots.production.ready) {
    const why = slots.production.log;
    slots.production.image = '';
    // The image it ran is not to be had (its registry is away): what this clone builds answers instead.
    await start(slots.production);
    if (!slots.production.ready) throw new Error(`the production slot does not start:\n${why}${slots.production.log}`);
  }
  // What was swapped out is there again, to be rolled back to.
  if (slots.staging.image !== null) void start(slots.staging);

  return {
    arm: arm.url,
    subscription: SUBSCRIPTION,
    group: GROUP,
    site: SITE,
    production,
    staging,
    processOf: (slot) => slots[slot].process,
    staged,
    async stop() {
      stopped = true;
      for (const running of [arm, staging, production]) await running.close();
      agent.destroy();
      for (const slot of Object.values(slots)) {
        slot.start += 1;
        await slot.process?.stop();
      }
    },
  };
}

interface Answer {
  status: number;
  body?: unknown;
  text?: string;
  headers?: Record<string, string>;
}

function pending(location: string): Answer {
  return { status: 202, headers: { location, 'retry-after': '1' } };
}

function slotName(given: string): SlotName {
  if (given !== 'staging' && given !== 'production')
    throw new ArmError(404, 'ResourceNotFound', `The slot '${given}' was not found.`);
  return given;
}

async function pull(image: string, folder: string) {
  const [, host, repository, digest] = /^([^/]+)\/(.+)@(sha256:[0-9a-f]{64})$/.exec(image) ?? [];
  if (!host || !repository || !digest) throw new Error(`not an image by digest: ${image}`);
  const anonymous = { getToken: () => Promise.reject(new Error(`${host} asks for a login`)) };
  const registry = new Registry(
    /^(127\.0\.0\.1|localhost)/.test(host) ? `http://${host}` : `https://${host}`,
    repository,
    anonymous,
  );
  return await unpackImage(registry, digest, join(folder, 'images'));
}

async function healthy(port: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/v2/health/ready`, { signal: AbortSignal.timeout(2_000) });
  await response.arrayBuffer();
  return response.ok;
}

/** A slot's address: passes requests on to whatever runs in the slot when they come. */
function front(slots: Record<SlotName, SlotState>, name: SlotName, agent: Agent) {
  return createServer((incoming, response) => {
    const { port, ready } = slots[name];
    if (!ready) {
      incoming.resume();
      response.writeHead(503, { 'retry-after': '1' }).end('the slot is starting');
      return;
    }
    const { method, url, headers } = incoming;
    const asked = request({ agent, host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    asked.once('error', () => {
      if (!response.headersSent) response.writeHead(502);
      response.end();
    });
    response.once('close', () => asked.destroy());
    incoming.pipe(asked);
  });
}
