import { z } from 'zod';

/**
 * All settings of the gateway, read and validated once. Every problem is reported together.
 * In Azure (`WEBSITE_SITE_NAME` is set there) keys are refused: the platform's identities are used.
 */
const url = z.url({ protocol: /^https?$/ }).transform((text) => text.replace(/(?<!\/)\/+$/, ''));
const days = z.coerce.number().int().min(1).max(3_650);
const rate = z.coerce.number().int().min(1).max(1_000_000);
const seconds = (least: number, most: number) => z.coerce.number().int().min(least).max(most);

const origins = z
  .string()
  .default('')
  .transform((text) => text.split(',').filter(Boolean))
  .pipe(z.array(z.url({ protocol: /^https?$/ }).transform((text) => new URL(text).origin)));

/** Public keys only: whoever reads this app's settings must not be able to sign customers in. */
const customerKeys = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue({ code: 'custom', message: 'must be a JSON Web Key Set' });
      return z.NEVER;
    }
  })
  .pipe(
    z.object({
      keys: z
        .array(
          z
            .looseObject({ kty: z.enum(['RSA', 'EC', 'OKP']), kid: z.string().max(200).optional() })
            .refine((key) => !('d' in key || 'k' in key), 'must be public keys'),
        )
        .min(1)
        .max(2),
    }),
  );

