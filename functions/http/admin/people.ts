import type { z } from 'zod';
import { customerId, type Space, type UserId, userId } from '../../conversation/identifier.ts';
import { audited } from '../../services/audit.ts';
import { eraseUser, exportUser, type Removed } from '../../services/erasure.ts';
import { usersOf } from '../../services/users.ts';
import { Problem } from '../problem.ts';
import { json, readJson, staffRoute } from '../route.ts';
import * as shared from '../schemas.ts';
import * as schemas from './schemas.ts';
import { agentOf } from './speak.ts';

/** POST /api/admin/people/export */
export const exportPerson = staffRoute(
  'admin.people-export',
  {
    summary: 'Everything that is kept about a user, or a customer of the shop',
    body: schemas.person,
    answers: { 200: { description: 'The data.', schema: shared.userExport } },
    problems: ['not_found', 'unavailable'],
  },
  async (request, principal) => {
    const users = await usersNamed(await readJson(request, schemas.person));
    const found = [];
    for (const user of users) {
      const data = await audited(agentOf(principal), 'user.export', user, async () => ({
        result: await exportUser(user),
      }));
      if (data) found.push(data);
    }
    if (found.length === 0) throw new Problem('not_found', 'Nothing is kept about this person.');
    return json(200, { users: found }, { 'cache-control': 'no-store' });
  },
);

/** POST /api/admin/people/erase */
export const erasePerson = staffRoute(
  'admin.people-erase',
  {
    summary: 'Erase a user, or every user that a customer of the shop has been',
    description: 'It can not be taken back. It is repeated by itself for a quarter of an hour, for what was under way.',
    body: schemas.person,
    answers: { 200: { description: 'Erased.', schema: shared.removed } },
    problems: ['not_found', 'unavailable'],
  },
  async (request, principal) => {
    const users = await usersNamed(await readJson(request, schemas.person));
    const sum = { users: 0, conversations: 0, turns: 0, incidents: 0, attachments: 0 };
    for (const user of users) {
      const removed = await audited(agentOf(principal), 'user.erase', user, async () => {
        const removed = await eraseUser(user, Date.now());
        return { result: removed, after: removed ?? 'nothing was kept' };
      });
      if (!removed) continue;
      sum.users += 1;
      for (const store of Object.keys(removed) as (keyof Removed)[]) sum[store] += removed[store];
    }
    if (sum.users === 0) throw new Problem('not_found', 'Nothing is kept about this person.');
    return json(200, { removed: sum });
  },
);

async function usersNamed({
  userId: given,
  channel,
  customerId: customer,
}: z.infer<typeof schemas.person>): Promise<UserId[]> {
  if (customer !== undefined) {
    const users = await usersOf(customerId(customer)!);
    if (users.length === 0) throw new Problem('not_found', 'No user has been this customer.');
    return users;
  }
  const space: Space = channel === undefined ? 'api' : { channel };
  return [userId(space, given!)];
}
