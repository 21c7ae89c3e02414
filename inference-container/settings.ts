import { z } from 'zod';
import { isName, NAME_RULE } from './models/version.ts';

/** All settings of the model server, validated once; every problem is reported together. */
const count = (least: number, most: number) => z.coerce.number().int().min(least).max(most);

/** A key that can't be guessed, as a header can carry it. */
const key = z.string().regex(/^[!-~]{16,512}$/, 'must have 16 to 512 characters, without blanks');

const schema = z.object({
  PORT: count(0, 65_535).default(8080),
  HOST: z.string().default('0.0.0.0'),
  /** The model repository: `<name>/<version>/model.onnx`. */
  MODEL_DIR: z.string().default('models'),
  /** A Blob container with the same layout, by its address; its models are copied to CACHE_DIR. */
  MODEL_BLOB_URL: z.url().optional(),
  /** Instead of an identity, outside of Azure. */
  MODEL_BLOB_CONNECTION: z.string().optional(),
  MODEL_BLOB_CONTAINER: z.string().default('models'),
  AZURE_CLIENT_ID: z.string().optional(),
  CACHE_DIR: z.string().default('/tmp/maru-models'),
  /** How often the repository is looked at for changes; 0: only by the repository API. */
  MODEL_WATCH_SECONDS: count(0, 86_400).default(10),
  /** How long the files of a version must rest before it is loaded, where it has no checksums that say it is whole. */
  MODEL_SETTLE_SECONDS: z.coerce.number().min(0).max(3_600).default(2),
  /** Models that must be served before this server is ready, beside those in MODEL_DIR: names with commas between. */
  REQUIRED_MODELS: z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(',')
        .map((name) => name.trim())
        .filter(Boolean),
    )
    .pipe(z.array(z.string().refine(isName, `a model's name ${NAME_RULE}`))),
  /** What who loads and unloads models must show (`Authorization: Bearer …`); without it, nobody may. */
  REPOSITORY_KEY: key.optional(),
  /** What who asks for anything but health must show; without it, everybody may who reaches the server. */
  INFERENCE_KEY: key.optional(),
  /** Threads that run ONNX Runtime, one intra-op thread each. */
  WORKERS: count(1, 64).optional(),
  /** Threads that serve HTTP on the one port, each of which runs what is quick by itself; more than one needs Linux. */
  HTTP_THREADS: count(1, 64).optional(),
  /** Requests that may wait for one model before it answers 503, and megabytes of bodies that may wait for all. */
  QUEUE_REQUESTS: count(1, 1_000_000).default(2_048),
  QUEUE_MEGABYTES: count(1, 65_536).default(256),
  /** How long a request may wait and run. */
  REQUEST_SECONDS: count(1, 600).default(30),
  BODY_MEGABYTES: count(1, 1_024).default(64),
  /** Memory that a JSON body may take once it is read, as it is estimated before. */
  REQUEST_MEGABYTES: count(1, 65_536).default(1_024),
  /** How long a shutdown waits for what is in flight. */
  SHUTDOWN_SECONDS: count(1, 600).default(20),
  /** What this image says it is: of its unpacked layers, written by a release. */
  RELEASE: z.string().max(128).optional(),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
});

export type Settings = Readonly<z.infer<typeof schema>>;

/** Throws an error that lists every problem. */
export function parseSettings(environment: Record<string, string | undefined>): Settings {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value?.trim()));
  const parsed = schema.safeParse(given);
  if (parsed.success) return Object.freeze(parsed.data);
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new Error(`settings to correct:\n  ${problems.join('\n  ')}`);
}
