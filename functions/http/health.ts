import { z } from 'zod';
import { json, route } from './route.ts';

/** GET /api/health: this process answers. Says nothing of the services behind it: their outage is no reason to restart this. */
export const getHealth = route(
  'health',
  {
    summary: 'This process answers',
    access: 'anyone',
    answers: { 200: { description: 'It does.', schema: z.object({ status: z.literal('ok') }) } },
    problems: [],
  },
  async () => json(200, { status: 'ok' }, { 'cache-control': 'no-store' }),
);
