import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { environment } from '../../inference-container/environment.ts';
import { RETAILER } from '../bot/folder.ts';
import { type AppService, startAppService } from './app-service.ts';
import { type Azurite, startAzurite } from './azurite.ts';
import { COSMOS_DATABASE, COSMOS_KEY, startCosmos } from './cosmos.ts';
import { type DirectLine, startDirectLine } from './direct-line.ts';
import { type Entra, startEntra } from './entra.ts';
import { type Identity, startIdentity } from './identity.ts';
import type { Running } from './listening.ts';
import { freePort, type Ports } from './ports.ts';
import { type Spawned, spawnNode, waitFor } from './processes.ts';
import { type LocalRegistry, startRegistry } from './registry.ts';
import { type Shop, startShop } from './shop.ts';

const root = join(import.meta.dirname, '../..');

export interface PlatformOptions {
  ports: Ports;
  /** Data and logs. */
  folder: string;
  /** The model repository that the inference container serves; null: none is started, INFERENCE_URL names another. */
  models: string | null;
  /** Keep Cosmos DB's documents over restarts. */
  keep: boolean;
  /** The web app's two slots and a registry, for releases; without them one process serves the models. */
  slots?: boolean;
  /** The built gateway. */
  app?: string;
  /** The bot's folder; its local.ts, if it has one, stands for the systems that its actions call. */
  bot?: string;
  /** The app that trains, beside the gateway. */
  training?: boolean;
  /** Another build of the gateway, which runs beside it on the same documents and queues: as while one replaces the other. */
  beside?: string;
  /** More settings for the gateway. */
  settings?: Record<string, string>;
  step?(name: string): void;
}

export interface Platform {
  gateway: string;
  /** The address of the build that runs beside it. */
  beside: string | null;
  key: string;
  appId: string;
  inferenceUrl: string;
  settings: Record<string, string>;
  cosmos: Awaited<ReturnType<typeof startCosmos>>;
  shop: Shop;
  directLine: DirectLine;
  identity: Identity;
  entra: Entra;
  azurite: Azurite;
  /** Null without slots. */
  appService: AppService | null;
  /** Null without slots, or where it is not installed. */
  registry: LocalRegistry | null;
  /** The functions host and the inference container, which may be killed and started again. */
  startGateway(): Promise<Spawned>;
  startBeside(): Promise<Spawned>;
  startInference(): Promise<Spawned>;
  startTraining(): Promise<Spawned>;
  running: Record<'gateway' | 'beside' | 'training' | 'inference', Spawned | null>;
  stop(): Promise<void>;
}

const APP_ID = '00000000-0000-4000-8000-00000000a11c';
const KEY = 'local';
/** As infra/training.bicep has it: each training, and each trial of a search, takes all the cores. */
const ONE_AT_A_TIME = {
  AzureFunctionsJobHost__extensions__queues__batchSize: '1',
  AzureFunctionsJobHost__extensions__queues__newBatchThreshold: '0',
};
const WEBHOOK_SECRET = 'local-webhook-secret';

/**
 * The whole platform on this machine, in the order in which its parts need each other. Where the environment names the
 * real service (COSMOS_ENDPOINT, STORAGE_CONNECTION, INFERENCE_URL, SHOP_URL, MicrosoftAppId), the gateway uses that one.
 */
