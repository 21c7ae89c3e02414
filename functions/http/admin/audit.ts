import { listAudit } from '../../services/audit.ts';
import { json, readQuery, staffRoute } from '../route.ts';
import { pageOf } from './page.ts';
import * as schemas from './schemas.ts';

const PAGE = 100;

/** GET /api/admin/audit */
export const getAudit = staffRoute(
  'admin.audit',
  {
    summary: 'Who of the staff saw, changed, released or erased what, the newest first',
    query: schemas.auditQuery,
    answers: { 200: { description: 'A page of entries.', schema: schemas.audit } },
    problems: ['invalid_message', 'unavailable'],
  },
  async (request) => {
    const { before } = readQuery(request, schemas.auditQuery);
    const { page, next } = pageOf(await listAudit(before ?? Date.now() + 60_000, PAGE + 1), PAGE);
    return json(200, { entries: page, next });
  },
);
