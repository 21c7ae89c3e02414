/** An error that a client is told: its status, and what to do about it. */
export class HttpError extends Error {
  readonly status: number;
  readonly headers: Record<string, string>;

  constructor(status: number, message: string, headers: Record<string, string> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

export const badRequest = (message: string) => new HttpError(400, message);
export const tooLarge = (most: number) => new HttpError(413, `the body has more than ${most} bytes`);
