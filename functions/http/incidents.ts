import { listIncidents } from '../services/incidents.ts';
import { json, route } from './route.ts';
import * as schemas from './schemas.ts';

const LIMIT = 200;

/** GET /api/incidents: what an operator must look at, newest first: failed turns, failed deliveries, poison messages. */
export const getIncidents = route(
  'incidents',
  {
    summary: 'What an operator must look at, newest first',
    access: 'key',
    answers: { 200: { description: 'The incidents.', schema: schemas.incidents } },
    problems: ['unavailable'],
  },
  async () => json(200, { incidents: await listIncidents(LIMIT) }),
);