const schema = z.object({
  WEBSITE_SITE_NAME: z.string().optional(),
  /** Which of the two apps of this build it is: the gateway, or the one that trains (its memory is another, and it scales by itself). */
  APP: z.enum(['gateway', 'training']).default('gateway'),

  COSMOS_ENDPOINT: url,
  COSMOS_KEY: z.string().optional(),
  COSMOS_DATABASE: z.string().default('maru'),

  STORAGE_CONNECTION: z.string().optional(),
  STORAGE_CONNECTION__queueServiceUri: url.optional(),
  STORAGE_CONNECTION__blobServiceUri: url.optional(),
  STORAGE_CONNECTION__clientId: z.string().optional(),
  /** Client id of the app's user-assigned identity, for Cosmos DB and everything that is not a binding. */
  AZURE_CLIENT_ID: z.string().optional(),
  /** Where the platform gives an app tokens of its identity; set by it. */
  IDENTITY_ENDPOINT: z.string().optional(),

  INFERENCE_URL: url,
  /** What the model server asks for (its INFERENCE_KEY); unset where it is reached by nobody else. */
  INFERENCE_KEY: z
    .string()
    .regex(/^[!-~]{16,512}$/, 'must have 16 to 512 characters, without blanks')
    .optional(),
  INTENT_MODEL: z
    .string()
    .regex(/^[\w.-]{1,64}$/)
    .default('intents'),
  FAQ_MODEL: z
    .string()
    .regex(/^[\w.-]{1,64}$/)
    .default('faq'),
  INFERENCE_TIMEOUT_SECONDS: seconds(1, 20).default(5),
  SHOP_URL: url,
  /** The shop's public keys (a JSON Web Key Set) for tokens that say which customer a user is; two, while one is replaced. */
  SHOP_SIGNING_KEYS: customerKeys.optional(),
  SHOP_TOKEN_AUDIENCE: z.string().min(1).max(200).default('maru'),
  /** Where the chat page asks the shop, with the shop's cookies, for such a token. Unset: everybody is a guest there. */
  SHOP_CUSTOMER_TOKEN_URL: url.optional(),
  /** Where browsers reach this app, where a proxy with a name of its own stands before it (Front Door). */
  PUBLIC_URL: url.optional(),
  /** Who signs the staff in: an issuer of OpenID Connect (`https://login.microsoftonline.com/<tenant>/v2.0`), and this app there. */
  CONSOLE_ISSUER: url.optional(),
  CONSOLE_CLIENT_ID: z.string().min(1).max(200).optional(),
  /** Where the app registration does not trust the app's own identity. */
  CONSOLE_CLIENT_SECRET: z.string().optional(),
  /** What sessions are sealed with: the same for all instances. */
  CONSOLE_SESSION_KEY: z.string().min(32).optional(),
  /** Whether a releaser may swap the slots from the console: the app's identity then needs the right to (infra/access.bicep). */
  CONSOLE_SWAPS: z.stringbool().default(false),
  /** Set by App Service where its own sign-in is on. */
  WEBSITE_AUTH_ENABLED: z.stringbool().default(false),
  /**
   * Who answers where a person is asked for: our own desk (`console`), the tickets of the shop's (`tickets`, SHOP_URL), another desk over
   * a pair of webhooks (`webhook`), or the channel's own by the Bot Framework's hand-off events (`channel`).
   */
  DESK: z.enum(['console', 'tickets', 'webhook', 'channel']).default('console'),
  /** Where another desk is told what is asked of it, and what both sign with (Standard Webhooks). */
  HUB_URL: url.optional(),
  HUB_KEY: z.string().min(24).optional(),
  /** Where replies are sent to, for conversations of the HTTP API whose client asks for it, and what they are signed with. */
  REPLIES_URL: url.optional(),
  REPLIES_KEY: z.string().min(24).optional(),
  /** Origins that may show the chat page in a frame, separated by commas. */
  CHAT_FRAME_ANCESTORS: origins,

  MicrosoftAppId: z.string().optional(),
  MicrosoftAppType: z.enum(['UserAssignedMSI', 'SingleTenant', 'MultiTenant']).default('UserAssignedMSI'),
  MicrosoftAppTenantId: z.string().optional(),
  MicrosoftAppPassword: z.string().optional(),
  /** Where channel tokens are issued and their keys are published; unset: the public Bot Framework. */
  BOT_TOKEN_ISSUER: z.string().optional(),
  BOT_OPENID_METADATA: url.optional(),
  /** Origins, besides a channel's own service, from which attachments may be read; separated by commas. */
  ATTACHMENT_ORIGINS: origins,

  DIRECT_LINE_URL: url.default('https://directline.botframework.com/v3/directline'),
  DIRECT_LINE_SECRET: z.string().optional(),

  /** Releases: the registry, what may be pushed there, and the web app whose slots run it. Unset: there are none. */
  REGISTRY_URL: url.optional(),
  RELEASE_REPOSITORIES: z
    .string()
    .default('maru/inference')
    .transform((text) =>
      text
        .split(',')
        .map((name) => name.trim())
        .filter(Boolean),
    ),
  RELEASE_TAG: z.string().default('staging'),
  /** What the registry's webhook sends in X-Maru-Webhook-Secret. */
  REGISTRY_WEBHOOK_SECRET: z.string().min(16).optional(),
  ARM_ENDPOINT: url.default('https://management.azure.com'),
  AZURE_SUBSCRIPTION_ID: z.string().optional(),
  INFERENCE_RESOURCE_GROUP: z.string().optional(),
  INFERENCE_SITE: z.string().optional(),
  STAGING_SLOT: z.string().default('staging'),
  STAGING_URL: url.optional(),
  /** How long a slot may take to serve what it was given. */
  RELEASE_START_SECONDS: seconds(5, 3_600).default(600),
  /** Logged utterances that staging and production are compared on, and the least share that must be answered the same. */
  RELEASE_COMPARE: seconds(0, 500).default(100),
  RELEASE_AGREEMENT: z.coerce.number().min(0).max(1).default(0.5),
  /** Shares that a release may lose of what production has right: of the utterances of intents, and of those of none that it refuses. */
  RELEASE_LOSS: z.coerce.number().min(0).max(1).default(0.02),
  RELEASE_LOSS_NONE: z.coerce.number().min(0).max(1).default(0.05),
  /** Whether models are trained here: by the app of this build whose APP is `training`. */
  TRAINING: z.stringbool().default(false),
  /** After how many new labels and changed utterances a training begins by itself; 0: only when somebody asks. */
  TRAINING_AFTER: z.coerce.number().int().min(0).max(100_000).default(20),
  /** How long nothing must have been taught before that. */
  TRAINING_QUIET_SECONDS: seconds(0, 86_400).default(60),
  /** A time of day at which whatever was taught since is enough, in the bot's time zone. */
  TRAINING_AT: z
    .string()
    .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day: 03:30')
    .optional(),
  /** How long one training may take; below the app's functionTimeout. */
  TRAINING_MINUTES: z.coerce.number().int().min(1).max(45).default(30),
  /** Of how many days what customers wrote is understood once more when a model goes live; 0: nothing. */
  REPLAY_DAYS: z.coerce.number().int().min(0).max(90).default(7),
  /** Whether a release that gets ready is ramped by itself; else when somebody asks. */
  RAMP: z.stringbool().default(false),
  /** Messages that each step of a ramp needs before it is decided, and how long one may stay undecided before a person is asked. */
  RAMP_TURNS: z.coerce.number().int().min(10).max(4_000).default(200),
  RAMP_PATIENCE_MINUTES: z.coerce.number().int().min(1).max(20_160).default(1_440),
  /** Gets a JSON message when a release is ready or has failed: a Logic App, a Teams workflow. */
  OPERATOR_WEBHOOK_URL: url.optional(),

  APPLICATIONINSIGHTS_CONNECTION_STRING: z.string().optional(),
  /** How long a turn stays in the call log, a conversation after its last turn, and a user after the last conversation. */
  CALL_LOG_DAYS: days.default(90),
  CONVERSATION_DAYS: days.default(90),
  USER_DAYS: days.default(400),
  /** Whether card numbers, phones and the like are masked in what is kept of a turn (functions/bot/personal-details.json). */
  MASK_PERSONAL_DETAILS: z.stringbool().default(true),

  /**
   * Requests a minute of one instance: from one address to the routes that ask for no key, to all of them together, and turns
   * of one user (docs/security.md).
   */
  RATE_ADDRESS: rate.default(300),
  RATE_ANONYMOUS: rate.default(6_000),
  RATE_USER: rate.default(120),
  /** Pictures that are tried, by everybody together: each takes the model server tens of milliseconds. */
  RATE_PICTURES: rate.default(600),
  /** How many proxies stand before the app and add to X-Forwarded-For: 1 is Azure's own front end, 2 with Front Door. */
  TRUSTED_PROXIES: z.coerce.number().int().min(0).max(5).default(1),
});

