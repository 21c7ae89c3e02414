import type { HttpRequest } from '@azure/functions';
import { settings } from '../services/settings.ts';
import { byPlatform, bySession, byToken, type Principal, type Role, SignInError } from '../services/sign-in.ts';
import { logSeldom } from '../services/telemetry.ts';
import { cookieOf, SESSION } from './cookie.ts';
import { limitRefused } from './limits.ts';
import { originOf } from './origin.ts';
import { Problem } from './problem.ts';

/**
 * Who of the staff asks, if they may: whoever has the role, and admins. What a browser sends by itself (a cookie, the platform's
 * sign-in) counts only from a page of this app. Throws the problems `unauthorized`, `forbidden`, `wrong_origin` and `too_many_requests`.
 */
export async function authorize(request: HttpRequest, role: Role | undefined): Promise<Principal> {
  if (!role) throw new Error('a route of the staff says no role');
  const principal = await principalOf(request);
  // Any role may look: it is the staff's.
  const may =
    principal.roles.includes(role) ||
    principal.roles.includes('admin') ||
    (role === 'viewer' && principal.roles.length > 0);
  if (!may) throw new Problem('forbidden', `This needs the role "${role}".`);
  return principal;
}

async function principalOf(request: HttpRequest): Promise<Principal> {
  try {
    const bearer = /^Bearer ([\w.~+/=-]+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
    if (bearer !== undefined) return await byToken(bearer);
    const platform = settings().WEBSITE_AUTH_ENABLED ? request.headers.get('x-ms-client-principal') : null;
    const sealed = cookieOf(request, SESSION);
    if (!platform && !sealed) throw new SignInError('nobody');
    const principal = platform ? byPlatform(platform) : await bySession(sealed!);
    if (!isOwnPage(request)) throw new Problem('wrong_origin');
    return principal;
  } catch (error) {
    if (!(error instanceof SignInError)) throw error;
    if (error.message !== 'nobody') {
      logSeldom('warn', 'a sign-in was refused', { reason: error.message });
      await limitRefused(request);
    }
    throw new Problem('unauthorized', undefined, { headers: { 'www-authenticate': 'Bearer' } });
  }
}

/** Whether a request comes from a page of this app, as far as it changes something. */
function isOwnPage(request: HttpRequest): boolean {
  if (request.method === 'GET' || request.method === 'HEAD') return true;
  const origin = request.headers.get('origin');
  return origin !== null && origin === originOf(request);
}
