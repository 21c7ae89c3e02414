import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { ManagedIdentityCredential } from '@azure/identity';
import {
  type Activity,
  ActivityTypes,
  CloudAdapter,
  ConfigurationBotFrameworkAuthentication,
  type ConversationReference,
} from 'botbuilder';
import { AuthenticationError, type ConnectorFactory, ServiceClientCredentialsFactory } from 'botframework-connector';
import { JwtTokenExtractor } from 'botframework-connector/lib/auth/jwtTokenExtractor.js';
import type { Reply, Turn } from '../conversation/document.ts';
import { Unavailable } from './failure.ts';
import { call } from './http.ts';
import { settings } from './settings.ts';

/** Bot Framework channels: checks the tokens of what comes in, and sends replies through the channel's connector. */
const SEND_TIMEOUT = 8_000;
const METADATA_TIMEOUT = 5_000;

/** The public Bot Framework. All of it is given, because the SDK defaults none of these once one is set. */
const publicFramework = {
  ToChannelFromBotLoginUrl: 'https://login.microsoftonline.com/botframework.com',
  ToChannelFromBotOAuthScope: 'https://api.botframework.com',
  ToBotFromChannelTokenIssuer: 'https://api.botframework.com',
  OAuthUrl: 'https://api.botframework.com',
  ToBotFromChannelOpenIdMetadataUrl: 'https://login.botframework.com/v1/.well-known/openidconfiguration',
  ToBotFromEmulatorOpenIdMetadataUrl: 'https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration',
  CallerId: 'urn:botframework:azure',
  ValidateAuthority: 'true',
};

/** The caller's token is missing or does not hold. */
export class Unauthorized extends Error {}

let shared: { adapter: CloudAdapter; authentication: BoundedAuthentication; appId: string; issuer: string } | undefined;

function channel() {
  if (shared) return shared;
  const given = settings();
  const appId = given.MicrosoftAppId;
  if (!appId) throw new Unauthorized('this bot has no app id (MicrosoftAppId), so no token can be meant for it');
  const issuer = given.BOT_TOKEN_ISSUER ?? publicFramework.ToBotFromChannelTokenIssuer;
  const metadata = given.BOT_OPENID_METADATA ?? publicFramework.ToBotFromChannelOpenIdMetadataUrl;
  // The SDK's own reader takes half-read keys for none, and refuses good tokens for an hour.
  (JwtTokenExtractor as unknown as { openIdMetadataCache: Map<string, unknown> }).openIdMetadataCache.set(
    metadata,
    signingKeys(metadata),
  );
  const authentication = new BoundedAuthentication({
    ...publicFramework,
    MicrosoftAppId: appId,
    MicrosoftAppType: given.MicrosoftAppType,
    MicrosoftAppTenantId: given.MicrosoftAppTenantId ?? '',
    MicrosoftAppPassword: given.MicrosoftAppPassword ?? '',
    ToBotFromChannelTokenIssuer: issuer,
    ToBotFromChannelOpenIdMetadataUrl: metadata,
  });
  shared = { adapter: new CloudAdapter(authentication), authentication, appId, issuer };
  return shared;
}

/**
 * Checks that a channel sent this activity. Throws {@link Unauthorized} for whatever is wrong with the token, and
 * {@link Unavailable} when the issuer's keys can't be read.
 */
