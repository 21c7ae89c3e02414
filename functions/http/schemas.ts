import { z } from 'zod';

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const NO_CONTROL = /^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]*$/;
/** A path can't name a dot segment: clients and proxies take it away. */
const NOT_DOTS = /^(?!\.+$)/;

export const controlFree = z.string().regex(NO_CONTROL, 'must not contain control characters');

/** The shapes of the HTTP API. They validate what comes in, and /api/openapi.json is generated from them. */
export const conversation = z.object({
  conversationId: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, - or _')
    .meta({ description: 'Chosen by the client.', example: 'c1' }),
});

export const turnKey = z
  .string()
  .regex(
    /^[A-Za-z0-9_:-][A-Za-z0-9_.:-]{0,127}$/,
    'must be 1 to 128 letters, digits or any of _ . : -, and not begin with .',
  )
  .meta({ description: 'The Idempotency-Key of the message, or the key that was made for it.', example: 'k1' });

export const turn = conversation.extend({ turnId: turnKey });

/** Any user's id, also a channel's own, as the operator writes it. */
export const user = z.object({
  userId: controlFree
    .min(1)
    .max(512)
    .regex(NOT_DOTS, 'must not be dots alone')
    .refine((value) => value.isWellFormed(), 'must be well-formed Unicode')
    .meta({ description: 'As the client or the channel wrote it.', example: 'u1' }),
});

export const userSpace = z.object({
  channel: z
    .string()
    .regex(/^[\w.-]{1,64}$/, "must be a channel's name")
    .optional()
    .meta({ description: 'The channel whose user it is, such as `directline`; without it, a user of the HTTP API.' }),
});

const customerId = z
  .string()
  .regex(
    /^[A-Za-z0-9_@:+-][A-Za-z0-9_@:+.-]{0,127}$/,
    'must be 1 to 128 letters, digits or any of _ @ : + . -, and not begin with .',
  )
  .meta({ description: "The shop's own id of the customer.", example: 'demo' });

export const customer = z.object({ customerId });

const userId = z
  .string()
  .regex(
    /^[A-Za-z0-9_@:-][A-Za-z0-9_.@:-]{0,127}$/,
    'must be 1 to 128 letters, digits or any of _ . @ : -, and not begin with .',
  )
  .meta({ description: "The client's own id of the user.", example: 'u1' });

export const TEXT_LIMIT = 4_000;

const text = controlFree
  .regex(/\S/, 'must not be blank')
  .max(TEXT_LIMIT, `more than ${TEXT_LIMIT} characters`)
  .refine((value) => value.trim().length > 0, 'must not be blank')
  .refine((value) => value.isWellFormed(), 'must be well-formed Unicode (it has a lone surrogate)');

const locale = z
  .string()
  .regex(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/, 'must be a language tag such as en or ko-KR')
  .meta({
    description: 'A language tag. The bot answers in one of its languages; the text itself decides first.',
    example: 'en',
  });

export const messageRequest = z
  .strictObject({
    userId,
    text,
    locale: locale.optional(),
    customerId: customerId.optional().meta({ description: 'Who the user is to the shop, where the client knows.' }),
    push: z.boolean().optional().meta({
      description:
        'What is said in this conversation from now on, late answers and persons’ words among it, is also sent to the client’s webhook (REPLIES_URL), signed.',
    }),
  })
  .meta({ id: 'MessageRequest' });

export const messageHeaders = z.object({
  'Idempotency-Key': turnKey
    .optional()
    .meta({ description: 'Sent again with the same key, a message is answered once.' }),
});

export const waitHeaders = z.object({
  Prefer: z
    .string()
    .optional()
    .meta({ description: 'How long to wait for the answer: `wait=10`, up to 30 s (RFC 7240).', example: 'wait=10' }),
});

export const reply = z
  .object({
    text: z.string(),
    suggestions: z.array(z.string()).optional(),
    picture: z
      .object({ url: z.string(), contentType: z.string(), name: z.string() })
      .optional()
      .meta({ description: 'What a person sends; its address holds for some days.' }),
    heading: z.string().optional().meta({ description: 'What stands above the cards; `text` has all of it.' }),
    cards: z
      .array(
        z.object({
          title: z.string(),
          text: z.string().optional(),
          image: z.object({ url: z.string(), alt: z.string() }).optional(),
          link: z.object({ url: z.string(), title: z.string() }).optional(),
          buttons: z.array(z.string()).optional(),
        }),
      )
      .optional(),
  })
  .meta({ id: 'Reply' });

