import { app } from '@azure/functions';
import { routes } from './http/routes.ts';
import { settings } from './services/settings.ts';
import { poisonOf, queues } from './services/stores.ts';
import { queuedSkills } from './skills/names.ts';

/**
 * Registers every function; nothing else. Handlers are loaded at their first call, so that a cold start costs
 * milliseconds (npm run bench:start). One build is two apps: the gateway, and the one that trains.
 */
if (settings().APP === 'training') registerTraining();
else registerGateway();

/** Nothing else runs beside a training: its memory and its cores are its own. */
function registerTraining(): void {
  queue('train', 'training', async () => (await import('./queues/train.ts')).train);
}

function queue(
  name: string,
  queueName: string,
  load: () => Promise<(message: unknown, context: never) => Promise<void>>,
) {
  app.storageQueue(name, {
    queueName,
    connection: 'STORAGE_CONNECTION',
    handler: async (message, context) => (await load())(message, context as never),
  });
}

function registerGateway(): void {
  for (const { name, methods, route, authLevel, role, load } of routes)
    app.http(name, {
      methods,
      route,
      authLevel,
      handler: async (request, context) => (await load())(request, context, role),
    });

  queue('understand', 'turns', async () => (await import('./queues/understand.ts')).understand);
  queue('deliver', 'replies', async () => (await import('./queues/deliver.ts')).deliver);
  queue('release', 'releases', async () => (await import('./queues/release.ts')).release);
  queue('log', 'call-log', async () => (await import('./queues/log.ts')).logTurns);
  for (const name of queuedSkills)
    queue(`skill-${name}`, `skill-${name}`, async () => {
      const { skillNamed } = await import('./skills/index.ts');
      return (await import('./queues/skill.ts')).skillWorker(skillNamed(name));
    });
  for (const name of queues)
    queue(`poison-${name}`, poisonOf(name), async () => (await import('./queues/poison.ts')).poisonWorker(name));

  app.timer('wake', {
    schedule: '*/15 * * * * *',
    handler: async (timer, context) => (await import('./timers/wake.ts')).wake(timer, context),
  });

  app.timer('count-statistics', {
    schedule: '15 1-59/5 * * * *',
    handler: async (timer, context) => (await import('./timers/statistics.ts')).countAll(timer, context),
  });

  app.timer('watch-releases', {
    schedule: '30 * * * * *',
    handler: async (timer, context) => (await import('./timers/releases.ts')).watchReleases(timer, context),
  });

  app.timer('watch-ramp', {
    schedule: '*/10 * * * * *',
    handler: async (timer, context) => (await import('./timers/ramp.ts')).lookAtRamp(timer, context),
  });

  app.timer('watch-trainings', {
    schedule: '5-59/30 * * * * *',
    handler: async (timer, context) => (await import('./timers/trainings.ts')).watchTrainings(timer, context),
  });
}