export async function authenticate(
  authorization: string,
  activity: { serviceUrl: string; channelId: string },
): Promise<void> {
  const { authentication, issuer } = channel();
  // Only the channels' issuer: the SDK would also take tokens of any tenant for the Emulator, without checking their
  // audience or service URL.
  const claims = decode(authorization);
  if (claims.iss !== issuer) throw new Unauthorized('wrong issuer');
  const limit = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => limit.reject(new Unavailable('channel', `no signing keys in ${METADATA_TIMEOUT} ms`)),
    METADATA_TIMEOUT,
  );
  try {
    await Promise.race([authentication.authenticateRequest(activity as Activity, authorization), limit.promise]);
  } catch (error) {
    const name = error instanceof Error ? error.name : '';
    // The SDK throws its own error with 401 for wrong claims, but the JWT library's for bad signatures and algorithms.
    const refused =
      (error instanceof AuthenticationError && error.statusCode === 401) ||
      /^(JsonWebToken|TokenExpired|NotBefore)Error$/.test(name);
    if (refused) throw new Unauthorized(name, { cause: error });
    if (error instanceof Unavailable) throw error;
    throw new Unavailable('channel', `signing keys: ${String(error).slice(0, 200)}`, 0, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

function decode(authorization: string): { iss?: unknown } {
  const [, header, payload] = /^Bearer ([\w-]+)\.([\w-]+)\.[\w-]+$/.exec(authorization) ?? [];
  if (!header || !payload) throw new Unauthorized('no bearer token');
  try {
    const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid?: unknown };
    if (typeof kid !== 'string') throw new Unauthorized('no key id');
    return JSON.parse(Buffer.from(payload, 'base64url').toString()) as { iss?: unknown };
  } catch (error) {
    throw error instanceof Unauthorized ? error : new Unauthorized('not a token', { cause: error });
  }
}

export type SendOutcome = { ok: true } | { ok: false; sent: number; reason: string; final: boolean; after: number };

/**
 * Sends the replies of one turn, from the one at `first`, to where its conversation reference points, until `expired`.
 * One attempt: the outbox repeats what was not sent.
 */
export async function send(
  reference: Record<string, unknown>,
  replyTo: Turn['replyTo'],
  replies: Reply[],
  first: number,
  turnId: string,
  expired: () => boolean,
): Promise<SendOutcome> {
  const own = { ...reference, ...(replyTo ? { activityId: replyTo.activityId, user: replyTo.user } : {}) };
  return await attempt(own, first, async (sendActivity) => {
    for (const [index, reply] of replies.entries()) {
      if (index < first) continue;
      if (expired()) throw new Unavailable('channel', 'no time is left for this reply');
      await sendActivity({
        type: ActivityTypes.Message,
        text: reply.text,
        // The same for every attempt: a client that sees the reply twice can tell.
        channelData: { maru: { turnId, index } },
        ...(reply.suggestions?.length
          ? {
              suggestedActions: {
                to: [],
                actions: reply.suggestions.map((text) => ({ type: 'imBack', title: text, value: text })),
              },
            }
          : {}),
        ...(reply.images?.length
          ? {
              attachmentLayout: 'carousel',
              attachments: reply.images.map(({ url, alt }) => ({
                contentType: 'image/png',
                contentUrl: url,
                name: alt,
              })),
            }
          : {}),
      });
    }
  });
}

/** Shows that the bot is at work. */
export async function sendTyping(reference: Record<string, unknown>): Promise<SendOutcome> {
  return await attempt(reference, 0, (sendActivity) => sendActivity({ type: ActivityTypes.Typing }));
}

async function attempt(
  reference: Record<string, unknown>,
  first: number,
  work: (sendActivity: (activity: object) => Promise<void>) => Promise<void>,
): Promise<SendOutcome> {
  let sent = first;
  try {
    const { adapter, appId } = channel();
    await adapter.continueConversationAsync(appId, reference as unknown as ConversationReference, async (context) => {
      // Otherwise the SDK replies to an activity id that it made up.
      context.activity.id = String(reference.activityId ?? '') || (undefined as never);
      await work(async (activity) => {
        await context.sendActivity(activity);
        sent += 1;
      });
    });
    return { ok: true };
  } catch (error) {
    return { ok: false, sent, ...classify(error) };
  }
}

/** 408, 429, 5xx and what never arrived may pass by themselves; every other answer is final. */
function classify(error: unknown): { reason: string; final: boolean; after: number } {
  const { statusCode, code, response } = error as {
    statusCode?: number;
    code?: string;
    response?: { headers?: { get(name: string): string | undefined } };
  };
  const passing =
    statusCode === undefined
      ? code !== 'ERR_INVALID_URL'
      : statusCode === 408 || statusCode === 429 || statusCode >= 500;
  const after = 1_000 * (Number(response?.headers?.get('retry-after')) || 0);
  const reason = `${statusCode ?? code ?? ''} ${error instanceof Error ? error.message.split('\n')[0] : error}`
    .trim()
    .slice(0, 300);
  return { reason, final: !passing, after };
}

/** The SDK's authentication with one attempt and a timeout for each call: its defaults repeat POSTs and wait without end. */
class BoundedAuthentication extends ConfigurationBotFrameworkAuthentication {
  constructor(configuration: Record<string, string>) {
    const managed = configuration.MicrosoftAppType === 'UserAssignedMSI';
    super(configuration, managed ? new ManagedIdentityCredentials(configuration.MicrosoftAppId!) : undefined);
  }

  override createConnectorFactory(
    identity: Parameters<ConfigurationBotFrameworkAuthentication['createConnectorFactory']>[0],
  ): ConnectorFactory {
    const factory = super.createConnectorFactory(identity);
    const create = factory.create.bind(factory);
    factory.create = async (...given) => {
      const connector = await create(...given);
      const { pipeline } = (connector as unknown as { client: { pipeline: Pipeline } }).client;
      pipeline.removePolicy({ name: 'defaultRetryPolicy' });
      pipeline.addPolicy({
        name: 'timeout',
        sendRequest: (request, next) => next(Object.assign(request, { timeout: SEND_TIMEOUT })),
      });
      return connector;
    };
    return factory;
  }
}

interface Pipeline {
  removePolicy(policy: { name: string }): void;
  addPolicy(policy: {
    name: string;
    sendRequest(request: object, next: (request: object) => Promise<unknown>): Promise<unknown>;
  }): void;
}

/** Tokens for the connector from the platform's identity endpoint, asked once and with an end. */
class ManagedIdentityCredentials extends ServiceClientCredentialsFactory {
  readonly #appId: string;
  readonly #identity: ManagedIdentityCredential;

  constructor(appId: string) {
    super();
    this.#appId = appId;
    this.#identity = new ManagedIdentityCredential({ clientId: appId, retryOptions: { maxRetries: 1 } });
  }

  override isValidAppId(appId: string): Promise<boolean> {
    return Promise.resolve(appId === this.#appId);
  }

  override isAuthenticationDisabled(): Promise<boolean> {
    return Promise.resolve(false);
  }

  override createCredentials(_appId: string, audience: string) {
    return Promise.resolve({
      signRequest: async (request: { headers: { set(name: string, value: string): void } }) => {
        const token = await this.#identity.getToken(`${audience}/.default`, {
          abortSignal: AbortSignal.timeout(SEND_TIMEOUT),
        });
        request.headers.set('Authorization', `Bearer ${token.token}`);
        return request;
      },
    } as never);
  }
}

