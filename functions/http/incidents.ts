import { listIncidents } from '../services/cosmos.ts';
import { json, route } from './route.ts';

const LIMIT = 200;

/** GET /api/incidents: what an operator must look at, newest first: failed turns, failed deliveries, poison messages. */
export const getIncidents = route('incidents', async () => {
  const incidents = await listIncidents(LIMIT);
  return json(200, { incidents: incidents.map(({ ttl: _ttl, ...incident }) => incident) });
});
