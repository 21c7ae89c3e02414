import { Rejected } from './failure.ts';

const ESCAPE = /%([0-9a-f]{2})/gi;
/** Times that a segment is decoded to see what a server behind a proxy may see. */
const DECODINGS = 4;

/**
 * The address of something below a service, each segment encoded. Throws {@link Rejected} for a segment that is empty, is or
 * decodes to a dot segment, or hides a separator: it would name something else.
 */
export function pathTo(service: string, base: string, ...segments: string[]): string {
  for (const segment of segments)
    if (!safe(segment)) throw new Rejected(service, 'an id can not be part of an address', 400);
  return [base, ...segments.map(encodeURIComponent)].join('/');
}

function safe(segment: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
  if (segment === '' || !segment.isWellFormed() || /[\u0000-\u001f\u007f]/.test(segment)) return false;
  let text = segment;
  for (let decoding = 0; decoding <= DECODINGS; decoding += 1) {
    // Some servers take what stands behind a semicolon for a parameter of the segment.
    if (/^\.{1,2}(?:;|$)/.test(text) || /[/\\]/.test(text)) return false;
    const next = text.replace(ESCAPE, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
    if (next === text) return true;
    text = next;
  }
  return false;
}
