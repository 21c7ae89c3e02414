/**
 * A page of what is listed by time, the newest first, and before when the next one begins; null: there is none. Ask the database for one more
 * than `size`. What happened at one moment is never cut in two, unless it is more than a page.
 */
export function pageOf<T extends { at: number }>(found: T[], size: number): { page: T[]; next: number | null } {
  const following = found[size];
  if (!following) return { page: found, next: null };
  const page = found.slice(0, size).filter(({ at }) => at > following.at);
  return page.length > 0 ? { page, next: following.at + 1 } : { page: found.slice(0, size), next: following.at };
}
