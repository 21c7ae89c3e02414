import { json, route } from './route.ts';

/** GET /api/health: this process answers. Says nothing of the services behind it: their outage is no reason to restart this. */
export const getHealth = route('health', async () => json(200, { status: 'ok' }, { 'cache-control': 'no-store' }));
