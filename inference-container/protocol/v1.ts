import { z } from 'zod';
import type { Model } from '../models/repository.ts';
import { elements, type NumberArray, type TensorData, type TensorMetadata } from '../models/tensor.ts';
import { badRequest } from './http-error.ts';
import type { Call, Inference } from './inference.ts';
import { fromJson, toJson } from './tensors.ts';

/** KServe V1 (`instances` → `predictions`) and the generic scoring API (`data` → `results`), which asks the same in other words. */
const predictRequest = z.looseObject({ instances: z.array(z.unknown()) });
const scoreRequest = z.strictObject({ model_name: z.string().max(64), data: z.unknown() });

export async function predict(model: Model, body: unknown, inference: Inference, call: Call): Promise<string> {
  const parsed = predictRequest.safeParse(body);
  if (!parsed.success) throw badRequest('the body must be {"instances": [...]}');
  return `{"predictions":${await predictions(model, parsed.data.instances, inference, call)}}`;
}

/** The model that a /score request names. */
export function scored(body: unknown): { name: string; data: unknown[] } {
  const parsed = scoreRequest.safeParse(body);
  if (!parsed.success) throw badRequest('the body must be {"model_name": "...", "data": [...]}');
  const { model_name: name, data } = parsed.data;
  return { name, data: Array.isArray(data) ? data : [data] };
}

export async function score(model: Model, data: unknown[], inference: Inference, call: Call): Promise<string> {
  return `{"results":${await predictions(model, data, inference, call)}}`;
}

/** One prediction an instance, as JSON text. */
async function predictions(model: Model, instances: unknown[], inference: Inference, call: Call): Promise<string> {
  if (instances.length === 0) return '[]';
  if (model.manifest.task !== 'tensor') return JSON.stringify(await inference.rows(model, instances, call));
  const { inputs, outputs } = model.signature;
  const feeds = Object.fromEntries(inputs.map((input) => [input.name, column(input, inputs.length, instances)]));
  for (const [name, [least, most]] of Object.entries(model.signature.bounds))
    for (const value of feeds[name]!.data as Int32Array)
      if (value < least || value > most) throw badRequest(`${name}: ${value} is not an id from ${least} to ${most}`);
  const results = await inference.tensors(model, feeds, [], call);
  const rows = instances.map((_, row) => {
    const parts = outputs.map(({ name }) => [name, nested(name, results[name]!, row)] as const);
    return parts.length === 1
      ? parts[0]![1]
      : `{${parts.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join()}}`;
  });
  return `[${rows.join()}]`;
}

/** One input of all instances: an instance is the input's value, or an object of them by name. */
function column({ name, datatype, shape }: TensorMetadata, inputs: number, instances: unknown[]): TensorData {
  const values = instances.map((instance, index) => {
    if (typeof instance === 'object' && instance !== null && !Array.isArray(instance)) {
      if (!Object.hasOwn(instance, name)) throw badRequest(`instance ${index}: input ${name} is missing`);
      return (instance as Record<string, unknown>)[name];
    }
    if (inputs > 1) throw badRequest(`instance ${index} must be an object of the model's inputs by name`);
    return instance;
  });
  const sizes = shapeOf(values[0]);
  const row = shape.slice(1);
  const fits = sizes.length === row.length && row.every((size, index) => size === -1 || size === sizes[index]);
  if (!fits) throw badRequest(`${name}: expected instances of shape [${row}], not [${sizes}]`);
  if (values.some((value) => shapeOf(value).join() !== sizes.join()))
    throw badRequest(`${name}: instances have different shapes`);
  return fromJson(name, datatype, [values.length, ...sizes], values);
}

function shapeOf(value: unknown): number[] {
  const shape: number[] = [];
  for (let inner = value; Array.isArray(inner) && shape.length < 17; inner = inner[0]) shape.push(inner.length);
  return shape;
}

/** One row of an output as nested lists. */
function nested(name: string, { datatype, shape, data }: TensorData, row: number): string {
  const size = elements(shape.slice(1));
  const part = (
    Array.isArray(data)
      ? data.slice(row * size, (row + 1) * size)
      : (data as NumberArray).subarray(row * size, (row + 1) * size)
  ) as TensorData['data'];
  const flat = toJson(name, { datatype, shape: [size], data: part });
  const inner = shape.slice(1);
  if (inner.length === 1) return flat;
  let level: unknown[] = JSON.parse(flat) as unknown[];
  if (inner.length === 0) return JSON.stringify(level[0]);
  for (const length of inner.slice(1).reverse())
    level = Array.from({ length: level.length / length }, (_, at) => level.slice(at * length, (at + 1) * length));
  return JSON.stringify(level);
}
