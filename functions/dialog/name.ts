import { z } from 'zod';

/** The name of something in a bot's folder, or of a value: none that every object has already. */
export const name = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,39}$/, 'must be small letters, digits and _, and begin with a letter')
  .refine((text) => !(text in Object.prototype), 'is a name of the language itself: take another');
