import { DatasetError } from '../../functions/training/dataset.ts';

/** What a command says of an error: one line where it is about what was given, all of it where it is a defect. */
export function said(error: unknown): unknown {
  if (error instanceof DatasetError) return error.message;
  // Of the system (a full disk), or of parseArgs.
  if (error instanceof Error && 'code' in error) return error.message.split('\n')[0];
  return error;
}
