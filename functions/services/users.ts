import type { CustomerId, UserId } from '../conversation/identifier.ts';
import { Documents } from './documents.ts';

/** A user's profile (container `users`). */
export interface User {
  id: UserId;
  /** `api`, or the channel's name. */
  space: string;
  /** The id as the client or channel wrote it. */
  givenId: string;
  /** Who this is to the shop, by its own word; null for a guest. */
  customerId: CustomerId | null;
  locale: string;
  createdAt: number;
  /** To within a few days: the profile must outlive the conversations. */
  seenAt: number;
}

const documents = new Documents<User>('users');
const DAY_MS = 86_400_000;
/** How stale `seenAt` may be. */
const REFRESH_MS = 7 * DAY_MS;

/** Users whose profile this process has seen of late: most turns come from one. */
const known = new Map<UserId, { customerId: CustomerId | null; until: number }>();
const KNOWN = 10_000;
const KNOWN_MS = 5 * 60_000;

/** What is known of a user when a turn or a sign-in comes; `customerId` null: nothing is said of it. */
export type Seen = Omit<User, 'createdAt' | 'seenAt'>;

/** Creates the user's profile if there is none, and signs the user in where a customer is named. Returns the customer. */
export async function seen(user: Seen, now: number): Promise<CustomerId | null> {
  const cached = known.get(user.id);
  if (cached && cached.until > now && (user.customerId === null || user.customerId === cached.customerId))
    return cached.customerId;
  const customerId = await documents.change<CustomerId | null>(user.id, {
    transition: (current) => {
      if (!current) return [{ ...user, createdAt: now, seenAt: now }, user.customerId];
      const next = user.customerId ?? current.customerId;
      if (next === current.customerId && now - current.seenAt < REFRESH_MS) return [null, next];
      return [{ ...current, customerId: next, seenAt: now }, next];
    },
  });
  if (known.size >= KNOWN) known.clear();
  known.set(user.id, { customerId, until: now + KNOWN_MS });
  return customerId;
}

/** The profile is gone: the next turn makes a new one. */
export function forgetSeen(id: UserId): void {
  known.delete(id);
}

/** The users that a customer of the shop has been. */
export async function usersOf(customerId: CustomerId): Promise<UserId[]> {
  const query = 'SELECT c.id FROM c WHERE c.customerId = @customer';
  const rows = await documents.query<{ id: UserId }>(query, [{ name: '@customer', value: customerId }]);
  return rows.map(({ id }) => id);
}
