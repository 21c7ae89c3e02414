import { listReleases } from '../services/releases.ts';
import { json, route } from './route.ts';
import * as schemas from './schemas.ts';

const LIMIT = 50;

/** GET /api/releases: the newest first, each with its steps. */
export const getReleases = route(
  'releases',
  {
    summary: 'Releases of models, the newest first, each with its steps',
    access: 'key',
    answers: { 200: { description: 'The releases.', schema: schemas.releases } },
    problems: ['unavailable'],
  },
  async () => json(200, { releases: await listReleases(LIMIT) }),
);
