import { isIPv4, isIPv6 } from 'node:net';
import type { HttpRequest } from '@azure/functions';
import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import type { UserId } from '../conversation/identifier.ts';
import { settings } from '../services/settings.ts';
import { Problem } from './problem.ts';

/**
 * Limits of this instance, a minute each: what keeps one caller from using up what all share. Instances do not know of each
 * other, so a caller has as many times this as there are instances; what protects the app as a whole is named in
 * docs/security.md.
 */
const MINUTE = 60;
const UNKNOWN = 'unknown';

interface Limits {
  anonymous: RateLimiterAbstract;
  address: RateLimiterAbstract;
  refusals: RateLimiterAbstract;
  user: RateLimiterAbstract;
  pictures: RateLimiterAbstract;
}

let shared: Limits | undefined;

function limits(): Limits {
  const { RATE_ADDRESS, RATE_ANONYMOUS, RATE_PICTURES, RATE_USER } = settings();
  const limiter = (keyPrefix: string, points: number) => new RateLimiterMemory({ keyPrefix, points, duration: MINUTE });
  shared ??= {
    anonymous: limiter('anonymous', RATE_ANONYMOUS),
    address: limiter('address', RATE_ADDRESS),
    refusals: limiter('refusals', RATE_ADDRESS),
    user: limiter('user', RATE_USER),
    pictures: limiter('pictures', RATE_PICTURES),
  };
  return shared;
}

/** A request to a route that asks for no key. Throws the problem `too_many_requests`. */
export async function limitAnonymous(request: HttpRequest): Promise<void> {
  const all = await limits().anonymous.get('all');
  // Beyond that no new address is remembered.
  if (all && all.remainingPoints <= 0) throw tooMany(all);
  // What is refused to one address is not taken from the others.
  await take(limits().address, addressOf(request));
  await take(limits().anonymous, 'all');
}

/**
 * A credential of this caller was refused. Throws the problem `too_many_requests` instead of what it would be answered with, once
 * that was too often. Good ones are never limited by their address: all users of a channel share it, and other bots do too.
 */
export async function limitRefused(request: HttpRequest): Promise<void> {
  await take(limits().refusals, addressOf(request));
}

/** A turn of a user. Throws the problem `too_many_requests`. */
export async function limitUser(user: UserId): Promise<void> {
  await take(limits().user, user);
}

/** A picture that somebody tries without a key. Throws the problem `too_many_requests`: what it costs is not taken from the messages. */
export async function limitPictures(): Promise<void> {
  await take(limits().pictures, 'all');
}

async function take(limiter: RateLimiterAbstract, key: string): Promise<void> {
  try {
    await limiter.consume(key);
  } catch (error) {
    if (error instanceof RateLimiterRes) throw tooMany(error);
    throw error;
  }
}

function tooMany({ msBeforeNext }: RateLimiterRes): Problem {
  const seconds = Math.max(1, Math.ceil(msBeforeNext / 1_000));
  return new Problem('too_many_requests', undefined, { headers: { 'retry-after': String(seconds) } });
}

/**
 * The caller's address: what the outermost of our own proxies added to X-Forwarded-For; what stands before that is the
 * caller's to write. Of IPv6 the first 64 bits, which one subscriber has whole. Those of whom none is known count together.
 */
export function addressOf(request: Pick<HttpRequest, 'headers'>): string {
  const { TRUSTED_PROXIES: proxies } = settings();
  if (proxies === 0) return UNKNOWN;
  const entries = (request.headers.get('x-forwarded-for') ?? '').split(',');
  // One that did not come through all of our proxies wrote none of it.
  const given = (entries.at(-proxies) ?? entries[0] ?? '').trim();
  // Azure's front end writes the port too.
  const address = given.startsWith('[')
    ? given.slice(1, given.indexOf(']'))
    : given.split(':').length === 2
      ? given.split(':')[0]!
      : given;
  if (isIPv4(address)) return address;
  if (!isIPv6(address)) return UNKNOWN;
  const mapped = address.toLowerCase().startsWith('::ffff:') ? address.slice(7) : '';
  if (isIPv4(mapped)) return mapped;
  const [head = '', tail] = address.split('::');
  const groups = (text: string) => text.split(':').filter(Boolean);
  const behind = groups(tail ?? '');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups(head).length - behind.length);
  const all = [...groups(head), ...Array<string>(zeros).fill('0'), ...behind];
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
