import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { sendRelease } from '../services/queues.ts';
import { digest } from '../services/registry.ts';
import { settings } from '../services/settings.ts';
import { log, logSeldom } from '../services/telemetry.ts';
import { limitRefused } from './limits.ts';
import { Problem } from './problem.ts';
import { json, readJson, route } from './route.ts';

const EVENTS_LIMIT = 100;

/** Azure Container Registry's webhook payload; a plain registry's notification holds a list of the same. */
const event = z.looseObject({
  action: z.string().max(64),
  timestamp: z.string().max(64).optional(),
  target: z
    .looseObject({
      mediaType: z.string().max(255).optional(),
      digest: z.string().max(255).optional(),
      repository: z.string().max(255).optional(),
      tag: z.string().max(128).optional(),
    })
    .optional(),
});
const payload = z.union([
  z.looseObject({ events: z.array(event).max(EVENTS_LIMIT) }),
  event.extend({ events: z.undefined().optional() }),
]);

/**
 * POST /api/registry/webhook: the registry tells of a push. Answers at once; the worker of the queue `releases` does the
 * rest. What is not a push of the release tag to a repository on the list is ignored.
 */
export const postRegistryWebhook = route(
  'registry-webhook',
  {
    summary: 'The registry tells of a push',
    access: 'secret',
    body: payload,
    answers: {
      200: {
        description: 'How many events are pushes of a release.',
        schema: z.object({ accepted: z.int(), ignored: z.int() }),
      },
    },
    problems: ['not_found', 'unauthorized', 'too_many_requests', 'unavailable'],
  },
  async (request) => {
    const { REGISTRY_WEBHOOK_SECRET: secret, RELEASE_REPOSITORIES: allowed, RELEASE_TAG: tag } = settings();
    if (!secret) throw new Problem('not_found', 'Releases are not set up (REGISTRY_WEBHOOK_SECRET).');
    if (!same(request.headers.get('x-maru-webhook-secret') ?? '', secret)) {
      logSeldom('warn', "the registry webhook's secret was refused");
      await limitRefused(request);
      throw new Problem('unauthorized', 'X-Maru-Webhook-Secret is missing or wrong.');
    }
    const body = await readJson(request, payload);
    const events = body.events ? (body.events as z.infer<typeof event>[]) : [body as z.infer<typeof event>];
    let accepted = 0;
    for (const { action, target, timestamp } of events) {
      const pushed = digest.safeParse(target?.digest);
      const repository = target?.repository ?? '';
      if (action !== 'push' || !pushed.success || !allowed.includes(repository) || target?.tag !== tag) {
        log('info', 'registry event ignored', { action, repository, tag: target?.tag });
        continue;
      }
      await sendRelease({ digest: pushed.data, repository, at: Date.parse(timestamp ?? '') || 0 });
      accepted += 1;
    }
    return json(200, { accepted, ignored: events.length - accepted });
  },
);

/** In the same time whether they differ in the first or the last character. */
function same(given: string, expected: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given), hash(expected));
}
