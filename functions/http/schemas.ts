import { z } from 'zod';

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/** The shapes of the HTTP API. They validate what comes in, and /api/openapi.json is generated from them. */
export const conversationId = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, - or _')
  .meta({ description: 'Chosen by the client.', example: 'c1' });

/** Any user's id, also a channel's own, as the operator writes it. */
export const anyUserId = z
  .string()
  .min(1)
  .max(512)
  .refine((value) => value.isWellFormed() && !CONTROL.test(value), 'must not contain control characters');

const userId = z
  .string()
  .regex(/^[A-Za-z0-9_.@:-]{1,128}$/, 'must be 1 to 128 letters, digits or any of _ . @ : -')
  .meta({ description: "The client's own id of the user.", example: 'u1' });

export const turnId = z
  .string()
  .regex(/^[A-Za-z0-9_.:-]{1,128}$/, 'must be 1 to 128 letters, digits or any of _ . : -')
  .meta({ description: 'The Idempotency-Key of the message, or the id that was made for it.' });

const TEXT_LIMIT = 4_000;

export const text = z
  .string()
  .max(TEXT_LIMIT, `more than ${TEXT_LIMIT} characters`)
  .refine((value) => value.trim().length > 0, 'must not be blank')
  .refine((value) => value.isWellFormed(), 'must be well-formed Unicode (it has a lone surrogate)')
  .refine((value) => !CONTROL.test(value), 'must not contain control characters');

const locale = z
  .string()
  .regex(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/, 'must be a language tag such as en or ko-KR')
  .meta({
    description: 'A language tag. The bot answers in English or Korean; the text itself decides first.',
    example: 'en',
  });

/** The bot's language for a language tag; null when none was named. */
export function localeNamed(tag: string | undefined): 'en' | 'ko' | null {
  if (tag === undefined) return null;
  return tag.toLowerCase().startsWith('ko') ? 'ko' : 'en';
}

export const messageRequest = z
  .strictObject({ userId, text, locale: locale.optional() })
  .meta({ id: 'MessageRequest' });

export const reply = z
  .object({
    text: z.string(),
    suggestions: z.array(z.string()).optional(),
    images: z.array(z.object({ url: z.string(), alt: z.string() })).optional(),
  })
  .meta({ id: 'Reply' });

export const messageResponse = z
  .object({
    conversationId: z.string(),
    turnId: z.string(),
    status: z
      .enum(['accepted', 'answered', 'failed'])
      .meta({ description: '`failed`: answered with an apology; a person is told.' }),
    text: z.string().optional(),
    replies: z.array(reply).optional(),
    intent: z.object({ name: z.string(), score: z.number() }).optional(),
    model: z.object({ name: z.string(), version: z.string() }).optional(),
  })
  .meta({ id: 'MessageResponse' });

export const messageList = z.object({ messages: z.array(messageResponse) }).meta({ id: 'MessageList' });

export const feedbackRequest = z
  .strictObject({
    rating: z.enum(['up', 'down']),
    comment: z
      .string()
      .max(1_000)
      .refine((value) => value.isWellFormed(), 'must be well-formed Unicode')
      .optional(),
  })
  .meta({ id: 'FeedbackRequest' });

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
