/** The tasks that a manifest may name. */
export const taskNames = ['tensor', 'text-classification', 'image-classification', 'retrieval'] as const;
export type TaskName = (typeof taskNames)[number];
