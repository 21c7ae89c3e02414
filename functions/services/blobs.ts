import { randomUUID } from 'node:crypto';
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import type { Turn } from '../conversation/document.ts';
import type { ConversationId, UserId } from '../conversation/identifier.ts';
import type { Outside } from '../skills/skill.ts';
import { Rejected, unavailable } from './failure.ts';
import { call } from './http.ts';
import { credential } from './identity.ts';
import { lookAt } from './inference.ts';
import { settings } from './settings.ts';
import { logSeldom } from './telemetry.ts';

/** Pictures that users sent, in the Blob container `attachments`, below `<user>/<conversation>/`. */
const SIZE_LIMIT = 10 * 1024 * 1024;
const TYPES = new Set(['image/png', 'image/jpeg', 'image/webp', 'image/gif']);

let service: BlobServiceClient | undefined;

export function blobService(): BlobServiceClient {
  if (service) return service;
  const { STORAGE_CONNECTION: connection, STORAGE_CONNECTION__blobServiceUri: uri } = settings();
  const options = {
    retryOptions: { maxTries: 3, tryTimeoutInMs: 5_000, retryDelayInMs: 200, maxRetryDelayInMs: 1_000 },
  };
  service = connection
    ? BlobServiceClient.fromConnectionString(connection, options)
    : new BlobServiceClient(uri!, credential(), options);
  return service;
}

const blobs = (): ContainerClient => blobService().getContainerClient('attachments');

export const attachments: Outside['attachments'] = {
  async keep(conversationId, turn, index) {
    const attachment = turn.attachments[index]!;
    if (!attachment.url) throw new Rejected('attachments', 'its origin is not the channel');
    const { body } = await fetchAttachment(attachment.url, attachment.fromChannel === true);
    const { contentType, url } = await keepPicture(
      `${folder(conversationId, turn)}${turn.id}-${index}`,
      body,
      turn.acceptedAt,
    );
    return { name: attachment.name, contentType, picture: body, url };
  },
  async look({ picture, contentType }, model) {
    // The model reads none of these.
    if (contentType === 'image/gif') return null;
    try {
      return (await lookAt(model, picture)).label;
    } catch (error) {
      // The picture is kept, and what it is about is asked then: nobody waits for what is not needed.
      logSeldom('warn', 'a picture was not looked at', { model, error: String(error) });
      return null;
    }
  },
};

/** Keeps a picture below a user's folder. Throws Rejected for what is none, or too large; `name`: without its ending. */
async function keepPicture(
  name: string,
  body: Buffer,
  at: number,
): Promise<{ name: string; contentType: string; url: string }> {
  const { fileTypeFromBuffer } = await import('file-type');
  if (body.length > SIZE_LIMIT) throw new Rejected('attachments', 'larger than 10 MB', 413);
  const type = await fileTypeFromBuffer(body);
  // The bytes decide, not the name: what is kept is opened by others later.
  if (!type || !TYPES.has(type.mime))
    throw new Rejected('attachments', `not a picture but ${type?.mime ?? 'unknown bytes'}`);
  const blob = blobs().getBlockBlobClient(`${name}.${type.ext}`);
  try {
    await blob.uploadData(body, {
      blobHTTPHeaders: { blobContentType: type.mime, blobContentDisposition: 'attachment' },
      // An erasure takes what was accepted before it, whenever it was written.
      metadata: { accepted: String(at) },
      abortSignal: AbortSignal.timeout(10_000),
    });
  } catch (error) {
    throw unavailable('blobs', error);
  }
  return { name: blob.name, contentType: type.mime, url: blob.url };
}

/** A picture of the staff by its name: what customers sent has another, and is shown to the staff alone. */
const SENT = /^user\.[\w-]{43}\/conversation\.[\w-]{43}\/sent-[0-9a-f-]{36}\.(png|jpg|webp|gif)$/;

export function isSent(name: string): boolean {
  return SENT.test(name);
}

/** Keeps a picture that the staff sends to a user: it is found, and erased, as the user's own are. */
export async function keepSent(
  user: UserId,
  conversationId: ConversationId,
  body: Buffer,
  now: number,
): Promise<{ name: string; contentType: string }> {
  return await keepPicture(`${user}/${conversationId}/sent-${randomUUID()}`, body, now);
}

