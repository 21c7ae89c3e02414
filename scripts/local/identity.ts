import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose';
import { listen, type Running } from './listening.ts';

/**
 * Stands for two token services: the managed identity endpoint of App Service (`IDENTITY_ENDPOINT`), which gives the app
 * tokens for others, and the Bot Framework's issuer with its OpenID metadata, which gives channels tokens for the bot.
 * Leaves out everything but that: no users, no consent, no revocation.
 */
export interface Identity extends Running {
  /** IDENTITY_ENDPOINT and IDENTITY_HEADER. */
  endpoint: string;
  header: string;
  issuer: string;
  metadata: string;
  /** A channel's token for a bot. */
  channelToken(appId: string, serviceUrl: string, claims?: { issuer?: string; expiresIn?: string }): Promise<string>;
  /** Whether a token of an app identity holds for a resource. */
  verify(token: string, audience: string): Promise<boolean>;
}

const HOUR = 3_600;

export async function startIdentity(port: number): Promise<Identity> {
  const { publicKey, privateKey } = await generateKeyPair('RS256');
  const kid = 'local';
  const jwk = { ...(await exportJWK(publicKey)), kid, use: 'sig', alg: 'RS256' };
  const header = crypto.randomUUID();
  const sign = (issuer: string, audience: string, claims: Record<string, string>, expiresIn = '1h') =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', kid })
      .setIssuer(issuer)
      .setAudience(audience)
      .setIssuedAt()
      .setExpirationTime(expiresIn)
      .sign(privateKey);

  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.writeHead(400).end());
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', base);
    const answer = (status: number, body: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    if (url.pathname === '/.well-known/openidconfiguration')
      return answer(200, { issuer: base, jwks_uri: `${base}/keys` });
    if (url.pathname === '/keys') return answer(200, { keys: [jwk] });
    if (url.pathname !== '/msi/token') return answer(404, { error: 'not_found' });
    if (request.headers['x-identity-header'] !== header) return answer(401, { error: 'unauthorized' });
    const resource = url.searchParams.get('resource') ?? '';
    const token = await sign(base, resource, { appid: url.searchParams.get('client_id') ?? '' });
    const expires = Math.floor(Date.now() / 1_000) + HOUR;
    answer(200, { access_token: token, expires_on: String(expires), resource, token_type: 'Bearer' });
  }

  const running = await listen(server, port);
  const base = running.url;
  return {
    ...running,
    endpoint: `${base}/msi/token`,
    header,
    issuer: base,
    metadata: `${base}/.well-known/openidconfiguration`,
    channelToken: (appId, serviceUrl, { issuer = base, expiresIn } = {}) =>
      sign(issuer, appId, { serviceurl: serviceUrl }, expiresIn),
    verify: (token, audience) =>
      jwtVerify(token, publicKey, { issuer: base, audience }).then(
        () => true,
        () => false,
      ),
  };
}
