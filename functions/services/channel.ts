import { ManagedIdentityCredential } from '@azure/identity';
import {
  ActivityTypes,
  CloudAdapter,
  ConfigurationBotFrameworkAuthentication,
  ConfigurationServiceClientCredentialFactory,
  type ConversationReference,
  EventFactory,
  type TurnContext,
} from 'botbuilder';
import { type ConnectorFactory, ServiceClientCredentialsFactory } from 'botframework-connector';
import { errors, importJWK, type JWK, jwtVerify } from 'jose';
import { z } from 'zod';
import type { AnsweredTurn, Reply } from '../conversation/document.ts';
import { activityOf } from './activity.ts';
import { Unavailable } from './failure.ts';
import { callJson, retryAfter } from './http.ts';
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

let shared:
  | { adapter: CloudAdapter; credentials: Credentials; appId: string; issuer: string; keys: SigningKeys }
  | undefined;
type Credentials = ServiceClientCredentialsFactory;

function channel() {
  if (shared) return shared;
  const given = settings();
  const appId = given.MicrosoftAppId;
  if (!appId) throw new Unauthorized('this bot has no app id (MicrosoftAppId), so no token can be meant for it');
  const issuer = given.BOT_TOKEN_ISSUER ?? publicFramework.ToBotFromChannelTokenIssuer;
  const metadata = given.BOT_OPENID_METADATA ?? publicFramework.ToBotFromChannelOpenIdMetadataUrl;
  const configuration = {
    ...publicFramework,
    MicrosoftAppId: appId,
    MicrosoftAppType: given.MicrosoftAppType,
    MicrosoftAppTenantId: given.MicrosoftAppTenantId ?? '',
    MicrosoftAppPassword: given.MicrosoftAppPassword ?? '',
    ToBotFromChannelTokenIssuer: issuer,
    ToBotFromChannelOpenIdMetadataUrl: metadata,
  };
  const credentials: Credentials =
    given.MicrosoftAppType === 'UserAssignedMSI'
      ? new ManagedIdentityCredentials(appId)
      : new ConfigurationServiceClientCredentialFactory(configuration);
  const adapter = new CloudAdapter(new BoundedAuthentication(configuration, credentials));
  shared = { adapter, credentials, appId, issuer, keys: new SigningKeys(metadata) };
  return shared;
}

/** What shows the bot to the channels' services. Throws {@link Unavailable}. */
export async function botToken(): Promise<string> {
  const { credentials, appId } = channel();
  const { ToChannelFromBotOAuthScope: audience, ToChannelFromBotLoginUrl: login } = publicFramework;
  try {
    const own = await credentials.createCredentials(appId, audience, login, true);
    const headers = new Headers();
    await own.signRequest({ headers } as unknown as Parameters<typeof own.signRequest>[0]);
    return headers.get('authorization')?.replace(/^Bearer /, '') ?? '';
  } catch (error) {
    throw new Unavailable('channel', 'no token for the bot', 0, { cause: error });
  }
}

/** What a channel's token vouches for. */
export interface Caller {
  serviceUrl: string;
  /** The channels that its key may sign for; empty: any. */
  endorsements: readonly string[];
}

/** As the Bot Framework's documentation allows clocks to differ. */
const SKEW_SECONDS = 300;
const TOKEN_LENGTH = 8_192;

/**
 * Checks a channel's token, before anything else of the request is read: who signed it, for whom, and when (Bot Framework's
 * "Authenticate requests from the Bot Connector service"). Throws {@link Unauthorized} for whatever is wrong with it, and
 * {@link Unavailable} when the issuer's keys can't be read.
 */
export async function authenticate(authorization: string): Promise<Caller> {
  const { issuer, appId, keys } = channel();
  const [scheme, token = '', ...more] = authorization.split(' ');
  if (scheme !== 'Bearer' || more.length > 0 || token.length > TOKEN_LENGTH) throw new Unauthorized('no bearer token');
  let endorsements: readonly string[] = [];
  try {
    const { payload } = await jwtVerify(
      token,
      async ({ kid, alg }) => {
        const key = typeof kid === 'string' ? await keys.find(kid) : undefined;
        if (!key) throw new Unauthorized('unknown key');
        endorsements = key.endorsements ?? [];
        return await importJWK(key as JWK, alg);
      },
      {
        issuer,
        audience: appId,
        algorithms: ['RS256', 'RS384', 'RS512'],
        clockTolerance: SKEW_SECONDS,
        requiredClaims: ['exp'],
      },
    );
    const { serviceurl } = payload;
    if (typeof serviceurl !== 'string') throw new Unauthorized('no service URL');
    return { serviceUrl: serviceurl, endorsements };
  } catch (error) {
    if (error instanceof errors.JOSEError) throw new Unauthorized(error.code, { cause: error });
    if (error instanceof TypeError || error instanceof DOMException)
      throw new Unauthorized('wrong key', { cause: error });
    throw error;
  }
}

/** Whether the token of a caller is good for an activity of this channel and service. */
export function vouches(
  { serviceUrl, endorsements }: Caller,
  activity: { serviceUrl: string; channelId: string },
): boolean {
  return serviceUrl === activity.serviceUrl && (endorsements.length === 0 || endorsements.includes(activity.channelId));
}

