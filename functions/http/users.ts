import type { HttpRequest } from '@azure/functions';
import { customerId, type Space, type UserId, userId } from '../conversation/identifier.ts';
import { eraseUser, exportUser, type Removed } from '../services/erasure.ts';
import { usersOf } from '../services/users.ts';
import { Problem } from './problem.ts';
import { json, type Operation, read, route } from './route.ts';
import * as schemas from './schemas.ts';

const erased: Operation['answers'] = {
  200: {
    description: 'Erased. It is repeated by itself for the next quarter of an hour, for what was under way.',
    schema: schemas.removed,
  },
};
const exported: Operation['answers'] = {
  200: {
    description: 'The data.',
    schema: schemas.userExport,
    headers: { 'Content-Disposition': 'A name for the file.' },
  },
};

/** DELETE /api/users/{userId}: removes the profile, the conversations, the call log, the incidents and the pictures. */
export const deleteUser = route(
  'users.delete',
  {
    summary: 'Erase a user',
    description: 'Of a conversation with others, only what this user said and was answered.',
    access: 'key',
    path: schemas.user,
    query: schemas.userSpace,
    answers: erased,
    problems: ['invalid_message', 'unavailable'],
  },
  async (request) => await erase([userOf(request)]),
);

/** GET /api/users/{userId}/export: everything that is kept about a user. */
export const exportUserData = route(
  'users.export',
  {
    summary: 'Everything that is kept about a user',
    access: 'key',
    path: schemas.user,
    query: schemas.userSpace,
    answers: exported,
    problems: ['invalid_message', 'not_found', 'unavailable'],
  },
  async (request) => await exportAll([userOf(request)]),
);

/** DELETE /api/customers/{customerId}: the same for every user that a customer of the shop has been. */
export const deleteCustomer = route(
  'customers.delete',
  {
    summary: 'Erase every user that a customer of the shop has been',
    access: 'key',
    path: schemas.customer,
    answers: erased,
    problems: ['invalid_message', 'unavailable'],
  },
  async (request) => await erase(await usersOfCustomer(request)),
);

/** GET /api/customers/{customerId}/export */
export const exportCustomerData = route(
  'customers.export',
  {
    summary: 'Everything that is kept about a customer of the shop',
    access: 'key',
    path: schemas.customer,
    answers: exported,
    problems: ['invalid_message', 'not_found', 'unavailable'],
  },
  async (request) => await exportAll(await usersOfCustomer(request)),
);

async function erase(users: UserId[]) {
  const removed: Removed & { users: number } = { users: 0, conversations: 0, turns: 0, incidents: 0, attachments: 0 };
  for (const user of users) {
    const own = await eraseUser(user, Date.now());
    if (!own) continue;
    removed.users += 1;
    for (const store of ['conversations', 'turns', 'incidents', 'attachments'] as const) removed[store] += own[store];
  }
  return json(200, { removed });
}

async function exportAll(ids: UserId[]) {
  const all = await Promise.all(ids.map(exportUser));
  const users = all.filter((data) => data !== null);
  if (users.length === 0) throw new Problem('not_found', 'Nothing is kept about this user.');
  return json(200, { users }, { 'content-disposition': 'attachment; filename="user-export.json"' });
}

function userOf(request: HttpRequest): UserId {
  const given = read('userId', request.params.userId ?? '', schemas.user.shape.userId);
  const channel = request.query.get('channel');
  const space: Space =
    channel === null ? 'api' : { channel: read('channel', channel, schemas.userSpace.shape.channel) ?? '' };
  return userId(space, given);
}

async function usersOfCustomer(request: HttpRequest): Promise<UserId[]> {
  const given = read('customerId', request.params.customerId ?? '', schemas.customer.shape.customerId);
  return await usersOf(customerId(given)!);
}
