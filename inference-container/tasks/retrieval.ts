import type { RowTask } from './task.ts';
import { textClassification } from './text-classification.ts';

/**
 * Questions in, the entry that answers each out (`none` below the threshold), with the next best: read and answered as in text
 * classification. Models give scores[batch, entries], each the chance, from 0 to 1, that the entry is the right one; they don't add up
 * to 1, for a question may be of no entry.
 */
export const retrieval: RowTask = textClassification;
