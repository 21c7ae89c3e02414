import { imageClassification } from './image-classification.ts';
import type { TaskName } from './names.ts';
import { retrieval } from './retrieval.ts';
import type { RowTask } from './task.ts';
import { textClassification } from './text-classification.ts';

/** The tasks that turn rows into tensors and back; `tensor` models take tensors as they are. A new task is a file, its name and its line here. */
export const tasks: Record<Exclude<TaskName, 'tensor'>, RowTask> = {
  'text-classification': textClassification,
  'image-classification': imageClassification,
  retrieval,
};
