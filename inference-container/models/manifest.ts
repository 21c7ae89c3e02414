import { z } from 'zod';

/** `model.json` of a model package: what it is, how its inputs are made, and what it must answer. */
export const manifest = z.object({
  name: z.string().regex(/^[\w.-]{1,64}$/),
  version: z.string().regex(/^[\w.-]{1,64}$/),
  task: z.enum(['tensor', 'text-classification']).default('tensor'),
  labels: z.array(z.string()).default([]),
  preprocessing: z
    .discriminatedUnion('kind', [z.strictObject({ kind: z.literal('ngrams'), vocabulary: z.string() })])
    .optional(),
  /** Scores below it are labelled `none`. */
  threshold: z.number().min(0).max(1).default(0),
  metrics: z.record(z.string(), z.number()).default({}),
  trainedOn: z.object({ sha256: z.string(), examples: z.number() }).optional(),
  /** SHA-256 of every other file of the package, by name. */
  files: z.record(z.string(), z.string().regex(/^sha256:[0-9a-f]{64}$/)).default({}),
  golden: z.array(z.object({ input: z.unknown(), output: z.unknown() })).default([]),
  createdAt: z.string().optional(),
});
export type Manifest = z.infer<typeof manifest>;
