import type { Release } from '../releases/release.ts';
import { Documents } from './documents.ts';

/** Releases on their way to production (container `releases`). */
export const releases = new Documents<Release>('releases');

/** The newest releases first. */
export async function listReleases(limit: number): Promise<Release[]> {
  return await releases.query(`SELECT TOP ${limit} * FROM c ORDER BY c.pushedAt DESC`, [], {
    limit,
  });
}
