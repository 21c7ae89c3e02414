import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { pino } from 'pino';
import { Fronts } from './http/fronts.ts';
import { Listener } from './http/listener.ts';
import { Metrics } from './metrics.ts';
import { BlobSource } from './models/blob-source.ts';
import { Inline } from './models/inline.ts';
import { removeLeft } from './models/mapped-copy.ts';
import { Pool } from './models/pool.ts';
import { Repository } from './models/repository.ts';
import { Scheduler } from './models/scheduler.ts';
import { Access } from './protocol/access.ts';
import { Inference } from './protocol/inference.ts';
import { limitParsed } from './protocol/json.ts';
import { answer, type Services } from './protocol/router.ts';
import type { Settings } from './settings.ts';
import type { Threads } from './threads.ts';

export interface Running {
  port: number;
  /** Stops accepting, finishes what is in flight, and ends the workers. False when that took too long. */
  stop(): Promise<boolean>;
}

/**
 * Starts the model server: answers from the first moment, and is ready when the repository has been read once. `fronts`: threads
 * that serve HTTP beside this one.
 */
export async function startServer(
  settings: Settings,
  workers: Threads,
  fronts: Threads | null = null,
): Promise<Running> {
  const log = pino({ level: settings.LOG_LEVEL });
  const metrics = new Metrics(true);
  const inline = new Inline();
  const scheduler = new Scheduler(
    { requests: settings.QUEUE_REQUESTS, bytes: settings.QUEUE_MEGABYTES * 1024 * 1024 },
    inline,
    metrics,
  );
  limitParsed(settings.REQUEST_MEGABYTES);
  const pool = new Pool(
    workers.script,
    workers.count,
    settings.REQUEST_MEGABYTES,
    scheduler.wake,
    (model, reason) => void repository.withdraw(model, reason),
    (error) => log.error({ error: error.message }, 'a worker crashed; it is replaced'),
  );
  scheduler.attach(pool);
  const blobs = settings.MODEL_BLOB_URL || settings.MODEL_BLOB_CONNECTION ? new BlobSource(settings, log) : null;
  const roots = [resolve(settings.MODEL_DIR), ...(blobs ? [resolve(settings.CACHE_DIR)] : [])];
  const inference = new Inference(scheduler);
  const others = fronts
    ? new Fronts(fronts.script, settings, log, inline, (head, call) => answer(head, services, call))
    : null;
  const options = {
    required: settings.REQUIRED_MODELS,
    settleMs: settings.MODEL_SETTLE_SECONDS * 1_000,
    cache: resolve(settings.CACHE_DIR),
  };
  await removeLeft(options.cache);
  const repository = new Repository(roots, options, pool, inline, scheduler, metrics, log, (name) =>
    others?.revoke(name),
  );
  others?.attach(repository);
  metrics.others = () => others?.metrics() ?? Promise.resolve([]);
  const access = new Access(settings);
  const services: Services = { repository, inference, metrics, access, release: settings.RELEASE };

  const listener = new Listener(settings, log, metrics, (request, call) => answer(request, services, call));
  // A port that threads share could be shared with another process too: it is asked for alone first.
  if (fronts && settings.PORT !== 0) await vacant(settings);
  const port = await listener.listen(settings.PORT, fronts !== null);
  metrics.threads.set(1);
  if (fronts) others?.start(fronts.count, port);

  let following: Promise<void> | null = null;
  /** One look at a time: another would take the draft of a version that still arrives for one that was left. */
  const follow = (): Promise<void> => {
    following ??= look().finally(() => {
      following = null;
    });
    return following;
  };
  const look = async () => {
    try {
      await blobs?.fetch((name, version) => repository.isFinal(name, version));
    } catch (error) {
      log.error(
        { error: error instanceof Error ? error.message : String(error) },
        'the Blob container was not read; what is served stays',
      );
    }
    await repository.scan();
  };
  // What is on this machine serves first; a Blob container may be slow.
  const first = repository
    .scan()
    .then(() => (blobs ? follow() : undefined))
    .finally(() => {
      repository.settled = true;
    })
    .then(() => log.info({ port, workers: workers.count, models: repository.names }, 'ready'));
  first.catch((error) => log.error({ error: String(error) }, 'the repository was not read'));
  const watch =
    settings.MODEL_WATCH_SECONDS > 0
      ? setInterval(
          () => void follow().catch((error) => log.error({ error: String(error) }, 'the repository was not read')),
          settings.MODEL_WATCH_SECONDS * 1_000,
        )
      : undefined;

  return {
    port,
    async stop() {
      clearInterval(watch);
      repository.stop();
      listener.refuse();
      await others?.refuse();
      const clean = (await Promise.all([listener.finish(), others?.stop() ?? true])).every(Boolean);
      if (clean) await pool.close();
      await repository.clear();
      return clean;
    },
  };
}

/** Throws when a port is taken. */
async function vacant({ PORT: port, HOST: host }: Settings): Promise<void> {
  await new Promise<void>((done, failed) => {
    const server = createServer();
    server.once('error', failed);
    server.listen(port, host, () => server.close(() => done()));
  });
}
