import { z } from 'zod';
import { ACTIONS } from '../../services/audit.ts';
import { ROLES } from '../../services/sign-in.ts';
import { OUTCOMES } from '../../statistics/rollup.ts';
import { controlFree, customer as customerOfShop, reply, TEXT_LIMIT, turnKey, user, userSpace } from '../schemas.ts';

/** The shapes of the console's API. Ids of conversations and turns are those that are stored, which say nothing of whose they are. */
const stored = (kind: string) => z.string().regex(new RegExp(`^${kind}\\.[\\w-]{43}$`), `must be the id of a ${kind}`);

export const conversation = z.object({ conversationId: stored('conversation') });
export const picture = conversation.extend({
  turnId: stored('turn'),
  index: z.string().regex(/^[0-9]$/, 'must be a digit'),
});

export const pictureQuery = z.object({
  key: turnKey,
  name: z
    .string()
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it refuses
    .regex(/^[^\u0000-\u001f\u007f/\\]{1,100}$/, 'must be a file name of up to 100 characters')
    .optional(),
});

export const agent = z.object({ id: z.string(), name: z.string() }).meta({ id: 'Agent' });

export const me = z.object({ id: z.string(), name: z.string(), roles: z.array(z.enum(ROLES)) }).meta({ id: 'Me' });

const speaker = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('bot') }),
    z.object({
      kind: z.literal('waiting'),
      since: z.number(),
      reason: z.string(),
      ticket: z.string(),
      for: agent.optional(),
    }),
    z.object({
      kind: z.literal('person'),
      agent,
      since: z.number(),
      reason: z.string(),
      ticket: z.string(),
      unanswered: z.number().nullable().meta({ description: 'When the customer wrote what nobody has answered yet.' }),
      last: z.number(),
    }),
  ])
  .meta({ id: 'Speaker', description: 'Who answers the customer. Times are milliseconds since the epoch.' });

const callback = z
  .object({ since: z.number(), reason: z.string(), ticket: z.string() })
  .nullable()
  .meta({ description: 'A message that was left while nobody was at the desk.' });

const listed = z
  .object({
    conversationId: z.string(),
    speaker,
    callback,
    locale: z.string(),
    channel: z.string(),
    updatedAt: z.number(),
  })
  .meta({ id: 'DeskConversation' });

const texts = z.record(z.string(), z.string());

export const desk = z
  .object({
    isOpen: z.boolean().meta({ description: 'Whether it is within the hours of desk.json.' }),
    now: z.number(),
    conversations: z.array(listed),
    agents: z.array(agent).meta({ description: 'Who is here, and can be handed a conversation.' }),
  })
  .meta({ id: 'Desk' });

export const content = z
  .object({
    bot: z.string(),
    languages: z.array(z.object({ tag: z.string(), name: z.string() })),
    intents: z.array(z.string()),
    wrapUp: z.array(z.object({ name: z.string(), title: texts })),
    canned: z.array(z.object({ name: z.string(), text: texts })),
  })
  .meta({ id: 'DeskContent' });

const turn = z
  .object({
    turnId: z.string(),
    at: z.number(),
    ordinal: z.int().nullable().meta({ description: 'Its place; null while it waits.' }),
    text: z.string().meta({ description: 'What the customer wrote; blank where somebody of the staff speaks.' }),
    attachments: z.array(z.object({ index: z.int(), name: z.string(), contentType: z.string() })),
    refused: z.string().optional(),
    status: z.enum(['waiting', 'answered', 'failed']),
    by: agent.optional(),
    step: z.string().optional(),
    replies: z.array(reply),
    delivery: z.enum(['none', 'pending', 'sent', 'failed']),
    intent: z.object({ name: z.string(), score: z.number() }).optional(),
    skill: z.string().optional(),
    wrapUp: z.string().optional(),
    rating: z.number().optional(),
  })
  .meta({ id: 'DeskTurn' });

