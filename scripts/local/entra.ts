import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { ROLES, type Role } from '../../functions/services/sign-in.ts';
import type { Identity } from './identity.ts';
import { listen, type Running } from './listening.ts';

/**
 * Stands for Entra ID as an issuer of OpenID Connect: its metadata and keys, a page where one chooses who signs in (a person for each
 * role, and one with none), the code flow with PKCE, and tokens for this app. As Entra does, it refuses an app that it does not know, an
 * address that is not registered (another port of this machine is), a code that is used twice or late, and an app that can't show itself.
 * Leaves out passwords, consent, refresh, and other tenants.
 */
export interface Entra extends Running {
  issuer: string;
  clientId: string;
  /** A token of a person for this app, as a client that is no browser has it. */
  token(
    roles: readonly string[],
    claims?: { name?: string; audience?: string; issuer?: string; expiresIn?: string },
  ): Promise<string>;
}

interface Person {
  name: string;
  roles: readonly Role[];
}

const PEOPLE: readonly Person[] = [
  { name: 'Mina Agent', roles: ['agent'] },
  { name: 'Jun Agent', roles: ['agent'] },
  { name: 'Vera Viewer', roles: ['viewer'] },
  { name: 'Eddie Editor', roles: ['editor'] },
  { name: 'Rita Releaser', roles: ['releaser'] },
  { name: 'Ada Admin', roles: [...ROLES] },
  { name: 'Nobody yet', roles: [] },
];
const CODE_SECONDS = 60;
const TENANT = 'local';

interface Code {
  person: Person;
  redirect: string;
  challenge: string;
  nonce: string;
  until: number;
}

export async function startEntra(port: number, identity: Pick<Identity, 'verify'>): Promise<Entra> {
  const { publicKey, privateKey } = await generateKeyPair('RS256');
  const kid = 'local-entra';
  const jwk = { ...(await exportJWK(publicKey)), kid, use: 'sig', alg: 'RS256' };
  const clientId = '00000000-0000-0000-0000-00000000c057';
  const codes = new Map<string, Code>();

  const server = createServer((request, response) => {
    handle(request, response).catch((error) => refuse(response, 400, String(error)));
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', running.url);
    switch (url.pathname) {
      case `/${TENANT}/v2.0/.well-known/openid-configuration`:
        return answer(response, 200, {
          issuer,
          authorization_endpoint: `${base}/authorize`,
          token_endpoint: `${base}/token`,
          jwks_uri: `${base}/keys`,
          response_types_supported: ['code'],
          id_token_signing_alg_values_supported: ['RS256'],
          token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt'],
        });
      case `/${TENANT}/keys`:
        return answer(response, 200, { keys: [jwk] });
      case `/${TENANT}/authorize`:
        return authorize(url, response);
      case `/${TENANT}/token`:
        return await token(new URLSearchParams(await text(request)), response);
      default:
        return refuse(response, 404, 'not found');
    }
  }

  /** The page, and, once somebody is chosen, the way back with a code. */
  function authorize({ searchParams: asked }: URL, response: ServerResponse): void {
    const redirect = asked.get('redirect_uri') ?? '';
    // The app's own address is not its user's to choose: nothing is sent anywhere else.
    const isRegistered =
      URL.canParse(redirect) &&
      ['127.0.0.1', 'localhost'].includes(new URL(redirect).hostname) &&
      new URL(redirect).pathname === '/auth/signed-in';
    if (asked.get('client_id') !== clientId)
      return void refuse(response, 400, 'AADSTS700016: this app is not known here');
    if (!isRegistered) return void refuse(response, 400, 'AADSTS50011: this redirect address is not registered');
    if (asked.get('response_type') !== 'code' || asked.get('code_challenge_method') !== 'S256')
      return void refuse(response, 400, 'only the code flow with PKCE');
    const chosen = PEOPLE[Number(asked.get('person') ?? Number.NaN)];
    if (!chosen) return void page(response, asked);
    const code = randomUUID();
    const back = new URL(redirect);
    back.searchParams.set('code', code);
    back.searchParams.set('state', asked.get('state') ?? '');
    codes.set(code, {
      person: chosen,
      redirect,
      challenge: asked.get('code_challenge') ?? '',
      nonce: asked.get('nonce') ?? '',
      until: Date.now() + CODE_SECONDS * 1_000,
    });
    response.writeHead(302, { location: back.href }).end();
  }

  async function token(body: URLSearchParams, response: ServerResponse): Promise<void> {
    const known = codes.get(body.get('code') ?? '');
    codes.delete(body.get('code') ?? '');
    const refused = (error: string) => answer(response, 400, { error, error_description: `AADSTS: ${error}` });
    const assertion = body.get('client_assertion') ?? '';
    // As a federated credential: the platform vouches for the app's own identity.
    if (body.get('client_id') !== clientId || !(await identity.verify(assertion, 'api://AzureADTokenExchange')))
      return refused('invalid_client');
    if (!known || known.until < Date.now() || known.redirect !== body.get('redirect_uri'))
      return refused('invalid_grant');
    const challenge = createHash('sha256')
      .update(body.get('code_verifier') ?? '')
      .digest('base64url');
    if (challenge !== known.challenge) return refused('invalid_grant');
    const { name, roles } = known.person;
    answer(response, 200, {
      token_type: 'Bearer',
      expires_in: 3_600,
      access_token: 'opaque',
      id_token: await sign({ ...claimsOf(name, roles), nonce: known.nonce }),
    });
  }

  const sign = (claims: object, { audience = clientId, from = '', expiresIn = '1h' } = {}) =>
    new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'RS256', kid })
      .setIssuer(from || issuer)
      .setAudience(audience)
      .setIssuedAt()
      .setExpirationTime(expiresIn)
      .sign(privateKey);

  const running = await listen(server, port);
  const base = `${running.url}/${TENANT}`;
  const issuer = `${base}/v2.0`;
  return {
    ...running,
    issuer,
    clientId,
    token: (roles, { name = 'Somebody', audience, issuer: from, expiresIn } = {}) =>
      sign(claimsOf(name, roles), {
        ...(audience && { audience }),
        ...(from && { from }),
        ...(expiresIn && { expiresIn }),
      }),
  };
}

function claimsOf(name: string, roles: readonly string[]) {
  const id = createHash('sha256').update(name).digest('hex').slice(0, 32);
  // As Entra writes it: without roles there is no claim of them.
  return {
    sub: id,
    oid: id,
    name,
    preferred_username: `${name.split(' ')[0]!.toLowerCase()}@example.com`,
    ...(roles.length > 0 && { roles }),
  };
}

function page(response: ServerResponse, asked: URLSearchParams): void {
  const rows = PEOPLE.map(({ name, roles }, index) => {
    const to = new URLSearchParams([...asked, ['person', String(index)]]);
    return `<li><a href="?${escaped(to.toString())}"><b>${name}</b><span>${roles.join(', ') || 'no role'}</span></a></li>`;
  });
  response
    .writeHead(200, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
    })
    .end(`<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Sign in (stand-in)</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}
ul{list-style:none;padding:0}a{display:flex;justify-content:space-between;gap:1rem;padding:.7rem 1rem;margin:.4rem 0;border:1px solid #8886;border-radius:.5rem;text-decoration:none;color:inherit}
a:hover,a:focus{border-color:#06c}span{opacity:.7}</style>
<h1>Who are you?</h1><p>In Azure, Entra ID asks here. On this machine, choose.</p><ul>${rows.join('')}</ul></html>`);
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function refuse(response: ServerResponse, status: number, reason: string): void {
  if (!response.headersSent) response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(reason);
}

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