export async function startPlatform({
  ports,
  folder,
  models,
  keep,
  slots = false,
  training = false,
  app = join(root, 'dist/functions'),
  beside,
  bot = RETAILER,
  settings = {},
  step = () => {},
}: PlatformOptions): Promise<Platform> {
  // Documents, pictures and logs hold what people wrote.
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  process.umask(0o077);
  const logs = join(folder, 'logs');
  const started: { stop(): Promise<void> }[] = [];
  const keepRunning = <T extends Running>(service: T): T => {
    started.push({ stop: () => service.close() });
    return service;
  };
  const running: Platform['running'] = { gateway: null, beside: null, training: null, inference: null };

  const stop = async () => {
    await running.gateway?.stop();
    await running.beside?.stop();
    await running.training?.stop();
    await running.inference?.stop();
    for (const service of started.reverse()) await service.stop();
  };

  try {
    step('storage');
    const azurite = await startAzurite(ports, join(folder, 'azurite'), logs);
    started.push(azurite);
    step('database');
    const cosmos = keepRunning(
      await startCosmos(ports.cosmos, COSMOS_DATABASE, keep ? join(folder, 'cosmos.db') : null),
    );
    step('shop, channel and identity');
    const shop = keepRunning(await startShop(ports.shop));
    const identity = keepRunning(await startIdentity(ports.identity));
    const entra = keepRunning(await startEntra(ports.entra, identity));
    const directLine = keepRunning(await startDirectLine(ports.directLine, identity));

    const own = await startLocal(bot);
    if (own) keepRunning(own);

    const gateway = `http://127.0.0.1:${ports.gateway}`;
    const inferenceUrl = `http://127.0.0.1:${ports.inference}`;
    const container = {
      args: [join(root, 'dist/inference-container/main.js')],
      environment: { MODEL_DIR: models ?? '', MODEL_WATCH_SECONDS: '2' },
    };
    let appService: AppService | null = null;
    let registry: LocalRegistry | null = null;
    if (slots) {
      step('registry');
      const webhook = { url: `${gateway}/api/registry/webhook`, secret: WEBHOOK_SECRET };
      if (!process.env.REGISTRY_URL) {
        registry = await startRegistry(ports.registry, join(folder, 'registry'), logs, webhook);
        if (registry) started.push(registry);
      }
      step('inference container');
      appService = await startAppService({
        ports: { arm: ports.arm, production: ports.inference, staging: ports.staging },
        folder,
        logs,
        identity,
        builtIn: container,
      });
      started.push(appService);
    }
    const registryUrl = process.env.REGISTRY_URL ?? registry?.url;

    const gatewaySettings: Record<string, string> = {
      ...unlessGiven('COSMOS_ENDPOINT', { COSMOS_ENDPOINT: cosmos.url, COSMOS_KEY }),
      ...(process.env.STORAGE_CONNECTION__queueServiceUri
        ? {}
        : unlessGiven('STORAGE_CONNECTION', { STORAGE_CONNECTION: azurite.connection })),
      ...unlessGiven('INFERENCE_URL', { INFERENCE_URL: inferenceUrl }),
      ...unlessGiven('SHOP_URL', {
        SHOP_URL: shop.url,
        SHOP_SIGNING_KEYS: shop.signingKeys,
        SHOP_CUSTOMER_TOKEN_URL: shop.customerTokenUrl,
      }),
      ...Object.fromEntries(Object.entries(own?.settings ?? {}).filter(([name]) => !process.env[name])),
      ...unlessGiven('MicrosoftAppId', {
        MicrosoftAppId: APP_ID,
        MicrosoftAppTenantId: '00000000-0000-4000-8000-000000000001',
        BOT_TOKEN_ISSUER: identity.issuer,
        BOT_OPENID_METADATA: identity.metadata,
        DIRECT_LINE_URL: directLine.domain,
        DIRECT_LINE_SECRET: directLine.secret,
      }),
      ...unlessGiven('CONSOLE_ISSUER', {
        CONSOLE_ISSUER: entra.issuer,
        CONSOLE_CLIENT_ID: entra.clientId,
        // Whoever has signed in is known again by the next start.
        CONSOLE_SESSION_KEY: await sessionKey(folder),
      }),
      IDENTITY_ENDPOINT: identity.endpoint,
      IDENTITY_HEADER: identity.header,
      ...(appService
        ? {
            STAGING_URL: appService.staging.url,
            ARM_ENDPOINT: appService.arm,
            AZURE_SUBSCRIPTION_ID: appService.subscription,
            INFERENCE_RESOURCE_GROUP: appService.group,
            INFERENCE_SITE: appService.site,
            RELEASE_START_SECONDS: '60',
            CONSOLE_SWAPS: 'true',
          }
        : {}),
      TRAINING: String(training),
      ...(registryUrl ? { REGISTRY_URL: registryUrl, REGISTRY_WEBHOOK_SECRET: WEBHOOK_SECRET } : {}),
      ...settings,
    };
    directLine.setBot(`${gateway}/api/messages`, APP_ID);

    const startInference = async () => {
      const all = {
        ...process.env,
        ...environment,
        ...container.environment,
        PORT: String(ports.inference),
        HOST: '127.0.0.1',
      };
      const spawned = spawnNode('inference', container.args, all, logs);
      running.inference = spawned;
      await waitFor('the inference container', spawned, () => answers(`${inferenceUrl}/v2/health/ready`));
      return spawned;
    };
    const startHost = async (name: 'gateway' | 'beside' | 'training', built: string, port: number) => {
      const APP = name === 'training' ? 'training' : 'gateway';
      const environment = {
        ...process.env,
        ...gatewaySettings,
        ...(name === 'training' && ONE_AT_A_TIME),
        APP,
        PORT: String(port),
        FUNCTIONS_KEY: KEY,
      };
      const host = join(root, 'scripts/local/functions-host.ts');
      // Azure runs the gateway by another Node than this machine does (infra/gateway.bicep): .ci/run tries it by that one.
      const spawned = spawnNode(name, [host, built], environment, logs, undefined, process.env.GATEWAY_NODE);
      running[name] = spawned;
      // Its own word: another's server on this port would answer too.
      let listening = false;
      spawned.child.once('message', () => {
        listening = true;
      });
      await waitFor(
        name === 'training' ? 'the app that trains' : 'the gateway',
        spawned,
        async () => listening && (APP === 'training' || (await answers(`http://127.0.0.1:${port}/api/health`))),
      );
      return spawned;
    };
    const startGateway = () => startHost('gateway', app, ports.gateway);
    const besidePort = beside === undefined ? 0 : await freePort();
    const startBeside = () => startHost('beside', beside!, besidePort);
    // Several may work on the same queue, as Azure scales them.
    const startTraining = async () => await startHost('training', app, await freePort());
    if (!appService && models !== null) {
      step('inference container');
      await startInference();
    }
    step('gateway');
    await startGateway();
    if (beside !== undefined) await startBeside();
    if (training) await startTraining();
    return {
      gateway,
      beside: beside === undefined ? null : `http://127.0.0.1:${besidePort}`,
      key: KEY,
      appId: APP_ID,
      inferenceUrl,
      settings: gatewaySettings,
      cosmos,
      shop,
      directLine,
      identity,
      entra,
      azurite,
      appService,
      registry,
      startGateway,
      startBeside,
      startInference,
      startTraining,
      running,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Of this folder's platform alone, made when it first starts. */
async function sessionKey(folder: string): Promise<string> {
  const file = join(folder, 'session.key');
  if (!existsSync(file)) await writeFile(file, randomBytes(32).toString('hex'), { mode: 0o600 });
  return await readFile(file, 'utf8');
}

/** What stands for the systems that the bot's own actions call. */
interface Local extends Running {
  settings: Record<string, string>;
}

async function startLocal(bot: string): Promise<Local | null> {
  const file = join(bot, 'local.ts');
  if (!existsSync(file)) return null;
  const module: { startLocal(): Promise<Local> } = await import(pathToFileURL(file).href);
  return await module.startLocal();
}

/** Settings of a stand-in, where the environment does not name the real service. */
function unlessGiven(name: string, standIn: Record<string, string>): Record<string, string> {
  return process.env[name] ? {} : standIn;
}

async function answers(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(1_000) });
  await response.arrayBuffer();
  return response.ok;
}