export const transcript = z
  .object({
    conversationId: z.string(),
    now: z.number(),
    speaker,
    callback,
    locale: z.string(),
    channel: z.string(),
    customerId: z.string().nullable(),
    turns: z.array(turn).meta({ description: 'Oldest first.' }),
    notes: z.array(z.object({ key: z.string(), by: agent, text: z.string(), at: z.number() })),
    draft: z.string(),
    isTyping: z.boolean().meta({ description: 'Whether the customer is writing.' }),
    viewers: z.array(agent).meta({ description: 'Who else looks at it.' }),
  })
  .meta({ id: 'Transcript' });

export const older = z.object({ turns: z.array(turn) }).meta({ id: 'OlderTurns' });

export const olderQuery = z.object({
  before: z
    .string()
    .regex(/^\d{1,12}$/, 'must be the ordinal of a turn')
    .meta({ description: 'Only what was said before it.' }),
});

const words = controlFree
  .max(TEXT_LIMIT, `more than ${TEXT_LIMIT} characters`)
  .refine((value) => value.isWellFormed(), 'must be well-formed Unicode (it has a lone surrogate)');
const said = words.refine((value) => value.trim().length > 0, 'must not be blank');

export const message = z.strictObject({ key: turnKey, text: said }).meta({ id: 'DeskMessage' });
export const note = z.strictObject({ key: turnKey, text: said }).meta({ id: 'DeskNote' });
export const draft = z.strictObject({ text: words }).meta({ id: 'DeskDraft' });
export const pass = z
  .strictObject({ to: z.string().min(1).max(200).nullable() })
  .meta({ id: 'DeskPass', description: 'Null: to whoever is free.' });
export const customer = z
  .object({
    customerId: z.string().nullable(),
    locale: z.string(),
    since: z.number().nullable().meta({ description: 'When this user first wrote.' }),
    known: z.array(
      z.object({
        action: z.string(),
        failed: z.boolean().optional().meta({ description: 'What it asks is away.' }),
        rows: z.array(z.object({ title: z.string(), text: z.string() })),
      }),
    ),
  })
  .meta({ id: 'DeskCustomer' });

export const lesson = z
  .strictObject({
    key: turnKey,
    kind: z.enum(['utterance', 'answer', 'faq']),
    question: said.max(300),
    answer: words,
    intent: z.string().max(64).nullable(),
    turnId: stored('turn').meta({ description: 'What the customer wrote.' }),
  })
  .meta({ id: 'Lesson' });

export const close = z.strictObject({ wrapUp: z.string().min(1).max(64) }).meta({ id: 'DeskClose' });
export const nothing = z.strictObject({});

export const waitHeaders = z.object({
  'If-None-Match': z.string().optional().meta({ description: 'The ETag of what the caller has.' }),
  Prefer: z
    .string()
    .optional()
    .meta({ description: 'How long to wait for another: `wait=20`, up to 30 s (RFC 7240).' }),
});

