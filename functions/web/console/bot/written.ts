import { signal } from '@preact/signals';

/** Counts what was written: lists are read anew. */
export const written = signal(0);
