import { type Content, content as shape } from '../dialog/bot.ts';
import { blobService } from './blobs.ts';
import { unavailable } from './failure.ts';

/** Published content, in the Blob container `content`: `bundles/<version>.json`, never written twice. */
const KEPT = 4;
const TIMEOUT_MS = 20_000;

const known = new Map<string, Content>();

function blob(version: string) {
  return blobService().getContainerClient('content').getBlockBlobClient(`bundles/${version}.json`);
}

/** Throws Unavailable. */
export async function readBundle(version: string): Promise<Content> {
  const kept = known.get(version);
  if (kept) return kept;
  try {
    const bytes = await blob(version).downloadToBuffer(undefined, undefined, {
      abortSignal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return keep(shape.parse(JSON.parse(bytes.toString())));
  } catch (error) {
    throw unavailable('bundles', error);
  }
}

/** Throws Unavailable. */
export async function writeBundle(content: Content): Promise<void> {
  const text = JSON.stringify(content);
  try {
    await blob(content.version).upload(text, Buffer.byteLength(text), {
      blobHTTPHeaders: { blobContentType: 'application/json' },
      conditions: { ifNoneMatch: '*' },
      abortSignal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    // There already: the name says what is in it.
    if ((error as { statusCode?: number }).statusCode !== 409) throw unavailable('bundles', error);
  }
  keep(content);
}

function keep(content: Content): Content {
  known.set(content.version, content);
  for (const old of [...known.keys()].slice(0, -KEPT)) known.delete(old);
  return content;
}