function isDay(text: string): boolean {
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

const day = z
  .string()
  .regex(/^20\d\d-\d\d-\d\d$/, 'must be a day such as 2026-11-28')
  // The parser takes the 30th of February for the 2nd of March.
  .refine((text) => isDay(text), 'must be a day of the calendar')
  .meta({ example: '2026-11-28' });
const name = controlFree
  .min(1)
  .max(100)
  .refine((value) => value.isWellFormed(), 'must be well-formed Unicode');
/** A number as it stands in an address. */
const number = (shape: z.ZodNumber) =>
  z
    .string()
    .max(20)
    .regex(/^\d+(\.\d+)?$/, 'must be a number')
    .transform(Number)
    .pipe(shape);
const moment = number(z.number().int().max(8.64e15)).meta({ description: 'Milliseconds since the epoch.' });

export const todayQuery = z.object({
  from: day.optional(),
  to: day.optional(),
  channel: name.optional(),
  locale: name.optional(),
});

const figures = z
  .object({
    turns: z.int(),
    people: z.int().meta({ description: 'Different ones, within about 3 %.' }),
    outcomes: z.record(z.enum(OUTCOMES), z.int()),
    up: z.int(),
    down: z.int(),
    rated: z.int(),
    stars: z.number().nullable(),
    p50: z.number().nullable().meta({ description: 'Milliseconds from acceptance to the answer.' }),
    p95: z.number().nullable(),
  })
  .meta({ id: 'Figures' });
const counted = z.object({ name: z.string(), turns: z.int() });

export const today = z
  .object({
    now: z.number(),
    timeZone: z.string(),
    from: z.string(),
    to: z.string(),
    begins: z.number().meta({ description: 'Milliseconds since the epoch.' }),
    ends: z.number(),
    weeks: z.int().meta({ description: 'How many weeks before the comparison is.' }),
    by: z.enum(['hour', 'day']),
    total: figures,
    before: figures.meta({ description: 'Of as many whole weeks before.' }),
    series: z.array(figures.extend({ at: z.number() })),
    intents: z.array(z.object({ intent: z.string(), turns: z.int(), before: z.int() })),
    hops: z.array(z.object({ hop: z.string(), p50: z.number(), p95: z.number() })),
    models: z.array(counted),
    contents: z.array(counted),
    channels: z.array(z.string()),
    locales: z.array(z.string()),
    waiting: z.int().nullable().meta({ description: 'How many customers wait for a person; null: not known now.' }),
    incidents: z.int().meta({ description: 'Which nobody has seen to.' }),
    releases: z.array(z.object({ id: z.string(), state: z.string(), since: z.number(), models: z.array(z.string()) })),
  })
  .meta({ id: 'Today' });

export const turnsQuery = z.object({
  from: moment.optional(),
  to: moment.optional(),
  intent: name.optional(),
  minScore: number(z.number().min(0).max(1)).optional(),
  maxScore: number(z.number().min(0).max(1)).optional(),
  outcome: z.enum(OUTCOMES).optional(),
  locale: name.optional(),
  channel: name.optional(),
  model: name.optional(),
  feedback: z.enum(['up', 'down']).optional(),
  label: name.optional().meta({ description: 'What a person has said that it means.' }),
  text: name.optional().meta({ description: 'Part of what was written.' }),
  after: z
    .string()
    .regex(/^\d{1,16}(~turn\.[\w-]{43}){0,50}$/, 'must be the `next` of another page')
    .optional()
    .meta({ description: 'The `next` of the page before.' }),
});
export const exportQuery = turnsQuery.extend({ format: z.enum(['csv', 'jsonl']) });

const loggedTurn = z
  .object({
    conversationId: z.string(),
    turnId: z.string(),
    at: z.number(),
    channel: z.string(),
    locale: z.string(),
    text: z.string(),
    pictures: z.int(),
    reply: z.string(),
    outcome: z.enum(OUTCOMES).nullable(),
    skill: z.string(),
    intent: z.string().optional(),
    score: z.number().optional(),
    model: z.string().optional(),
    feedback: z.object({ rating: z.enum(['up', 'down']), comment: z.string().nullable() }).optional(),
    handover: z.string().optional(),
    label: z.string().optional().meta({ description: 'What a person has said that it means.' }),
  })
  .meta({ id: 'LoggedTurn' });

export const turns = z
  .object({
    turns: z.array(loggedTurn),
    next: z.string().nullable().meta({ description: 'Where the list goes on, also when nothing was found so far.' }),
    searched: z.number().meta({ description: 'Back to when the log was searched.' }),
  })
  .meta({ id: 'LoggedTurns' });

export const conversationQuery = z.object({ before: number(z.number().int().max(1e12)).optional() });

export const loggedConversation = z
  .object({
    conversationId: z.string(),
    turns: z.array(
      loggedTurn.extend({
        ordinal: z.int(),
        ms: z.number(),
        replies: z.array(z.object({ text: z.string(), suggestions: z.array(z.string()), cards: z.array(z.string()) })),
        by: agent.optional(),
        step: z.string().optional(),
        wrapUp: z.string().optional(),
        stars: z.number().optional(),
        deliveryError: z.string().optional(),
        lastError: z.string().optional(),
        meant: z.string().optional(),
        top: z.array(z.object({ intent: z.string(), score: z.number() })),
        wishes: z.array(
          z.object({ intent: z.string(), entry: z.string().nullable(), score: z.number(), negated: z.boolean() }),
        ),
        faq: z.object({ entry: z.string(), score: z.number() }).nullable(),
        modelName: z.string().nullable(),
        content: z.string().nullable(),
        timings: z.record(z.string(), z.number()),
        traceId: z.string(),
      }),
    ),
    more: z.boolean(),
  })
  .meta({ id: 'LoggedConversation' });

const done = z.object({ by: agent, at: z.number() });

export const incidentsQuery = z.object({
  kind: z.enum(['turn_failed', 'delivery_failed', 'poison_message']).optional(),
  open: z.enum(['true', 'false']).optional().meta({ description: '`true`: only those that nobody has seen to.' }),
  before: moment.optional(),
});
export const incident = z.object({
  incidentId: z.string().regex(/^[\w-]{1,100}(\.[\w-]{1,100}){0,4}$/, 'must be the id of an incident'),
});
export const incidents = z
  .object({
    incidents: z.array(
      z.object({
        id: z.string(),
        kind: z.enum(['turn_failed', 'delivery_failed', 'poison_message']),
        conversationId: z.string().nullable(),
        turnId: z.string().nullable(),
        release: z.string().optional(),
        reason: z.string(),
        at: z.number(),
        acknowledged: done.optional(),
        repeated: done.optional(),
        repeatable: z.boolean(),
      }),
    ),
    next: z.number().nullable(),
  })
  .meta({ id: 'ListedIncidents' });

export const person = z
  .strictObject({
    userId: user.shape.userId.optional(),
    channel: userSpace.shape.channel,
    customerId: customerOfShop.shape.customerId.optional(),
  })
  .refine(
    ({ userId, customerId }) => (userId === undefined) !== (customerId === undefined),
    'needs either userId or customerId',
  )
  .meta({ id: 'Person', description: 'A user of a channel, or a customer of the shop.' });
export const auditQuery = z.object({ before: moment.optional() });
export const audit = z
  .object({
    entries: z.array(
      z.object({
        id: z.string(),
        at: z.number(),
        by: agent,
        action: z.enum(ACTIONS),
        of: z.string().nullable(),
        before: z.unknown().optional(),
        after: z.unknown().optional(),
        state: z.enum(['begun', 'done', 'refused']),
        note: z.string().optional(),
      }),
    ),
    next: z.number().nullable(),
  })
  .meta({ id: 'Audit' });

const judgement = z.looseObject({}).nullable();
const counts = z.object({ conversations: z.int(), missed: z.int(), handedOver: z.int(), down: z.int() });
const evidence = z
  .object({
    asked: z.int(),
    failed: z.int(),
    differed: z.int(),
    p95: z.object({ ramp: z.number(), live: z.number() }),
    ramp: counts,
    live: counts,
  })
  .meta({ id: 'RampEvidence' });
const possible = z.object({ release: z.string().nullable(), refusal: z.string().nullable() });
export const releases = z
  .object({
    releases: z.array(
      z.object({
        id: z.string(),
        digest: z.string(),
        state: z.string(),
        since: z.number(),
        pushedAt: z.number(),
        models: z.array(z.string()),
        steps: z.array(
          z.object({ state: z.string(), at: z.number(), by: z.string().nullable(), note: z.string().nullable() }),
        ),
        checks: z
          .object({
            golden: z.object({ passed: z.int(), failed: z.int() }),
            comparison: z
              .object({ compared: z.int(), same: z.int(), stagingP95: z.number(), productionP95: z.number() })
              .nullable(),
            judgement: judgement.optional(),
            faq: judgement.optional(),
          })
          .nullable(),
        reason: z.string().nullable(),
      }),
    ),
    swap: possible.meta({ description: 'What would go live.' }),
    rollback: possible.meta({ description: 'What would be rolled back.' }),
    ramp: z
      .object({
        release: z.string().meta({ description: 'Its id.' }),
        state: z.enum(['running', 'waiting', 'swapping', 'stopped', 'done']),
        share: z.number(),
        shares: z.array(z.number()),
        step: z.int(),
        since: z.number(),
        least: z.int(),
        reasons: z.array(z.string()),
        evidence: evidence.nullable(),
        history: z.array(
          z.object({
            share: z.number(),
            at: z.number(),
            by: z.string().nullable(),
            note: z.string().nullable(),
            evidence: evidence.nullable(),
          }),
        ),
      })
      .nullable()
      .meta({
        description: 'The newest: a growing share of conversations that a release answers before it goes live.',
      }),
    last: z
      .object({
        action: z.enum(ACTIONS),
        by: agent,
        at: z.number(),
        state: z.enum(['begun', 'done', 'refused']),
        note: z.string().nullable(),
      })
      .nullable()
      .meta({ description: 'The last swap of the hour.' }),
  })
  .meta({ id: 'ListedReleases' });

export const ramp = z
  .strictObject({
    action: z.enum(['begin', 'continue', 'stop']),
    step: z
      .int()
      .min(0)
      .max(10)
      .optional()
      .meta({ description: 'The step that goes on: asked for twice, it goes on once.' }),
    release: z.string().regex(/^sha256-[0-9a-f]{64}$/, 'must be the id of a release'),
  })
  .meta({ id: 'RampAction', description: 'What is to be done, of the release that the caller saw.' });

export const swap = z
  .strictObject({ release: z.string().regex(/^sha256-[0-9a-f]{64}$/, 'must be the id of a release') })
  .meta({ id: 'Swap', description: 'The release that the caller saw: what would go live, or be rolled back.' });

export const item = z.object({
  itemId: z
    .string()
    .regex(
      /^(?:(?:intent|faq|phrase|flow|entity)\.(?!__)[\w-]{1,64}|part\.recipe)$/,
      'must be the id of an item, such as intent.greeting',
    ),
});
const problem = z.object({ item: z.string().nullable(), path: z.string(), message: z.string() });
const draftInfo = z.object({ by: agent, at: z.number() });

export const contentList = z
  .object({
    version: z.string(),
    published: z.object({ at: z.number(), by: agent }).nullable().meta({ description: 'Null: as it was deployed.' }),
    languages: z.array(z.object({ tag: z.string(), name: z.string() })),
    items: z.array(
      z.object({
        id: z.string(),
        kind: z.string(),
        name: z.string(),
        draft: draftInfo.extend({ state: z.enum(['added', 'changed', 'removed']) }).optional(),
      }),
    ),
    drafts: z.string().nullable().meta({ description: 'Of all drafts as they are; null: there are none.' }),
    problems: z.array(problem),
  })
  .meta({ id: 'ContentList' });

export const contentItem = z
  .object({
    id: z.string(),
    kind: z.string(),
    name: z.string(),
    live: z.unknown().meta({ description: 'Null: it is new.' }),
    draft: draftInfo.extend({ value: z.unknown().meta({ description: 'Null: it goes.' }) }).nullable(),
    etag: z
      .string()
      .nullable()
      .meta({ description: 'What the next edit names: whoever has not seen this one is refused.' }),
    history: z.array(draftInfo.extend({ value: z.unknown() })),
  })
  .meta({ id: 'ContentItem' });

export const itemEdit = z
  .strictObject({
    value: z
      .record(z.string().max(100), z.unknown())
      .nullable()
      .meta({ description: 'As in the bot\u2019s folder; null: the item goes.' }),
    etag: z.string().max(100).nullable(),
  })
  .meta({ id: 'ItemEdit' });
export const itemEdited = z.object({ etag: z.string(), problems: z.array(problem) }).meta({ id: 'ItemEdited' });
export const discard = z.object({ etag: z.string().max(100).optional() });

export const publication = z
  .strictObject({
    note: said.max(300),
    drafts: z.string().max(100).meta({ description: 'The `drafts` of the list that the caller has seen.' }),
  })
  .meta({ id: 'Publication' });

const versionFields = {
  serial: z.int(),
  version: z.string(),
  at: z.number(),
  by: agent,
  note: z.string(),
  changed: z.array(z.string()),
};
export const version = z.object({ serial: z.string().regex(/^\d{1,9}$/, 'must be the number of a version') });
export const versionsQuery = z.object({ before: number(z.number().int().max(1e9)).optional() });
export const contentVersion = z.object(versionFields).meta({ id: 'ContentVersion' });
export const contentVersions = z
  .object({ versions: z.array(z.object(versionFields)), next: z.int().nullable() })
  .meta({ id: 'ContentVersions' });
export const contentDiff = z
  .object({
    ...versionFields,
    differences: z.array(z.object({ item: z.string(), before: z.unknown(), after: z.unknown() })),
  })
  .meta({ id: 'ContentDiff' });

export const itemCheck = z
  .strictObject({ id: item.shape.itemId, value: z.record(z.string().max(100), z.unknown()) })
  .meta({ id: 'ItemCheck' });
export const itemChecked = z.object({ problems: z.array(problem) }).meta({ id: 'ItemChecked' });

export const trial = z
  .strictObject({
    texts: z.array(said.max(1_000)).min(1).max(20).meta({ description: 'All that was said so far.' }),
    signedIn: z.boolean(),
  })
  .meta({ id: 'Trial' });
export const tried = z
  .object({
    turns: z.array(
      z.object({
        text: z.string(),
        locale: z.string(),
        intent: z.string(),
        score: z.number(),
        skill: z.string(),
        replies: z.array(z.object({ text: z.string(), suggestions: z.array(z.string()) })),
        notDone: z.array(z.string()).meta({ description: 'Actions that would have changed something.' }),
      }),
    ),
  })
  .meta({ id: 'Tried' });

export const effect = z
  .object({
    looked: z.int().meta({ description: 'How many turns were looked at.' }),
    changed: z.int(),
    turns: z.array(
      z.object({
        turnId: z.string(),
        conversationId: z.string(),
        text: z.string(),
        locale: z.string(),
        before: z.string(),
        after: z.string(),
      }),
    ),
  })
  .meta({ id: 'ContentEffect' });

export const review = z.object({ reviewId: z.string().regex(/^[\w-]{43}$/, 'must be the id of a text to look at') });
export const reviewNext = z
  .strictObject({
    turn: z
      .strictObject({ conversationId: stored('conversation'), turnId: stored('turn') })
      .optional()
      .meta({ description: 'What somebody wants to say something of first, whether it needs it or not.' }),
  })
  .meta({ id: 'ReviewNext' });
export const reviews = z
  .object({
    items: z.array(
      z.object({
        id: z.string(),
        text: z.string(),
        locale: z.string(),
        reasons: z.array(z.enum(['thumbs_down', 'not_understood', 'handed_over', 'unsure', 'disagreement'])),
        times: z.int(),
        conversationId: z.string(),
        turnId: z.string(),
        at: z.number(),
        reply: z.string(),
        intent: z.string().nullable(),
        score: z.number().nullable(),
        top: z.array(z.object({ intent: z.string(), score: z.number() })),
      }),
    ),
    waiting: z.int(),
    intents: z.array(z.string()),
  })
  .meta({ id: 'Reviews' });
export const decision = z
  .strictObject({ kind: z.enum(['intent', 'skip']), intent: z.string().min(1).max(64).optional() })
  .refine(({ kind, intent }) => (kind === 'intent') === (intent !== undefined), 'needs an intent, or none to skip it')
  .meta({ id: 'ReviewDecision' });
export const decided = z
  .object({ trains: z.boolean().meta({ description: 'It is an utterance of the draft now.' }) })
  .meta({ id: 'ReviewDecided' });
