import { eraseAttachments } from '../services/blobs.ts';
import { eraseUser, exportUser } from '../services/cosmos.ts';
import { parameter } from './conversations.ts';
import { stored } from './identifier.ts';
import { Problem } from './problem.ts';
import { json, route } from './route.ts';
import { anyUserId } from './schemas.ts';

/** DELETE /api/users/{userId}: removes the profile, the conversations, the call log and the attachments. */
export const deleteUser = route('users.delete', async (request) => {
  const id = stored(parameter(request, 'userId', anyUserId));
  const removed = await eraseUser(id);
  const attachments = await eraseAttachments(id);
  return json(200, { userId: id, removed: { ...removed, attachments } });
});

/** GET /api/users/{userId}/export: everything that is kept about a user. */
export const exportUserData = route('users.export', async (request) => {
  const id = stored(parameter(request, 'userId', anyUserId));
  const data = await exportUser(id);
  if (!data.user && data.conversations.length === 0 && data.turns.length === 0)
    throw new Problem('not_found', 'Nothing is kept about this user.');
  return json(200, data, { 'content-disposition': `attachment; filename="user-export.json"` });
});
