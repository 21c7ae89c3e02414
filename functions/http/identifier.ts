import { createHash } from 'node:crypto';

/**
 * An id from a channel as the database can keep it. Channels' ids may hold what Cosmos DB ids must not (`/ \ ? #`) and be
 * longer than its 255 characters: such an id is replaced by its hash, always the same.
 */
export function stored(given: string): string {
  return /^[\w.:@|+-]{1,128}$/.test(given) ? given : createHash('sha256').update(given).digest('base64url');
}