export const messageResponse = z
  .object({
    conversationId: z.string(),
    turnId: z.string(),
    status: z
      .enum(['accepted', 'answered', 'failed'])
      .meta({ description: '`failed`: answered with an apology; a person is told.' }),
    text: z.string().optional().meta({
      description:
        'Personal details are masked once it is answered; while a person is asked for or has the conversation, once that is over.',
    }),
    replies: z.array(reply).optional(),
    intent: z
      .object({ name: z.string(), score: z.number() })
      .optional()
      .meta({ description: '`faq` where an entry of the FAQ answers.' }),
    faq: z.object({ entry: z.string(), score: z.number() }).optional().meta({
      description: 'The likeliest entry of the FAQ, also where an intent answers; `none` where none is likely.',
    }),
    wishes: z
      .array(z.object({ intent: z.string(), entry: z.string().optional(), score: z.number(), negated: z.boolean() }))
      .optional()
      .meta({ description: 'In order, where there are several, or one is said not to be wanted.' }),
    model: z.object({ name: z.string(), version: z.string() }).optional(),
  })
  .meta({ id: 'MessageResponse' });

const speaker = z
  .object({
    kind: z.enum(['bot', 'waiting', 'person']),
    name: z.string().optional().meta({ description: 'Of the person.' }),
  })
  .meta({ id: 'WhoSpeaks', description: 'Who answers in this conversation now.' });

export const replyList = z
  .object({
    conversationId: z.string(),
    cursor: z.string().meta({ description: 'To be sent as `after` next time.' }),
    speaker,
    replies: z.array(
      reply.extend({
        turnId: z
          .string()
          .nullable()
          .meta({ description: 'The message that it answers; null for what a person says.' }),
        by: z.enum(['bot', 'person']),
        name: z.string().optional().meta({ description: 'Of the person.' }),
        at: z.number().meta({ description: 'Milliseconds since the epoch.' }),
      }),
    ),
  })
  .meta({ id: 'ReplyList' });

export const repliesQuery = z.object({
  after: z
    .string()
    .regex(/^\d{1,12}$/, 'must be a cursor that this API gave')
    .optional()
    .meta({
      description: 'The cursor of the last answer; without it, from the beginning of what is kept.',
      example: '0',
    }),
});

export const messageList = z.object({ messages: z.array(messageResponse) }).meta({ id: 'MessageList' });

export const feedbackRequest = z
  .strictObject({
    rating: z.enum(['up', 'down']),
    comment: controlFree
      .max(1_000)
      .refine((value) => value.isWellFormed(), 'must be well-formed Unicode')
      .optional(),
  })
  .meta({ id: 'FeedbackRequest' });

export const feedbackResponse = z
  .object({
    turnId: z.string(),
    feedback: z.object({ rating: z.enum(['up', 'down']), comment: z.string().optional(), at: z.number() }),
  })
  .meta({ id: 'FeedbackResponse' });

export const removed = z
  .object({
    removed: z.object({
      users: z.int(),
      conversations: z.int(),
      turns: z.int(),
      incidents: z.int(),
      attachments: z.int(),
    }),
  })
  .meta({ id: 'Removed' });

const documents = z.array(z.looseObject({}));
export const userExport = z
  .object({
    users: z.array(
      z.object({
        user: z.looseObject({}).nullable(),
        conversations: documents,
        turns: documents,
        incidents: documents,
        notes: documents,
        lessons: documents,
        reviews: documents,
        attachments: z.array(
          z.object({ name: z.string(), contentType: z.string(), bytes: z.int(), acceptedAt: z.number() }),
        ),
      }),
    ),
  })
  .meta({ id: 'UserExport' });

export const incidents = z
  .object({
    incidents: z.array(
      z.looseObject({ id: z.string(), kind: z.string(), turnId: z.string().nullable(), reason: z.string() }),
    ),
  })
  .meta({ id: 'Incidents' });

export const releases = z
  .object({ releases: z.array(z.looseObject({ id: z.string(), digest: z.string(), state: z.string() })) })
  .meta({ id: 'Releases' });

export const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string(),
    errors: z.array(z.object({ field: z.string(), reason: z.string() })).optional(),
  })
  .meta({ id: 'Problem' });
