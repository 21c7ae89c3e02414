import { json, staffRoute } from '../route.ts';
import * as schemas from './schemas.ts';

/** GET /api/admin/me */
export const getMe = staffRoute(
  'admin.me',
  {
    summary: 'Who has signed in',
    answers: { 200: { description: 'Name and roles.', schema: schemas.me } },
    problems: [],
  },
  async (_request, principal) => json(200, principal, { 'cache-control': 'no-store' }),
);
