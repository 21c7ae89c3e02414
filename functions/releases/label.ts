import { z } from 'zod';
import type { Image } from '../services/registry.ts';

/** What an image says of itself, in the label `dev.maru.release` of its config: written by `npm run release`. */
export const LABEL = 'dev.maru.release';

/** Figures of a model: all of it goes into the release's document, which has a size. */
const METRICS_LIMIT = 100;

const model = z.object({
  name: z.string().regex(/^[\w.-]{1,64}$/),
  version: z.string().regex(/^[\w.-]{1,64}$/),
  /** SHA-256 of model.onnx. */
  checksum: z.string().max(128),
  metrics: z
    .record(z.string().max(64), z.number())
    .refine((metrics) => Object.keys(metrics).length <= METRICS_LIMIT)
    .default({}),
  /** What the model must answer: cases of a task, by the label of each. */
  golden: z
    .array(z.object({ input: z.unknown(), output: z.looseObject({ label: z.string() }) }))
    .max(1_000)
    .default([]),
});
export type ReleasedModel = z.infer<typeof model>;

export const releaseLabel = z.object({
  /** The source commit, where there is one. */
  commit: z.string().max(64).default(''),
  models: z.array(model).max(64).default([]),
});
export type ReleaseLabel = z.infer<typeof releaseLabel>;

/** The label of an image; null for one that was not made by a release. */
export function labelOf({ config }: Image): ReleaseLabel | null {
  const text = config.config?.Labels?.[LABEL];
  if (text === undefined) return null;
  try {
    return releaseLabel.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/** What a slot that runs the image says it serves; undefined for an image that was not made by a release. */
export function releaseOf({ config }: Image): string | undefined {
  return config.config?.Env?.find((entry) => entry.startsWith('RELEASE='))?.slice('RELEASE='.length);
}
