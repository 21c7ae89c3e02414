import type { HttpResponseInit } from '@azure/functions';

/** Every error the HTTP API answers with: code → status and what to do. The one catalogue; docs/errors.md lists exactly these. */
export const problems = {
  invalid_json: { status: 400, title: 'The body is not JSON', hint: 'Send one JSON object in UTF-8.' },
  invalid_message: {
    status: 400,
    title: 'The request does not fit its schema',
    hint: 'Correct the fields in `errors`.',
  },
  unauthorized: { status: 401, title: 'The token is missing or not valid', hint: 'Send a valid one.' },
  forbidden: {
    status: 403,
    title: 'Your role does not allow this',
    hint: 'Ask an admin for the role that is named here.',
  },
  wrong_origin: {
    status: 403,
    title: 'The request comes from another page',
    hint: 'Send it from the console, or with a token in Authorization.',
  },
  not_found: {
    status: 404,
    title: 'There is nothing here',
    hint: 'Check the path; /api/openapi.json lists all of them.',
  },
  method_not_allowed: { status: 405, title: 'This path has other methods', hint: 'Use a method of the Allow header.' },
  idempotency_conflict: {
    status: 409,
    title: 'This key was used with another message',
    hint: 'Use a new Idempotency-Key for a new message.',
  },
  push_off: {
    status: 409,
    title: 'Nothing is pushed from here',
    hint: 'Ask for the replies (…/replies), or set REPLIES_URL.',
  },
  taken: {
    status: 409,
    title: 'A colleague has this conversation',
    hint: 'Take another, or ask the colleague to hand it over.',
  },
  not_yours: {
    status: 409,
    title: 'You do not have this conversation',
    hint: 'Take it first.',
  },
  busy: {
    status: 409,
    title: 'The bot is just finishing something in this conversation',
    hint: 'Send the same request again after the seconds in Retry-After.',
  },
  not_repeatable: {
    status: 409,
    title: 'Nothing of this can be tried again',
    hint: 'Acknowledge it; its reason says what to do.',
  },
  swap_refused: {
    status: 409,
    title: 'The slots may not be swapped now',
    hint: 'Its reason says what to do.',
  },
  training_refused: {
    status: 409,
    title: 'This can not be done with trainings now',
    hint: 'Its reason says why.',
  },
  content_changed: {
    status: 409,
    title: 'Somebody else has changed this since',
    hint: 'Look at it once more.',
  },
  content_faulty: {
    status: 409,
    title: 'The drafts have mistakes',
    hint: 'Correct what stands in `errors`.',
  },
  length_required: {
    status: 411,
    title: 'The body did not arrive: its length is missing',
    hint: 'Send Content-Length; a body in chunks does not reach this service.',
  },
  message_too_large: {
    status: 413,
    title: 'The message is too large',
    hint: 'At most 4,000 characters of text and 64 KB of body.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'The body is not application/json',
    hint: 'Set Content-Type: application/json.',
  },
  not_a_picture: {
    status: 415,
    title: 'The file is no picture',
    hint: 'Send a PNG, JPEG, WebP or GIF.',
  },
  inbox_full: {
    status: 429,
    title: 'Too many turns wait in this conversation',
    hint: 'Send again after the seconds in Retry-After.',
  },
  too_many_requests: {
    status: 429,
    title: 'Too many requests',
    hint: 'Send again after the seconds in Retry-After.',
  },
  internal: {
    status: 500,
    title: 'Something is wrong on our side',
    hint: 'Send the same request again; report it if it stays.',
  },
  direct_line_refused: {
    status: 502,
    title: 'Direct Line refuses this bot',
    hint: 'Set DIRECT_LINE_SECRET to a key of its Direct Line channel; the bot must allow local authentication (disableLocalAuth: false).',
  },
  unavailable: {
    status: 503,
    title: 'A service that this needs does not answer',
    hint: 'Send the same request again after the seconds in Retry-After.',
  },
} as const;

export type Code = keyof typeof problems;

export interface FieldError {
  field: string;
  reason: string;
}

/** An error of the catalogue, thrown anywhere below a route. */
export class Problem extends Error {
  readonly code: Code;
  readonly detail: string | undefined;
  readonly extra: { errors?: FieldError[]; headers?: Record<string, string> };

  constructor(code: Code, detail?: string, extra: Problem['extra'] = {}) {
    super(detail ?? problems[code].title);
    this.code = code;
    this.detail = detail;
    this.extra = extra;
  }
}

/** The answer of RFC 9457. */
export function problemResponse({ code, detail, extra }: Problem): HttpResponseInit {
  const { status, title, hint } = problems[code];
  const retry: Record<string, string> = status === 429 || status === 503 ? { 'retry-after': '2' } : {};
  return {
    status,
    headers: { 'content-type': 'application/problem+json', ...retry, ...extra.headers },
    body: JSON.stringify({
      type: `urn:maru:problem:${code}`,
      title,
      status,
      code,
      detail: detail ? `${detail} ${hint}` : hint,
      ...(extra.errors ? { errors: extra.errors } : {}),
    }),
  };
}