export type SendOutcome = { ok: true } | { ok: false; sent: number; reason: string; final: boolean; after: number };

/**
 * Sends the replies of one turn, from the one at `first`, to where its conversation reference points, until `expired`.
 * One attempt: the outbox repeats what was not sent. `attempts`: those that failed before.
 */
export async function send(
  reference: Record<string, unknown>,
  { id: turnId, givenId: activityId, sender: user, replies, by }: AnsweredTurn,
  { first, attempts }: { first: number; attempts: number },
  expired: () => boolean,
): Promise<SendOutcome> {
  // What the staff says answers no one message.
  const own = { ...reference, ...(activityId && { activityId }), user };
  return await attempt(own, first, attempts, async (sendActivity) => {
    for (const [index, reply] of replies.entries()) {
      if (index < first) continue;
      if (expired()) throw new Unavailable('channel', 'no time is left for this reply');
      if (reply.handoff) {
        await sendActivity(handoffOf(own, reply.handoff));
        continue;
      }
      await sendActivity({
        ...activityOf(reply, String(reference.channelId)),
        // The same for every attempt: a client that sees the reply twice can tell.
        channelData: { maru: { turnId, index, ...(by && { agent: by.name }) } },
      });
    }
  });
}

/** Asks the channel's own desk to take over, as Microsoft's hubs read it (`handoff.initiate`). */
function handoffOf(
  reference: Record<string, unknown>,
  { reason, ticket, text }: NonNullable<Reply['handoff']>,
): object {
  const { bot, user, conversation, channelId, serviceUrl, activityId } = reference;
  const activity = { from: bot, recipient: user, conversation, channelId, serviceUrl, id: activityId };
  return EventFactory.createHandoffInitiation({ activity } as unknown as TurnContext, { reason, ticket, text });
}

/** Shows that the bot is at work. */
export async function sendTyping(reference: Record<string, unknown>): Promise<SendOutcome> {
  return await attempt(reference, 0, 0, (sendActivity) => sendActivity({ type: ActivityTypes.Typing }));
}

async function attempt(
  reference: Record<string, unknown>,
  first: number,
  attempts: number,
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
    return { ok: false, sent, ...classify(error, attempts) };
  }
}

/** Statuses that may pass by themselves; 412: another write of the channel's was faster. */
const PASSING = new Set([408, 412, 429]);

/** What may pass by itself, and what never arrived, is sent again; so is what one token was refused for, once. */
export function classify(error: unknown, attempts: number): { reason: string; final: boolean; after: number } {
  const { statusCode, code, name, response } = error as {
    statusCode?: number;
    code?: string;
    name?: string;
    response?: { headers?: { get(name: string): string | undefined } };
  };
  const passing =
    statusCode === undefined
      ? code !== 'ERR_INVALID_URL'
      : PASSING.has(statusCode) || statusCode >= 500 || (statusCode === 401 && attempts === 0);
  const after = retryAfter(response?.headers?.get('retry-after') ?? null, Date.now());
  // By its code: a connector's words may repeat the reply, or what the user wrote.
  const reason = `${statusCode ?? ''} ${code ?? name ?? 'unknown'}`.trim().slice(0, 100);
  return { reason, final: !passing, after };
}

/** The SDK's authentication with one attempt and a timeout for each call: its defaults repeat POSTs and wait without end. */
class BoundedAuthentication extends ConfigurationBotFrameworkAuthentication {
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

const signingKey = z.looseObject({
  kid: z.string(),
  kty: z.literal('RSA'),
  endorsements: z.array(z.string()).optional(),
});
type SigningKey = z.infer<typeof signingKey>;

/** The issuer's keys, read whole or not at all, by one reader at a time; older ones do while the issuer is away. */
class SigningKeys {
  readonly #metadata: string;
  #known: { keys: Map<string, SigningKey>; at: number } | undefined;
  #reading: Promise<void> | undefined;

  constructor(metadata: string) {
    this.#metadata = metadata;
  }

  /** Throws {@link Unavailable} where none were ever read. */
  async find(id: string): Promise<SigningKey | undefined> {
    const age = this.#known ? Date.now() - this.#known.at : Number.POSITIVE_INFINITY;
    if (age > 24 * HOUR || (age > HOUR && !this.#known?.keys.has(id))) {
      this.#reading ??= this.#read().finally(() => {
        this.#reading = undefined;
      });
      await this.#reading.catch((error) => {
        if (this.#known) return;
        throw error instanceof Unavailable ? error : new Unavailable('channel', 'no signing keys', 0, { cause: error });
      });
    }
    return this.#known?.keys.get(id);
  }

  async #read(): Promise<void> {
    const once = { timeout: METADATA_TIMEOUT / 2, attempts: 1 };
    const { jwks_uri } = await callJson('channel', this.#metadata, z.object({ jwks_uri: z.url() }), once);
    const { keys } = await callJson('channel', jwks_uri, z.object({ keys: z.array(z.unknown()) }), once);
    const usable = keys.flatMap((key) => signingKey.safeParse(key).data ?? []);
    this.#known = { keys: new Map(usable.map((key) => [key.kid, key])), at: Date.now() };
  }
}
