import type { CustomerId, UserId } from '../conversation/identifier.ts';
import { Documents } from './documents.ts';

/** A user's profile (container `users`). */
export interface User {
  id: UserId;
  /** `api`, or the channel's name. */
  space: string;
  /** The id as the client or channel wrote it. */
  givenId: string;
  /** Who this is to the shop by its own word, from the first message on; null for a guest, and for the API's users. */
  customerId: CustomerId | null;
  /** Whom this user has spoken for, by whoever's word: where a customer's data is found. */
  customerIds: CustomerId[];
  locale: string;
  createdAt: number;
  /** To within a few days: the profile must outlive the conversations. */
  seenAt: number;
}

const documents = new Documents<User>('users');
const DAY_MS = 86_400_000;
/** How stale `seenAt` may be. */
const REFRESH_MS = 7 * DAY_MS;

/** Users whose profile this process has seen a moment ago: most turns come from one. */
const known = new Map<UserId, { customerId: CustomerId | null; named: Set<CustomerId>; until: number }>();
const KNOWN = 10_000;
/** For so long another instance may not know that a user was erased. */
const KNOWN_MS = 60_000;

/** What is known of a user when a turn or a sign-in comes. */
export type Seen = Omit<User, 'createdAt' | 'seenAt' | 'customerIds' | 'customerId'> & {
  /** Whom the caller names; null: nobody. */
  customerId: CustomerId | null;
};

/**
 * Creates the user's profile if there is none, and notes whom the user speaks for. Returns who that is to the shop: whom the
 * caller names, or whom the shop's word made of the user when the conversation began. `anew`: whatever this process remembers.
 */
export async function seen(user: Seen, now: number, anew = false): Promise<CustomerId | null> {
  const { customerId: named, ...profile } = user;
  const cached = anew ? undefined : known.get(user.id);
  if (cached && cached.until > now && (named === null || cached.named.has(named))) return named ?? cached.customerId;
  const stored = await documents.change<Pick<User, 'customerId' | 'customerIds'>>(user.id, {
    transition: (current) => {
      // The shop's word comes before the first message; whom an API's client names is said with each.
      const customerId = current ? current.customerId : user.space === 'api' ? null : named;
      const customerIds = [...new Set([...(current?.customerIds ?? []), ...(named === null ? [] : [named])])];
      const next = { ...profile, customerId, customerIds, createdAt: current?.createdAt ?? now, seenAt: now };
      const news = !current || customerIds.length > current.customerIds.length || now - current.seenAt > REFRESH_MS;
      return [news ? next : null, next];
    },
  });
  if (known.size >= KNOWN) known.clear();
  known.set(user.id, { customerId: stored.customerId, named: new Set(stored.customerIds), until: now + KNOWN_MS });
  return named ?? stored.customerId;
}

export async function readUser(id: UserId): Promise<User | null> {
  return (await documents.read(id))?.document ?? null;
}

/** The profile is gone: the next turn makes a new one. */
export function forgetSeen(id: UserId): void {
  known.delete(id);
}

/** The users that a customer of the shop has been. */
export async function usersOf(customerId: CustomerId): Promise<UserId[]> {
  const query = 'SELECT c.id FROM c WHERE ARRAY_CONTAINS(c.customerIds, @customer)';
  const rows = await documents.query<{ id: UserId }>(query, [{ name: '@customer', value: customerId }]);
  return rows.map(({ id }) => id);
}
