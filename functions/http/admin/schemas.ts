import { z } from 'zod';
import { ROLES } from '../../services/sign-in.ts';
import { controlFree, reply, TEXT_LIMIT, turnKey } from '../schemas.ts';

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

const agent = z.object({ id: z.string(), name: z.string() }).meta({ id: 'Agent' });

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
