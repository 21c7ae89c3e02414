import { z } from 'zod';
import { taskNames } from '../tasks/names.ts';

/** A file's name inside its package: never a path. */
const fileName = z.string().regex(/^[\w-][\w.-]{0,127}$/, 'must be a file name, not a path');

const maxTokens = z.int().min(1).max(8_192).default(128);

/** How inputs are made of what people send; each kind belongs to a task. */
const kinds = z.discriminatedUnion('kind', [
  /** Word and character n-grams (tasks/ngrams.ts) by a vocabulary in the package, and tokens for the sentence encoders in the model. */
  z.strictObject({
    kind: z.literal('ngrams'),
    vocabulary: fileName,
    encoders: z
      .array(z.strictObject({ tokenizer: fileName, configuration: fileName.optional(), maxTokens }))
      .max(4)
      .default([]),
  }),
  /** A Hugging Face tokenizer.json in the package. */
  z.strictObject({ kind: z.literal('tokenizer'), tokenizer: fileName, maxTokens }),
  /** Pictures: resized, scaled to 0–1, then (value − mean) / std for each channel. */
  z.strictObject({
    kind: z.literal('image'),
    width: z.int().min(1).max(4_096),
    height: z.int().min(1).max(4_096),
    fit: z.enum(['cover', 'contain', 'fill']).default('cover'),
    layout: z.enum(['nchw', 'nhwc']).default('nchw'),
    channels: z.union([z.literal(1), z.literal(3)]).default(3),
    mean: z.array(z.number()).length(3).default([0, 0, 0]),
    std: z.array(z.number().positive()).length(3).default([1, 1, 1]),
    /**
     * The subject of a photograph is sought, cut out and brought to the middle, as bright as it differs from its ground, on black: for
     * networks that saw such pictures. Of grey pictures; one of the network's own size is taken as it is.
     */
    subject: z.strictObject({ margin: z.int().min(0).max(1_000).default(0) }).optional(),
  }),
]);

const preprocessing = kinds.superRefine((given, context) => {
  if (given.kind !== 'image' || !given.subject) return;
  if (given.channels !== 1)
    context.addIssue({ code: 'custom', path: ['subject'], message: 'is sought for grey pictures: channels must be 1' });
  if (2 * given.subject.margin >= Math.min(given.width, given.height))
    context.addIssue({ code: 'custom', path: ['subject', 'margin'], message: 'leaves nothing of the picture' });
});

/** `model.json` of a model package: what it is, how its inputs are made, and what it must answer. */
export const manifest = z.object({
  name: z.string().regex(/^[\w.-]{1,64}$/),
  version: z.string().regex(/^[\w.-]{1,64}$/),
  task: z.enum(taskNames).default('tensor'),
  labels: z.array(z.string()).max(100_000).default([]),
  preprocessing: preprocessing.optional(),
  /** Scores below it are labelled `none`. */
  threshold: z.number().min(0).max(1).default(0),
  /** What is in flight is batched along the first dimension, where the model leaves it open. */
  batching: z
    .strictObject({
      maxRows: z.int().min(1).max(4_096).default(64),
      maxDelayMs: z.number().min(0).max(1_000).default(0),
      /**
       * Whether each row is answered by itself, whatever stands beside it: the word of whoever packed the model. Without it, requests
       * are joined where the graph proves it (row-independence.ts).
       */
      rows: z.enum(['independent', 'dependent']).optional(),
    })
    .default({ maxRows: 64, maxDelayMs: 0 }),
  session: z
    .strictObject({
      /** Faster matrix products for large batches, for a private copy of the weights in each worker. */
      prepacking: z.boolean().default(true),
    })
    .default({ prepacking: true }),
  metrics: z.record(z.string(), z.number()).default({}),
  /** `content`: the version of the bot's content that it was taken from. */
  trainedOn: z.object({ sha256: z.string(), examples: z.number(), content: z.string().optional() }).optional(),
  /** SHA-256 of the other files of the package, by name. */
  files: z.record(fileName, z.string().regex(/^sha256:[0-9a-f]{64}$/)).default({}),
  golden: z.array(z.object({ input: z.unknown(), output: z.unknown() })).default([]),
  createdAt: z.string().optional(),
});
export type Manifest = z.infer<typeof manifest>;

/** The files that inputs are made by: the vocabulary, the tokenizers. */
export function preprocessingFiles({ preprocessing }: Manifest): string[] {
  if (preprocessing?.kind === 'ngrams')
    return [
      preprocessing.vocabulary,
      ...preprocessing.encoders.flatMap(({ tokenizer, configuration = [] }) => [tokenizer].concat(configuration)),
    ];
  return preprocessing?.kind === 'tokenizer' ? [preprocessing.tokenizer, 'tokenizer_config.json'] : [];
}

/** `config.json` of a model's folder: which of its versions are served. */
export const versionPolicy = z
  .strictObject({
    versions: z.union([
      z.strictObject({ latest: z.int().min(1).max(100) }),
      z.strictObject({ only: z.array(z.string()).min(1) }),
      z.literal('all'),
    ]),
  })
  .default({ versions: { latest: 1 } });
export type VersionPolicy = z.infer<typeof versionPolicy>;
