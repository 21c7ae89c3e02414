import { z } from 'zod';
import type { Option, Value, Values } from '../conversation/flow.ts';
import { name } from './name.ts';

/** What actions may say: bounded, because it comes from outside and is kept in the conversation. */
const LIST_LIMIT = 30;
const DEPTH_LIMIT = 4;
const short = z.string().max(1_000);

function valueTo(depth: number): z.ZodType<Value> {
  const plain = z.union([
    short,
    z.number(),
    z.strictObject({ money: z.number() }),
    z.strictObject({ date: z.iso.date() }),
    z.strictObject({ time: z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/) }),
    z.strictObject({ text: few(z.string().max(35), short) }),
  ]);
  if (depth === 0) return plain;
  const inner = valueTo(depth - 1);
  return z.union([
    plain,
    z.strictObject({ phrase: name, with: few(name, inner).optional() }) as z.ZodType<Value>,
    z.strictObject({ list: z.array(inner).max(LIST_LIMIT) }),
  ]);
}

function few<V>(key: z.ZodType<string>, value: z.ZodType<V>): z.ZodType<Record<string, V>> {
  return z
    .record(key as z.ZodString, value)
    .refine((record) => Object.keys(record).length <= LIST_LIMIT, `has more than ${LIST_LIMIT} entries`);
}

const value = valueTo(DEPTH_LIMIT);
const values: z.ZodType<Values> = few(name, value);

const option: z.ZodType<Option> = z.strictObject({
  value: z.string().min(1).max(200),
  names: z.array(z.string().max(120)).max(10).default([]),
  label: value.optional(),
  listed: z.boolean().optional(),
  values: values.optional(),
  image: z.strictObject({ url: z.url({ protocol: /^https?$/ }).max(2_000), alt: value }).optional(),
  link: z
    .url({ protocol: /^https?$/ })
    .max(2_000)
    .optional(),
}) as z.ZodType<Option>;

/** What an action answers with: its result's name chooses the next step. */
export const actionResult = z.strictObject({
  result: name,
  values: values.optional(),
  options: z.array(option).max(LIST_LIMIT).optional(),
});
export type ActionResult = z.infer<typeof actionResult>;
