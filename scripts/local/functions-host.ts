import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { QueueServiceClient } from '@azure/storage-queue';
import { Cron } from 'croner';
import { functions, install, type RegisteredFunction } from './functions-core.ts';
import { httpTrigger } from './http-trigger.ts';
import { invoke, runHooks } from './invocation.ts';
import { type QueueOptions, QueueTrigger } from './queue-trigger.ts';

/**
 * Stands for the Azure Functions host (`func start`): loads a built functions app and runs its HTTP, queue and timer
 * triggers. A process of its own: `node functions-host.ts <app folder>`, PORT and FUNCTIONS_KEY from the environment.
 * Leaves out blob, event and other triggers, input bindings, and scaling.
 */
const folder = resolve(process.argv[2] ?? 'dist/functions');
const port = Number(process.env.PORT ?? 7071);

const host = JSON.parse(await readFile(join(folder, 'host.json'), 'utf8'));
overrideHost(host, process.env);
install();
const { main } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { main: string };
try {
  await import(pathToFileURL(join(folder, main)).href);
} catch (error) {
  console.error(error instanceof Error && error.constructor.name === 'SettingsError' ? error.message : error);
  process.exit(1);
}
await runHooks('appStart', { hookData: {}, appHookData: {} });

const server = httpTrigger(
  [...functions.values()],
  host.extensions?.http?.routePrefix ?? 'api',
  process.env.FUNCTIONS_KEY ?? 'local',
);
const triggers = await startQueueTriggers([...functions.values()], queueOptions(host.extensions?.queues ?? {}));
const timers = [...functions.values()].flatMap(startTimer);
server.keepAliveTimeout = 75_000;
server.listen(port, '127.0.0.1', () => process.send?.({ ready: true, port, functions: functions.size }));

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop);
process.once('disconnect', stop);

async function stop(): Promise<void> {
  const limit = setTimeout(() => process.exit(1), 10_000);
  for (const timer of timers) timer.stop();
  server.close();
  server.closeIdleConnections();
  await Promise.all(triggers.map((trigger) => trigger.stop()));
  await runHooks('appTerminate', { hookData: {}, appHookData: {} });
  clearTimeout(limit);
  process.exit(0);
}

async function startQueueTriggers(registered: RegisteredFunction[], options: QueueOptions): Promise<QueueTrigger[]> {
  const started: QueueTrigger[] = [];
  for (const candidate of registered) {
    const binding = Object.values(candidate.bindings).find((known) => known.type === 'queueTrigger');
    if (!binding?.queueName || !binding.connection) continue;
    const connection = process.env[binding.connection];
    if (!connection) throw new Error(`${candidate.name}: the setting ${binding.connection} has no connection string`);
    started.push(
      new QueueTrigger(QueueServiceClient.fromConnectionString(connection), binding.queueName, candidate, options),
    );
  }
  await Promise.all(started.map((trigger) => trigger.start()));
  return started;
}

function startTimer(registered: RegisteredFunction): Cron[] {
  const binding = Object.values(registered.bindings).find((known) => known.type === 'timerTrigger');
  if (!binding?.schedule) return [];
  const run = async (cron: Cron) => {
    const status = {
      Last: new Date().toISOString(),
      Next: cron.nextRun()?.toISOString(),
      LastUpdated: new Date().toISOString(),
    };
    const timer = { Schedule: { AdjustForDST: true }, ScheduleStatus: status, IsPastDue: false };
    await invoke(registered, { input: { json: JSON.stringify(timer) } });
  };
  // `protect`: a timer never runs twice at once, as in the host.
  return [
    new Cron(
      binding.schedule,
      {
        protect: true,
        catch: (error) =>
          console.log(JSON.stringify({ level: 'error', function: registered.name, message: String(error) })),
      },
      run,
    ),
  ];
}

/** Settings of the app that stand over host.json, as the real host reads them: AzureFunctionsJobHost__extensions__queues__batchSize. */
function overrideHost(target: Record<string, unknown>, environment: NodeJS.ProcessEnv): void {
  for (const [name, value] of Object.entries(environment)) {
    const [prefix, ...path] = name.split('__');
    if (prefix !== 'AzureFunctionsJobHost' || path.length === 0) continue;
    let at: Record<string, unknown> = target;
    for (const part of path.slice(0, -1)) {
      at[part] ??= {};
      at = at[part] as Record<string, unknown>;
    }
    at[path.at(-1)!] = value;
  }
}

/** host.json writes times as hh:mm:ss[.fff]. */
function queueOptions(given: Record<string, unknown>): QueueOptions {
  const time = (text: unknown, otherwise: number) => {
    const [, hours, minutes, seconds] = /^(\d+):(\d+):([\d.]+)$/.exec(String(text ?? '')) ?? [];
    return hours === undefined
      ? otherwise
      : Number(hours) * 3_600_000 + Number(minutes) * 60_000 + Number(seconds) * 1_000;
  };
  const batchSize = Number(given.batchSize ?? 16);
  return {
    batchSize,
    newBatchThreshold: Number(given.newBatchThreshold ?? Math.floor(batchSize / 2)),
    maxDequeueCount: Number(given.maxDequeueCount ?? 5),
    maxPollingInterval: time(given.maxPollingInterval, 60_000),
    visibilityTimeout: time(given.visibilityTimeout, 0),
  };
}
