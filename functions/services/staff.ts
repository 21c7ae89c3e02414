import type { Agent } from '../conversation/document.ts';
import { Documents } from './documents.ts';
import type { Role } from './sign-in.ts';

/** Somebody of the staff who has been here (container `staff`): whom a conversation can be handed to. */
interface Member extends Agent {
  roles: Role[];
  seenAt: number;
}

const documents = new Documents<Member>('staff');
/** Somebody is here who has asked within this time, in milliseconds. */
const HERE = 120_000;
/** How often that is written down. */
const SEEN = 45_000;
const MOST = 100;

const seen = new Map<string, number>();

export async function seeStaff(member: Omit<Member, 'seenAt'>, now: number): Promise<void> {
  if (now - (seen.get(member.id) ?? 0) < SEEN) return;
  seen.set(member.id, now);
  await documents.put({ ...member, seenAt: now });
}

/** Who is here now and answers customers. */
export async function agentsHere(now: number): Promise<Agent[]> {
  const query = `SELECT TOP ${MOST} c.id, c.name, c.roles FROM c WHERE c.seenAt > @since ORDER BY c.seenAt DESC`;
  const members = await documents.query<Member>(query, [{ name: '@since', value: now - HERE }], { limit: MOST });
  return members
    .filter(({ roles }) => roles.includes('agent') || roles.includes('admin'))
    .map(({ id, name }) => ({ id, name }));
}