/** What was kept under a name; null where it is gone. */
export async function readPicture(name: string): Promise<{ contentType: string; bytes: Buffer } | null> {
  const [found] = await listed(name);
  return found?.name === name ? await download(found) : null;
}

/** A picture of a turn; null where none was kept. */
export async function readAttachment(
  conversationId: ConversationId,
  turn: Turn,
  index: number,
): Promise<{ contentType: string; bytes: Buffer } | null> {
  const [found] = await listed(`${folder(conversationId, turn)}${turn.id}-${index}.`);
  return found ? await download(found) : null;
}

async function download(found: KeptAttachment): Promise<{ contentType: string; bytes: Buffer } | null> {
  if (!TYPES.has(found.contentType) || found.bytes > SIZE_LIMIT) return null;
  try {
    const abortSignal = AbortSignal.timeout(10_000);
    const bytes = await blobs().getBlobClient(found.name).downloadToBuffer(0, undefined, { abortSignal });
    return { contentType: found.contentType, bytes };
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return null;
    throw unavailable('blobs', error);
  }
}

/** A picture that is kept. */
export interface KeptAttachment {
  name: string;
  contentType: string;
  bytes: number;
  acceptedAt: number;
}

/** The pictures of a user. */
export async function listAttachments(user: UserId): Promise<KeptAttachment[]> {
  return await listed(`${user}/`);
}

/** Removes the pictures of a user's turns that were accepted until `at`. Returns how many. */
export async function eraseAttachments(user: UserId, at: number): Promise<number> {
  return await removed((await listed(`${user}/`)).filter(({ acceptedAt }) => acceptedAt <= at));
}

/** Removes the pictures of one turn. */
export async function eraseTurnAttachments(conversationId: ConversationId, turn: Turn): Promise<void> {
  if (turn.attachments.length > 0) await removed(await listed(`${folder(conversationId, turn)}${turn.id}-`));
}

async function listed(prefix: string): Promise<KeptAttachment[]> {
  const found: KeptAttachment[] = [];
  try {
    for await (const { name, properties, metadata } of blobs().listBlobsFlat({ prefix, includeMetadata: true }))
      found.push({
        name,
        contentType: properties.contentType ?? '',
        bytes: properties.contentLength ?? 0,
        acceptedAt: Number(metadata?.accepted ?? 0),
      });
  } catch (error) {
    throw unavailable('blobs', error);
  }
  return found;
}

async function removed(attachments: KeptAttachment[]): Promise<number> {
  for (const { name } of attachments)
    try {
      await blobs().deleteBlob(name);
    } catch (error) {
      // Another erasure may have been faster.
      if ((error as { statusCode?: number }).statusCode !== 404) throw unavailable('blobs', error);
    }
  return attachments.length;
}

/**
 * Whether an attachment may be read: only from the channel's own service, whose address the channel's token vouches
 * for, or from an origin of the settings. Anything else could make this app read addresses inside its network.
 */
export function readable(url: string, serviceUrl: string): 'channel' | 'origin' | null {
  if (!URL.canParse(url)) return null;
  const { origin } = new URL(url);
  if (URL.canParse(serviceUrl) && new URL(serviceUrl).origin === origin) return 'channel';
  return settings().ATTACHMENT_ORIGINS.includes(origin) ? 'origin' : null;
}

/** Channels keep pictures behind the bot's token, which nobody but the channel's own origin is shown. */
async function fetchAttachment(url: string, fromChannel: boolean) {
  const options = { timeout: 8_000, attempts: 1, limit: SIZE_LIMIT };
  try {
    try {
      return await call('attachments', url, options);
    } catch (error) {
      if (!fromChannel || !(error instanceof Rejected) || (error.status !== 401 && error.status !== 403)) throw error;
      const { botToken } = await import('./channel.ts');
      const headers = { authorization: `Bearer ${await botToken()}` };
      return await call('attachments', url, { ...options, headers });
    }
  } catch (error) {
    if (error instanceof Rejected && error.status === 413) throw new Rejected('attachments', 'larger than 10 MB', 413);
    throw error;
  }
}

function folder(conversationId: ConversationId, { userId }: Turn): string {
  return `${userId}/${conversationId}/`;
}
