import type { Cookie, HttpRequest } from '@azure/functions';
import { originOf } from './origin.ts';

/** The cookies of the sign-in. Where the app is reached by TLS, their names bind them to this very host. */
export const SESSION = 'maru-session';
export const SIGN_IN = 'maru-sign-in';

export function cookieOf(request: HttpRequest, name: string): string | null {
  const wanted = named(request, name);
  for (const pair of (request.headers.get('cookie') ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (at > 0 && pair.slice(0, at).trim() === wanted) return pair.slice(at + 1).trim();
  }
  return null;
}

/** `seconds`: 0 takes it away. */
export function setCookie(request: HttpRequest, name: string, value: string, seconds: number): Cookie {
  return {
    name: named(request, name),
    value,
    path: '/',
    httpOnly: true,
    sameSite: 'Lax',
    maxAge: seconds,
    secure: isSecure(request),
  };
}

function named(request: HttpRequest, name: string): string {
  return isSecure(request) ? `__Host-${name}` : name;
}

function isSecure(request: HttpRequest): boolean {
  return originOf(request).startsWith('https:');
}
