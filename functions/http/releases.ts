import { listReleases } from '../services/cosmos.ts';
import { json, route } from './route.ts';

const LIMIT = 50;

/** GET /api/releases: the newest first, each with its steps. */
export const getReleases = route('releases', async () => json(200, { releases: await listReleases(LIMIT) }));