export type Settings = Readonly<z.infer<typeof schema>>;

export class SettingsError extends Error {
  readonly problems: string[];

  constructor(problems: string[]) {
    super(`${problems.length} setting${problems.length === 1 ? '' : 's'} to correct:\n  ${problems.join('\n  ')}`);
    this.problems = problems;
  }
}

/** Parses an environment. Throws a {@link SettingsError} that lists every problem. */
export function parseSettings(environment: Record<string, string | undefined>): Settings {
  // A blank setting is one that is not set: a portal field left empty must not become "" or 0.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value?.trim()));
  const parsed = schema.safeParse(given);
  const problems = parsed.success
    ? []
    : parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  problems.push(...rules(given));
  if (!parsed.success || problems.length > 0) throw new SettingsError(problems);
  return Object.freeze(parsed.data);
}

let current: Settings | undefined;

/** The settings of this process, parsed at the first call. */
export function settings(): Settings {
  current ??= parseSettings(process.env);
  return current;
}

/** What holds between settings, checked also when one of them is wrong by itself. */
function rules(given: Record<string, string | undefined>): string[] {
  const problems: string[] = [];
  if (!given.STORAGE_CONNECTION) {
    for (const name of ['STORAGE_CONNECTION__queueServiceUri', 'STORAGE_CONNECTION__blobServiceUri'])
      if (!given[name]) problems.push(`${name}: needed, or STORAGE_CONNECTION`);
  }
  const longest = Math.max(Number(given.CONVERSATION_DAYS ?? 90), Number(given.CALL_LOG_DAYS ?? 90));
  // A profile is written anew at most once a week (services/users.ts).
  if (Number(given.USER_DAYS ?? 400) < longest + 7)
    problems.push('USER_DAYS: must be 7 more than CONVERSATION_DAYS and CALL_LOG_DAYS; by it the rest is found');
  if (given.DESK === 'webhook' && !(given.HUB_URL && given.HUB_KEY))
    problems.push('HUB_URL, HUB_KEY: needed where DESK is webhook');
  if (given.REPLIES_URL && !given.REPLIES_KEY) problems.push('REPLIES_KEY: needed with REPLIES_URL');
  if (!given.WEBSITE_SITE_NAME) return problems;
  const isGateway = given.APP !== 'training';
  if (isGateway && !given.MicrosoftAppId)
    problems.push('MicrosoftAppId: needed in Azure; without it every request would be let in');
  if (!given.AZURE_CLIENT_ID) problems.push('AZURE_CLIENT_ID: needed in Azure; the client id of the app identity');
  // Customers would be sent to a desk that nobody can open.
  if (
    isGateway &&
    (given.DESK ?? 'console') === 'console' &&
    !given.CONSOLE_CLIENT_ID &&
    given.WEBSITE_AUTH_ENABLED?.toLowerCase() !== 'true'
  )
    problems.push('CONSOLE_CLIENT_ID: needed where DESK is console; without it nobody can sign in to answer');
  if (given.CONSOLE_CLIENT_ID && !given.CONSOLE_SESSION_KEY)
    problems.push('CONSOLE_SESSION_KEY: needed with CONSOLE_CLIENT_ID');
  if (given.COSMOS_KEY) problems.push('COSMOS_KEY: not used in Azure; give the app identity a Cosmos DB data role');
  if (given.STORAGE_CONNECTION)
    problems.push('STORAGE_CONNECTION: not used in Azure; set STORAGE_CONNECTION__queueServiceUri');
  for (const name of ['COSMOS_ENDPOINT', 'INFERENCE_URL', 'SHOP_URL', 'CONSOLE_ISSUER', 'HUB_URL', 'REPLIES_URL'])
    if (given[name]?.startsWith('http:')) problems.push(`${name}: must be https in Azure`);
  if (given.BOT_TOKEN_ISSUER || given.BOT_OPENID_METADATA)
    problems.push(
      'BOT_TOKEN_ISSUER, BOT_OPENID_METADATA: not used in Azure; only the Bot Framework may issue channel tokens',
    );
  return problems;
}
