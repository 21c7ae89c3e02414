import { createHash, type Hash } from 'node:crypto';
import { pipeline, type Readable, Transform } from 'node:stream';
import { ContainerRegistryContentClient, KnownManifestMediaType } from '@azure/container-registry';
import type { TokenCredential } from '@azure/core-auth';
import {
  createPipelineRequest,
  type HttpMethods,
  type PipelineRequest,
  type PipelineResponse,
  RestError,
} from '@azure/core-rest-pipeline';
import { z } from 'zod';
import { Rejected, Unavailable } from './failure.ts';
import { reach } from './loopback.ts';

/** `sha256:` and 64 hexadecimal digits. */
export const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);

const descriptor = z.looseObject({ mediaType: z.string(), digest, size: z.number().int().min(0) });
export type Descriptor = z.infer<typeof descriptor>;

/** An OCI image manifest (image-spec 1.1) or Docker's schema 2, which has the same parts. */
const imageManifest = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  config: descriptor,
  layers: z.array(descriptor).max(512),
  annotations: z.record(z.string(), z.string()).optional(),
});
export type ImageManifest = z.infer<typeof imageManifest>;

/** An OCI image config: what is run, and the digests of the unpacked layers. */
const imageConfig = z.looseObject({
  architecture: z.string(),
  os: z.string(),
  config: z
    .looseObject({
      Env: z.array(z.string()).nullish(),
      Entrypoint: z.array(z.string()).nullish(),
      Cmd: z.array(z.string()).nullish(),
      WorkingDir: z.string().nullish(),
      Labels: z.record(z.string(), z.string()).nullish(),
    })
    .optional(),
  rootfs: z.looseObject({ type: z.literal('layers'), diff_ids: z.array(digest) }),
  history: z.array(z.looseObject({})).optional(),
});
export type ImageConfig = z.infer<typeof imageConfig>;

export interface Image {
  digest: string;
  manifest: ImageManifest;
  config: ImageConfig;
}

const MANIFEST_TYPES = [
  KnownManifestMediaType.OciImageManifest,
  KnownManifestMediaType.DockerManifest,
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];
const TIMEOUT_MS = 30_000;
/** Of a layer, which may have gigabytes. */
const LAYER_TIMEOUT_MS = 15 * 60_000;
/** Of an image's config, which carries a model's golden cases, and of a manifest. */
const JSON_BYTES = 4 * 1024 * 1024;

/**
 * A repository of an OCI registry: @azure/container-registry's content client, and what it lacks (whether something is
 * there), by the same pipeline and login. Plain registries ask for no login, and none is made.
 */
export class Registry {
  readonly content: ContainerRegistryContentClient;
  readonly #endpoint: string;
  readonly #repository: string;
  readonly #timeout: number;

  /** `timeout`: milliseconds for one answer, to its last byte; a layer has more. */
  constructor(url: string, repository: string, credential: TokenCredential, timeout = TIMEOUT_MS) {
    const { endpoint, httpClient } = reach(url);
    this.#endpoint = endpoint;
    this.#repository = repository;
    this.#timeout = timeout;
    this.content = new ContainerRegistryContentClient(endpoint, repository, credential, {
      retryOptions: { maxRetries: 3, retryDelayInMs: 300, maxRetryDelayInMs: 4_000 },
      ...(httpClient ? { httpClient } : {}),
    });
  }

  /** The digest that a tag names, or undefined. */
  async resolve(reference: string): Promise<string | undefined> {
    const { status, headers } = await this.send('HEAD', `manifests/${reference}`, {
      accept: MANIFEST_TYPES.join(', '),
    });
    if (status === 404) return undefined;
    if (status !== 200) throw unexpected(`manifest ${reference}`, status);
    return digest.parse(headers.get('docker-content-digest'));
  }

