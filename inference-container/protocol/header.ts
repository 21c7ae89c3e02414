import type { IncomingMessage } from 'node:http';

/** A request before its body, as it came: over this thread's connections, or another's. */
export type Head = Pick<IncomingMessage, 'method' | 'url' | 'rawHeaders'>;

/** A request's header by its lower-case name. Not `request.headers`: to make an object of all of them costs as much as a small answer. */
export function header({ rawHeaders }: Head, name: string): string | undefined {
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const given = rawHeaders[at]!;
    if (given.length === name.length && given.toLowerCase() === name) return rawHeaders[at + 1];
  }
  return undefined;
}