const HOUR = 3_600_000;

type SigningKey = JsonWebKey & { kid: string; endorsements?: string[] };

/** The issuer's keys, read whole or not at all, by one reader at a time; older ones do while the issuer is away. */
function signingKeys(metadata: string) {
  let known: { keys: Map<string, SigningKey>; at: number } | undefined;
  let reading: Promise<void> | undefined;
  const get = async (url: string) =>
    JSON.parse((await call('channel', url, { timeout: METADATA_TIMEOUT / 2, attempts: 1 })).body.toString());
  const read = async () => {
    const { jwks_uri } = (await get(metadata)) as { jwks_uri: string };
    const { keys } = (await get(jwks_uri)) as { keys: SigningKey[] };
    known = { keys: new Map(keys.map((key) => [key.kid, key])), at: Date.now() };
  };
  return {
    async getKey(id: string) {
      const age = known ? Date.now() - known.at : Number.POSITIVE_INFINITY;
      if (age > 24 * HOUR || (age > HOUR && !known?.keys.has(id))) {
        reading ??= read().finally(() => {
          reading = undefined;
        });
        await reading.catch((error) => {
          if (!known) throw error;
        });
      }
      const key = known?.keys.get(id);
      if (!key) return null;
      const pem = createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
      return { key: String(pem), endorsements: key.endorsements };
    },
  };
}
