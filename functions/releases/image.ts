import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Descriptor, Image, ImageConfig, Registry } from '../services/registry.ts';
import { LABEL, type releaseLabel } from './label.ts';
import { packLayer } from './layer.ts';
import { LAYER, pushBlob, pushImage, sha256 } from './push.ts';

/** What a layer is, in its descriptor's annotation: `server`, or `model <name>`; layers of the base have none. */
const KIND = 'dev.maru.layer';
/** In an image's config: what a slot that runs it says it serves. */
const RELEASE = 'RELEASE';

/** A layer beside its diff id, as manifest and config hold them in two lists. */
interface Part {
  descriptor: Descriptor;
  diffId: string;
}

export interface NewLayer {
  /** `server` or `model <name>`: the layer of the same kind is replaced. */
  kind: string;
  /** Folders by their place in the image. */
  folders: Record<string, string>;
}

export interface Composed {
  digest: string;
  /** Of the unpacked layers: what a slot reports. */
  release: string;
  /** False: the registry had every layer already. */
  uploaded: boolean;
  bytes: number;
}

/**
 * Puts layers into an image, each in the place of the one of its kind, and pushes the image under tags. Only what the registry
 * lacks is uploaded; the same input gives the same digest.
 */
export async function compose(
  registry: Registry,
  current: Image,
  layers: readonly NewLayer[],
  label: z.input<typeof releaseLabel>,
  options: { tags: string[]; annotations: Record<string, string>; progress(sent: number, of: number): void },
): Promise<Composed> {
  const draft = await mkdtemp(join(tmpdir(), 'maru-layer-'));
  let next = partsOf(current);
  let uploaded = false;
  let bytes = 0;
  try {
    for (const layer of layers) {
      const file = join(draft, 'layer.tgz');
      const packed = await packLayer(layer.folders, createWriteStream(file));
      bytes += packed.size;
      // By what is unpacked: another version of zlib may pack the same tar into other bytes.
      const same = next.find(({ diffId }) => diffId === packed.diffId);
      const descriptor = same?.descriptor ?? {
        mediaType: LAYER,
        digest: packed.digest,
        size: packed.size,
        annotations: { [KIND]: layer.kind },
      };
      const open = () => createReadStream(file);
      const progress = (sent: number) => options.progress(sent, packed.size);
      if (!same && (await pushBlob(registry, packed.digest, open, progress))) uploaded = true;
      next = placed(next, { descriptor, diffId: packed.diffId }, layer.kind);
    }
    const release = sha256(Buffer.from(next.map(({ diffId }) => diffId).join()));
    const config = configOf(current.config, next, release, label);
    const digest = await pushImage(
      registry,
      config,
      next.map((part) => part.descriptor),
      options.annotations,
      options.tags,
    );
    return { digest, release, uploaded, bytes };
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** A base image with the model layers of another image on it. */
export function withModels(base: Image, other: Image): Image {
  const parts = [
    ...partsOf(base).filter((part) => !kindOf(part)),
    ...partsOf(other).filter((part) => kindOf(part).startsWith('model ')),
  ];
  return {
    ...base,
    manifest: { ...base.manifest, layers: parts.map(({ descriptor }) => descriptor) },
    config: { ...base.config, rootfs: { type: 'layers', diff_ids: parts.map(({ diffId }) => diffId) } },
  };
}

function kindOf({ descriptor }: Part): string {
  return z.record(z.string(), z.string()).catch({}).parse(descriptor.annotations)[KIND] ?? '';
}

function partsOf({ manifest, config }: Image): Part[] {
  if (manifest.layers.length !== config.rootfs.diff_ids.length)
    throw new Error('the image has not one diff id a layer; it can not be extended');
  return manifest.layers.map((descriptor, index) => ({
    // The same bytes by their OCI name: an image of Docker's media types and one's own must not be mixed.
    descriptor: { ...descriptor, mediaType: descriptor.mediaType.replace(/^(?=.*docker).*gzip$/, LAYER) },
    diffId: config.rootfs.diff_ids[index]!,
  }));
}

/** The parts with one of a kind put in: base first, then the server, then the models by name. */
function placed(parts: Part[], part: Part, kind: string): Part[] {
  const others = parts.filter((other) => kindOf(other) !== kind);
  const rank = (other: Part) => {
    const own = other === part ? kind : kindOf(other);
    return own === '' ? '0' : own === 'server' ? '1' : `2 ${own}`;
  };
  return [...others, part].sort((a, b) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0));
}

function configOf(
  given: ImageConfig,
  parts: Part[],
  release: string,
  label: z.input<typeof releaseLabel>,
): ImageConfig {
  const { Env, Labels, ...rest } = given.config ?? {};
  return {
    architecture: given.architecture,
    os: given.os,
    config: {
      ...rest,
      Env: [...(Env ?? []).filter((entry) => !entry.startsWith(`${RELEASE}=`)), `${RELEASE}=${release}`],
      Labels: { ...Labels, [LABEL]: JSON.stringify(label) },
    },
    rootfs: { type: 'layers', diff_ids: parts.map(({ diffId }) => diffId) },
  };
}
