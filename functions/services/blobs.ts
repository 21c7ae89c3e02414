import { createHash } from 'node:crypto';
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import type { Turn } from '../conversation/document.ts';
import type { Outside } from '../skills/skill.ts';
import { Rejected, Unavailable } from './failure.ts';
import { call } from './http.ts';
import { credential } from './identity.ts';
import { settings } from './settings.ts';

/** Pictures that users sent, in the Blob container `attachments`, below a folder for each user. */
const SIZE_LIMIT = 10 * 1024 * 1024;
const TYPES = new Set(['image/png', 'image/jpeg', 'image/webp', 'image/gif']);

let container: ContainerClient | undefined;

function blobs(): ContainerClient {
  if (container) return container;
  const { STORAGE_CONNECTION: connection, STORAGE_CONNECTION__blobServiceUri: uri } = settings();
  const options = {
    retryOptions: { maxTries: 3, tryTimeoutInMs: 5_000, retryDelayInMs: 200, maxRetryDelayInMs: 1_000 },
  };
  const service = connection
    ? BlobServiceClient.fromConnectionString(connection, options)
    : new BlobServiceClient(uri!, credential(), options);
  container = service.getContainerClient('attachments');
  return container;
}

export const attachments: Outside['attachments'] = {
  async keep(turn, index) {
    const { fileTypeFromBuffer } = await import('file-type');
    const attachment = turn.attachments[index]!;
    if (!attachment.url) throw new Rejected('attachments', 'its origin is not the channel');
    const { body } = await fetchAttachment(attachment.url);
    const type = await fileTypeFromBuffer(body);
    // The bytes decide, not the name: what is kept is opened by service staff later.
    if (!type || !TYPES.has(type.mime))
      throw new Rejected('attachments', `not a picture but ${type?.mime ?? 'unknown bytes'}`);
    const blob = blobs().getBlockBlobClient(`${folder(turn.userId)}/${name(turn.id)}-${index}.${type.ext}`);
    try {
      await blob.uploadData(body, {
        blobHTTPHeaders: { blobContentType: type.mime, blobContentDisposition: 'attachment' },
        abortSignal: AbortSignal.timeout(10_000),
      });
    } catch (error) {
      throw new Unavailable('blobs', error instanceof Error ? error.message : String(error), 0, { cause: error });
    }
    return { name: attachment.name, contentType: type.mime, bytes: body.length, url: blob.url };
  },
};

/** Removes every picture of a user. Returns how many. */
export async function eraseAttachments(userId: string): Promise<number> {
  let removed = 0;
  try {
    for await (const blob of blobs().listBlobsFlat({ prefix: `${folder(userId)}/` })) {
      await blobs().deleteBlob(blob.name);
      removed += 1;
    }
  } catch (error) {
    throw new Unavailable('blobs', error instanceof Error ? error.message : String(error), 0, { cause: error });
  }
  return removed;
}

/**
 * Whether an attachment may be read: only from the channel's own service, whose address the channel's token vouches
 * for, or from an origin of the settings. Anything else could make this app read addresses inside its network.
 */
export function readable(url: string, serviceUrl: string): boolean {
  if (!URL.canParse(url)) return false;
  const { origin } = new URL(url);
  return (
    (URL.canParse(serviceUrl) && new URL(serviceUrl).origin === origin) ||
    settings().ATTACHMENT_ORIGINS.includes(origin)
  );
}

async function fetchAttachment(url: string) {
  try {
    return await call('attachments', url, { timeout: 8_000, attempts: 1, limit: SIZE_LIMIT });
  } catch (error) {
    if (error instanceof Rejected && error.status === 413) throw new Rejected('attachments', 'larger than 10 MB', 413);
    throw error;
  }
}

function folder(userId: string): string {
  return createHash('sha256').update(userId).digest('base64url');
}

function name(turnId: Turn['id']): string {
  return createHash('sha256').update(turnId).digest('base64url').slice(0, 24);
}
