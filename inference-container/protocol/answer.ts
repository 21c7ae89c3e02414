import { HttpError } from './http-error.ts';

/** What a request gets. Also what a worker hands to the thread that serves HTTP, so it holds nothing but plain data. */
export interface Answer {
  status?: number;
  body: string | Uint8Array;
  headers?: Record<string, string>;
  /** Why, for the log of whoever runs this: nothing for the client. */
  fault?: string;
}

/** An error as every protocol here answers it: `{"error": "…"}`. */
function failure(error: HttpError): Answer {
  return { status: error.status, body: JSON.stringify({ error: error.message }), headers: error.headers };
}

/** Whatever was thrown as an answer: an HttpError as it says, anything else as 500 with its reason for the log. */
export function refused(error: unknown): Answer {
  if (error instanceof HttpError) return failure(error);
  const fault = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { ...failure(new HttpError(500, 'unexpected error')), fault };
}
