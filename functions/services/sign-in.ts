import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import type { Configuration } from 'openid-client';
import { z } from 'zod';
import { Unavailable } from './failure.ts';
import { credential } from './identity.ts';
import { isLoopback } from './loopback.ts';
import { opened, seal, Unsealed } from './seal.ts';
import { settings } from './settings.ts';

/**
 * Signs the staff in, by OpenID Connect's code flow (Entra ID, or whatever CONSOLE_ISSUER says), and knows them again: by the session's
 * cookie, by a token of the same issuer, or by what App Service's own sign-in says where that is on.
 */
export const ROLES = ['viewer', 'agent', 'editor', 'releaser', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** Somebody of the staff. */
export interface Principal {
  /** The issuer's own, which never becomes another's. */
  id: string;
  name: string;
  roles: Role[];
}

/** A sign-in that does not hold. */
export class SignInError extends Error {}

const SESSION_SECONDS = 8 * 3_600;
const SIGN_IN_SECONDS = 600;
const TOKEN_LENGTH = 8_192;

const claims = z.looseObject({
  /** Entra's id of the person in its tenant; other issuers have `sub` alone. */
  oid: z.string().max(200).optional(),
  sub: z.string().min(1).max(200),
  name: z.string().max(200).optional(),
  preferred_username: z.string().max(200).optional(),
  roles: z.array(z.string()).max(100).default([]),
});

function principalOf(payload: unknown): Principal {
  const { oid, sub, name, preferred_username: username, roles } = claims.parse(payload);
  return { id: oid ?? sub, name: (name ?? username ?? 'Somebody').slice(0, 80), roles: known(roles) };
}

function known(roles: readonly string[]): Role[] {
  return ROLES.filter((role) => roles.includes(role));
}

let discovered: Promise<Configuration> | undefined;

async function issuer(): Promise<Configuration> {
  const { CONSOLE_ISSUER: address, CONSOLE_CLIENT_ID: client, CONSOLE_CLIENT_SECRET: secret } = settings();
  if (!address || !client)
    throw new SignInError('there is no sign-in here: CONSOLE_ISSUER and CONSOLE_CLIENT_ID are not set');
  const { allowInsecureRequests, ClientSecretPost, discovery } = await import('openid-client');
  discovered ??= discovery(new URL(address), client, undefined, secret ? ClientSecretPost(secret) : byIdentity, {
    timeout: 10,
    execute: isLoopback(new URL(address)) ? [allowInsecureRequests] : [],
  });
  discovered.catch(() => {
    discovered = undefined;
  });
  return await answered(discovered);
}

/** Shows the app by its own identity, which the app registration trusts (a federated credential): there is no secret to leak. */
const byIdentity = async (_server: unknown, client: { client_id: string }, body: URLSearchParams): Promise<void> => {
  const token = await credential().getToken('api://AzureADTokenExchange/.default');
  if (!token) throw new Unavailable('sign-in', 'the platform gives no token of the app’s identity');
  body.set('client_id', client.client_id);
  body.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
  body.set('client_assertion', token.token);
};

/** What must come back with the code, sealed into a cookie that lives as long as a sign-in may take. */
const begun = z.object({ state: z.string(), nonce: z.string(), verifier: z.string(), back: z.string() });

export interface Begun {
  /** Where the browser goes. */
  location: string;
  /** The cookie's value. */
  sealed: string;
}

/** `redirect`: where the issuer sends the browser; `back`: where it goes at the end, a path of this app. */
export async function beginSignIn(redirect: string, back: string): Promise<Begun> {
  const config = await issuer();
  const { buildAuthorizationUrl, calculatePKCECodeChallenge, randomNonce, randomPKCECodeVerifier, randomState } =
    await import('openid-client');
  const own = { state: randomState(), nonce: randomNonce(), verifier: randomPKCECodeVerifier(), back };
  const location = buildAuthorizationUrl(config, {
    redirect_uri: redirect,
    scope: 'openid profile',
    state: own.state,
    nonce: own.nonce,
    code_challenge: await calculatePKCECodeChallenge(own.verifier),
    code_challenge_method: 'S256',
  });
  return { location: location.href, sealed: await seal('sign-in', own, SIGN_IN_SECONDS) };
}

/** Takes the code. `address`: where the issuer has sent the browser, with its query. Throws {@link SignInError}. */
export async function endSignIn(
  address: URL,
  sealed: string,
): Promise<{ principal: Principal; session: string; back: string }> {
  const { state, nonce, verifier, back } = await sessionOf('sign-in', sealed, begun);
  const config = await issuer();
  const { authorizationCodeGrant, AuthorizationResponseError, ClientError, ResponseBodyError } = await import(
    'openid-client'
  );
  try {
    const tokens = await authorizationCodeGrant(config, address, {
      expectedState: state,
      expectedNonce: nonce,
      pkceCodeVerifier: verifier,
      idTokenExpected: true,
    });
    const principal = principalOf(tokens.claims());
    return { principal, session: await seal('session', principal, SESSION_SECONDS), back };
  } catch (error) {
    if (error instanceof AuthorizationResponseError || error instanceof ResponseBodyError)
      throw new SignInError(error.error, { cause: error });
    if (error instanceof ClientError || error instanceof z.ZodError)
      throw new SignInError('the answer does not hold', { cause: error });
    throw unreachable(error);
  }
}

const session = z.object({
  id: z.string(),
  name: z.string(),
  roles: z.array(z.enum(ROLES)),
});

/** Who a session's cookie is. Throws {@link SignInError}. */
export async function bySession(sealed: string): Promise<Principal> {
  return await sessionOf('session', sealed, session);
}

async function sessionOf<T>(purpose: string, sealed: string, schema: z.ZodType<T>): Promise<T> {
  try {
    return await opened(purpose, sealed, schema);
  } catch (error) {
    if (error instanceof Unsealed) throw new SignInError('the session is over', { cause: error });
    throw error;
  }
}

let keys: ReturnType<typeof createRemoteJWKSet> | undefined;

/** Who a token of the issuer for this app is. Throws {@link SignInError}. */
export async function byToken(token: string): Promise<Principal> {
  if (token.length > TOKEN_LENGTH) throw new SignInError('the token is too long');
  const server = (await issuer()).serverMetadata();
  const { CONSOLE_CLIENT_ID: client } = settings();
  keys ??= createRemoteJWKSet(new URL(server.jwks_uri!), { timeoutDuration: 5_000 });
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer: server.issuer,
      audience: [client!, `api://${client}`],
      algorithms: ['RS256', 'ES256'],
      requiredClaims: ['exp'],
      clockTolerance: 60,
    });
    return principalOf(payload);
  } catch (error) {
    if (error instanceof errors.JWKSTimeout) throw unreachable(error);
    if (error instanceof errors.JOSEError || error instanceof z.ZodError)
      throw new SignInError('the token does not hold', { cause: error });
    throw unreachable(error);
  }
}