  /** An image by tag or digest; of several platforms, the one for linux/amd64. Undefined where there is none. */
  async image(reference: string): Promise<Image | undefined> {
    const found = await this.#manifest(reference);
    if (!found) return undefined;
    const index = z
      .looseObject({ manifests: z.array(z.looseObject({ digest, platform: platform.optional() })) })
      .safeParse(found.manifest);
    if (index.success) {
      const own = index.data.manifests.find(
        (entry) => entry.platform?.os === 'linux' && entry.platform.architecture === 'amd64',
      );
      return own ? await this.image(own.digest) : undefined;
    }
    const manifest = imageManifest.parse(found.manifest);
    // One that says so itself is not asked for; any other is measured as it comes.
    if (manifest.config.size > JSON_BYTES) throw new Error(`the image's config has ${manifest.config.size} bytes`);
    const config = imageConfig.parse(await measured(await this.blob(manifest.config.digest, this.#timeout), 'config'));
    return { digest: found.digest, manifest, config };
  }

  async #manifest(reference: string) {
    const accept = { accept: MANIFEST_TYPES.join(', ') };
    const { status, readableStreamBody } = await this.send('GET', `manifests/${reference}`, accept, this.#timeout);
    if (status === 404) return undefined;
    if (status !== 200 || !readableStreamBody) throw unexpected(`manifest ${reference}`, status);
    const hash = createHash('sha256');
    const manifest = await measured(readableStreamBody as Readable, 'manifest', hash);
    const found = `sha256:${hash.digest('hex')}`;
    if (reference.startsWith('sha256:') && found !== reference)
      throw new Error(`the registry sent ${found} for ${reference}`);
    return { digest: found, manifest };
  }

  /** Bytes of a blob, or undefined where there is none. */
  async size(blob: string): Promise<number | undefined> {
    const { status, headers } = await this.send('HEAD', `blobs/${blob}`);
    if (status === 404) return undefined;
    if (status !== 200) throw unexpected(`blob ${blob}`, status);
    return Number(headers.get('content-length'));
  }

  /** A blob; the stream fails where its bytes are not those of the digest. (`downloadBlob` of the client ends the process there.) */
  async blob(asked: string, ms = LAYER_TIMEOUT_MS): Promise<Readable> {
    const { status, readableStreamBody } = await this.send('GET', `blobs/${asked}`, {}, ms);
    if (status !== 200 || !readableStreamBody) throw unexpected(`blob ${asked}`, status);
    const hash = createHash('sha256');
    const checked = new Transform({
      transform(chunk, _encoding, done) {
        hash.update(chunk);
        done(null, chunk);
      },
      flush(done) {
        const came = `sha256:${hash.digest('hex')}`;
        done(came === asked ? null : new Error(`the registry sent ${came} for ${asked}`));
      },
    });
    return pipeline(readableStreamBody as Readable, checked, () => undefined);
  }

  /** One request below `/v2/<repository>/`, whatever its status; its body as a stream where `streamMs` gives the time for it. */
  async send(
    method: HttpMethods,
    path: string,
    headers: Record<string, string> = {},
    streamMs = 0,
  ): Promise<PipelineResponse> {
    const request = createPipelineRequest({
      url: `${this.#endpoint}/v2/${this.#repository}/${path}`,
      method,
      // Until its last byte: the client's own timeout ends with the headers.
      abortSignal: AbortSignal.timeout(streamMs || this.#timeout),
      ...(streamMs ? { streamResponseStatusCodes: new Set([200]) } : {}),
    });
    for (const [name, value] of Object.entries(headers)) request.headers.set(name, value);
    // Private in its types: the client's pipeline, with its login and its retries.
    const { client } = this.content as unknown as {
      client: { sendRequest(request: PipelineRequest): Promise<PipelineResponse> };
    };
    return await client.sendRequest(request);
  }
}

/** JSON of at most so many bytes, counted as they come: what a registry says of a size need not be so. */
async function measured(stream: Readable, what: string, hash?: Hash): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > JSON_BYTES) throw new Error(`the image's ${what} has more than ${JSON_BYTES} bytes`);
    hash?.update(chunk);
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString());
}

const platform = z.looseObject({ os: z.string(), architecture: z.string() });

function unexpected(what: string, status: number): RestError {
  return new RestError(`${what}: the registry answered ${status}`, { statusCode: status });
}

/** Errors of the registry by what can be done about them: its client's own retries are used up by now. */
export async function reached<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const status = (error as { statusCode?: number }).statusCode ?? 0;
    const text = error instanceof Error ? error.message : String(error);
    if (error instanceof Rejected || (status >= 400 && status < 500 && status !== 408 && status !== 429))
      throw new Rejected('registry', text.slice(0, 300), status, { cause: error });
    throw new Unavailable('registry', text.slice(0, 300), 0, { cause: error });
  }
}
