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
  for (const { name } of outputs)
    if (results[name]!.shape[0] !== instances.length)
      throw badRequest(`output ${name} has not one row an instance; ask for it by V2`);
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

/** The shape of nested lists; throws when lists of one level differ in length. */
function shapeOf(value: unknown): number[] {
  const shape: number[] = [];
  let level: unknown[] = [value];
  while (level.some(Array.isArray)) {
    const lists = level as unknown[][];
    const length = Array.isArray(lists[0]) ? lists[0].length : -1;
    if (shape.length >= 16 || lists.some((list) => !Array.isArray(list) || list.length !== length))
      throw badRequest('an instance is not a tensor: its lists differ in length or are nested too deep');
    shape.push(length);
    level = lists.flat();
  }
  return shape;
}

/** One row of an output as nested lists, written element by element so that 64-bit numbers stay exact. */
function nested(name: string, { datatype, shape, data }: TensorData, row: number): string {
  const inner = shape.slice(1);
  const size = elements(inner);
  const from = row * size;
  const part = (
    Array.isArray(data) ? data.slice(from, from + size) : (data as NumberArray).subarray(from, from + size)
  ) as TensorData['data'];
  const write = (dims: number[], values: TensorData['data']): string => {
    const flat = () => toJson(name, { datatype, shape: [values.length], data: values });
    if (dims.length === 0) return flat().slice(1, -1);
    if (dims.length === 1) return flat();
    const step = elements(dims.slice(1));
    const parts = Array.from({ length: dims[0]! }, (_, at) =>
      write(dims.slice(1), values.slice(at * step, (at + 1) * step) as TensorData['data']),
    );
    return `[${parts.join()}]`;
  };
  return write(inner, part);
}
