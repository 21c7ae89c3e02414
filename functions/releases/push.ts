import { createHash } from 'node:crypto';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { RestError } from '@azure/core-rest-pipeline';
import type { Descriptor, ImageConfig, ImageManifest, Registry } from '../services/registry.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
export const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';
const TRIES = 3;
/** Of one chunk of 4 MB. */
const CHUNK_TIMEOUT_MS = 120_000;

export const sha256 = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** Uploads a blob unless it is there; false when it was. An upload that breaks is begun anew. */
export async function pushBlob(
  registry: Registry,
  digest: string,
  open: () => Readable,
  progress: (bytes: number) => void = () => undefined,
): Promise<boolean> {
  for (let attempt = 1; ; attempt += 1) {
    if ((await registry.size(digest)) !== undefined) return attempt > 1;
    let sent = 0;
    const counted = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        sent += chunk.length;
        progress(sent);
        done(null, chunk);
      },
    });
    const reading = pipeline(open(), counted).catch((error: Error) => counted.destroy(error));
    try {
      const uploaded = await registry.content.uploadBlob(counted, { requestOptions: { timeout: CHUNK_TIMEOUT_MS } });
      if (uploaded.digest !== digest) throw new Error(`${uploaded.digest} was uploaded instead of ${digest}`);
      return true;
    } catch (error) {
      counted.destroy();
      await reading;
      if (attempt === TRIES || !(error instanceof RestError)) throw error;
    }
  }
}

/** Writes an image: its config, and its manifest under each tag. Returns the digest. Layers must be there. */
export async function pushImage(
  registry: Registry,
  config: ImageConfig,
  layers: Descriptor[],
  annotations: Record<string, string>,
  tags: string[],
): Promise<string> {
  const bytes = Buffer.from(JSON.stringify(config));
  await pushBlob(registry, sha256(bytes), () => Readable.from([bytes]));
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: CONFIG, digest: sha256(bytes), size: bytes.length },
    layers,
    annotations,
  };
  const body = Buffer.from(JSON.stringify(manifest));
  // Also where a tag names it already: that is how a release is asked for once more.
  for (const tag of tags) await registry.content.setManifest(body, { mediaType: MANIFEST as never, tag });
  return sha256(body);
}
