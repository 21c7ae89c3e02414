import type { Cookie, HttpRequest, HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { settings } from '../services/settings.ts';
import { beginSignIn, endSignIn, SignInError } from '../services/sign-in.ts';
import { logSeldom } from '../services/telemetry.ts';
import { cookieOf, SESSION, SIGN_IN, setCookie } from './cookie.ts';
import { limitRefused } from './limits.ts';
import { originOf } from './origin.ts';
import { Problem } from './problem.ts';
import { json, read, route, staffRoute } from './route.ts';

const SESSION_SECONDS = 8 * 3_600;
const SIGN_IN_SECONDS = 600;

/** A page of the console: nothing that leads away from this app. */
const back = z.string().regex(/^\/console(\/[\w/-]{0,200})?$/, 'must be a page of the console');

const redirects = { 302: { description: 'To where it goes on.', headers: { Location: 'The address.' } } };

/** GET /auth/sign-in: sends the browser to the issuer, or to App Service's own sign-in where that is on. */
export const signIn = route(
  'auth.sign-in',
  {
    summary: 'Begin to sign in',
    access: 'anyone',
    query: z.object({ back: back.optional() }),
    answers: redirects,
    problems: ['invalid_message', 'unauthorized', 'unavailable'],
  },
  async (request) => {
    const to = read('back', request.query.get('back') ?? '/console', back);
    if (settings().WEBSITE_AUTH_ENABLED)
      return redirect(`/.auth/login/aad?post_login_redirect_uri=${encodeURIComponent(to)}`);
    try {
      const { location, sealed } = await beginSignIn(redirectOf(request), to);
      return redirect(location, [setCookie(request, SIGN_IN, sealed, SIGN_IN_SECONDS)]);
    } catch (error) {
      throw error instanceof SignInError ? new Problem('unauthorized', `${error.message}.`) : error;
    }
  },
);

/** GET /auth/signed-in: where the issuer sends the browser back to. */
export const signedIn = route(
  'auth.signed-in',
  {
    summary: 'End to sign in',
    access: 'anyone',
    query: z.object({ code: z.string().optional(), state: z.string().optional(), error: z.string().optional() }),
    answers: redirects,
    problems: ['unauthorized', 'unavailable'],
  },
  async (request) => {
    try {
      const sealed = cookieOf(request, SIGN_IN);
      if (!sealed) throw new SignInError('the sign-in took too long, or was begun elsewhere');
      const address = new URL(redirectOf(request));
      address.search = new URL(request.url).search;
      const { session, back: to } = await endSignIn(address, sealed);
      return redirect(to, [setCookie(request, SESSION, session, SESSION_SECONDS), setCookie(request, SIGN_IN, '', 0)]);
    } catch (error) {
      if (!(error instanceof SignInError)) throw error;
      logSeldom('warn', 'a sign-in failed', { reason: error.message });
      await limitRefused(request);
      throw new Problem('unauthorized', 'The sign-in did not work: go back to /console and try again.');
    }
  },
);

/** POST /api/admin/sign-out */
export const signOut = staffRoute(
  'admin.sign-out',
  {
    summary: 'Sign out',
    answers: {
      200: {
        description: 'The session is over, once the browser has gone there.',
        schema: z.object({ location: z.string() }),
      },
    },
    problems: [],
  },
  async (request) => ({
    ...json(200, {
      location: settings().WEBSITE_AUTH_ENABLED ? '/.auth/logout?post_logout_redirect_uri=/console' : '/console',
    }),
    cookies: [setCookie(request, SESSION, '', 0)],
  }),
);

function redirectOf(request: HttpRequest): string {
  return `${originOf(request)}/auth/signed-in`;
}

function redirect(location: string, cookies: Cookie[] = []): HttpResponseInit {
  return { status: 302, headers: { location, 'cache-control': 'no-store' }, cookies };
}