const header = z.object({
  claims: z.array(z.object({ typ: z.string(), val: z.string() })).max(500),
  role_typ: z.string().optional(),
});
const CLAIM = {
  oid: 'http://schemas.microsoft.com/identity/claims/objectidentifier',
  sub: 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier',
};

/** Who App Service's own sign-in says (x-ms-client-principal). Only where it is on does the platform take the header from callers. */
export function byPlatform(value: string): Principal {
  if (!settings().WEBSITE_AUTH_ENABLED) throw new SignInError('the platform’s sign-in is off');
  try {
    const { claims: given, role_typ: type = 'roles' } = header.parse(
      JSON.parse(Buffer.from(value, 'base64').toString()),
    );
    const one = (...names: string[]) => given.find(({ typ }) => names.includes(typ))?.val;
    return principalOf({
      oid: one('oid', CLAIM.oid),
      sub: one('sub', CLAIM.sub) ?? one('oid', CLAIM.oid),
      name: one('name'),
      preferred_username: one('preferred_username'),
      roles: given.filter(({ typ }) => typ === type || typ === 'roles').map(({ val }) => val),
    });
  } catch (error) {
    throw new SignInError('the platform says nothing of who this is', { cause: error });
  }
}

async function answered<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw unreachable(error);
  }
}

function unreachable(error: unknown): Unavailable {
  return new Unavailable('sign-in', 'the issuer does not answer', 0, { cause: error });
}
