import { z } from 'zod';
import { elements, type Feed, rowsOf, type TensorData, type TensorMetadata } from '../models/tensor.ts';
import { tasks } from '../tasks/index.ts';
import {
  type Exchange,
  rowsPayload,
  rowValues,
  type Served,
  tensorOutputs,
  tensorsPayload,
  understood,
} from './exchange.ts';
import { badRequest } from './http-error.ts';
import { parseJson, readJson } from './json.ts';
import { fromJson, toJson } from './tensors.ts';

/**
 * KServe V1 (`instances` → `predictions`), with the columns that TensorFlow Serving knows (`inputs` → `outputs`), and the generic
 * scoring API (`data` → `results`), which asks the same in other words.
 */
export const predictRequest = z.union([
  z.object({ instances: z.array(z.unknown()), inputs: z.null().optional() }),
  z.object({
    inputs: z.unknown().refine((value) => value !== undefined && value !== null),
    instances: z.null().optional(),
  }),
]);
export const scoreRequest = z.object({ model_name: z.string().max(64), data: z.unknown() });

/** POST /v1/models/{model}:predict */
export function readPredict(model: Served, bytes: Buffer): Exchange {
  return readJson(bytes, (json) => {
    const parsed = predictRequest.safeParse(json);
    if (!parsed.success) throw badRequest('the body must be {"instances": [...]}, or {"inputs": ...} of whole columns');
    const { instances, inputs } = parsed.data as { instances?: unknown[]; inputs?: unknown };
    return instances ? exchange(model, instances, 'predictions') : columnar(model, inputs);
  });
}

/** The model that a /score request names, and its data. */
function scored(json: unknown): { name: string; data: unknown[] } {
  const parsed = scoreRequest.safeParse(json);
  if (!parsed.success) throw badRequest('the body must be {"model_name": "...", "data": [...]}');
  const { model_name: name, data } = parsed.data;
  return { name, data: Array.isArray(data) ? data : [data] };
}

/** A body up to this is parsed for its model's name where HTTP is served; of a larger one, the name must stand in its first or last bytes. */
const WHOLE_BYTES = 64 * 1024;
const NAME_BYTES = 1_024;
const NAMED = /"model_name"\s*:\s*("(?:[^"\\]|\\.)*")/;

/** The model that a /score request names, or seems to: {@link readScore} reads all of it. */
export function scoredModel(bytes: Buffer): string {
  if (bytes.length <= WHOLE_BYTES) return scored(parseJson(bytes)).name;
  for (const part of [bytes.subarray(0, NAME_BYTES), bytes.subarray(-NAME_BYTES)]) {
    const [, name] = NAMED.exec(part.toString()) ?? [];
    if (name) return String(parseJson(Buffer.from(name)));
  }
  throw badRequest(`model_name must stand in the first or last ${NAME_BYTES} bytes of a large body`);
}

/** POST /score */
export function readScore(model: Served, bytes: Buffer): Exchange {
  return readJson(bytes, (json) => {
    const { name, data } = scored(json);
    if (name !== model.manifest.name) throw badRequest('model_name must stand before data, or behind it');
    return exchange(model, data, 'results');
  });
}

/** Instances in, one prediction each under `key` out. */
function exchange(model: Served, instances: unknown[], key: string): Exchange {
  const { task } = model.manifest;
  const body = (json: string) => ({ body: `{"${key}":${json}}` });
  if (task !== 'tensor' || instances.length === 0)
    return {
      payload: rowsPayload(() =>
        task === 'tensor' ? [] : instances.map((given, at) => row(task, instances, given, at)),
      ),
      write: (result) => body(rowsJson(rowValues(result))),
    };
  const { inputs } = model.signature;
  const feeds = Object.fromEntries(inputs.map((input) => [input.name, column(input, inputs.length, instances)]));
  return {
    payload: tensorsPayload(model, feeds, []),
    write: (result) => body(rowsAsJson(model, tensorOutputs(result), instances.length)),
  };
}

/** Each input whole, by its name, or the one input by itself; the outputs in the same way. */
function columnar(model: Served, given: unknown): Exchange {
  const { inputs, outputs } = model.signature;
  if (model.manifest.task !== 'tensor') {
    const { payload, write } = exchange(model, Array.isArray(given) ? given : [given], 'outputs');
    return { payload, write };
  }
  const [only] = inputs;
  const byName = typeof given === 'object' && given !== null && !Array.isArray(given);
  if (!byName && (inputs.length !== 1 || !only))
    throw badRequest("inputs must be an object of the model's inputs by name");
  const columns = (byName ? given : { [only!.name]: given }) as Record<string, unknown>;
  for (const name of Object.keys(columns))
    if (!inputs.some((input) => input.name === name)) throw badRequest(`the model has no input ${name.slice(0, 100)}`);
  const feeds = Object.fromEntries(
    inputs.map(({ name, datatype, shape: expected }) => {
      if (!Object.hasOwn(columns, name)) throw badRequest(`input ${name} is missing`);
      const given = columns[name];
      const own = shapeOf(given);
      const shape = standsFor(own, expected);
      if (!fits(expected, shape)) throw badRequest(`${name}: expected shape [${expected}], not [${shape}]`);
      return [name, { ...fromJson(name, datatype, own, own.length === 0 ? [given] : given), shape }];
    }),
  );
  return {
    payload: tensorsPayload(model, feeds, []),
    write: (result) => {
      const tensors = tensorOutputs(result);
      const parts = outputs.map(({ name }) => [name, nested(tensors[name]!)] as const);
      const [first] = parts;
      const body = parts.length === 1 && first ? first[1] : object(parts);
      return { body: `{"outputs":${body}}` };
    },
  };
}

/** The shape that a value stands for: where the one that is expected ends with one column, each scalar is one. */
function standsFor(shape: readonly number[], expected: readonly number[]): number[] {
  return expected.at(-1) === 1 && shape.length === expected.length - 1 ? [...shape, 1] : [...shape];
}

function fits(expected: readonly number[], shape: readonly number[]): boolean {
  return shape.length === expected.length && expected.every((size, index) => size === -1 || size === shape[index]);
}

function object(parts: (readonly [name: string, json: string])[]): string {
  return `{${parts.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join()}}`;
}

/** Rows of a task as JSON, in which a number that JSON does not have is a string and not null. */
function rowsJson(rows: unknown[]): string {
  const text = JSON.stringify(rows);
  if (!text.includes('null')) return text;
  return JSON.stringify(rows, (_, value) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
  );
}

function row(task: keyof typeof tasks, instances: unknown[], given: unknown, at: number): unknown {
  return understood(() => tasks[task].fromInstance(given), instances.length > 1 ? at : undefined);
}

/** One prediction an instance: the output's row, or an object of the outputs' rows by name. */
function rowsAsJson({ signature }: Served, results: Record<string, TensorData>, instances: number): string {
  for (const { name } of signature.outputs)
    if (results[name]!.shape[0] !== instances)
      throw badRequest(`output ${name} has not one row an instance; ask for it by V2`);
  const rows = Array.from({ length: instances }, (_, index) => {
    const parts = signature.outputs.map(({ name }) => [name, nested(rowOf(results[name]!, index))] as const);
    return parts.length === 1 ? parts[0]![1] : object(parts);
  });
  return `[${rows.join()}]`;
}

/** One row of a tensor, without the dimension of the rows. */
function rowOf(tensor: TensorData, row: number): TensorData {
  return { ...rowsOf(tensor, row, row + 1), shape: tensor.shape.slice(1) };
}

/** One input of all instances: an instance is the input's value, or an object of them by name. */
function column({ name, datatype, shape }: TensorMetadata, inputs: number, instances: unknown[]): Feed {
  const values = instances.map((instance, index) => {
    if (typeof instance === 'object' && instance !== null && !Array.isArray(instance)) {
      if (!Object.hasOwn(instance, name)) throw badRequest(`instance ${index}: input ${name} is missing`);
      return (instance as Record<string, unknown>)[name];
    }
    if (inputs > 1) throw badRequest(`instance ${index} must be an object of the model's inputs by name`);
    return instance;
  });
  const row = shape.slice(1);
  const own = shapeOf(values[0]);
  const sizes = standsFor(own, row);
  if (!fits(row, sizes)) throw badRequest(`${name}: expected instances of shape [${row}], not [${sizes}]`);
  // Millions of scalars are looked at one by one, and nothing is made of each.
  const differs =
    own.length === 0
      ? (value: unknown) => typeof value === 'object' && value !== null
      : (value: unknown) => shapeOf(value).join() !== own.join();
  if (values.some(differs)) throw badRequest(`${name}: instances have different shapes`);
  return { ...fromJson(name, datatype, [values.length, ...own], values), shape: [values.length, ...sizes] };
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

/** A tensor as nested lists, written element by element so that 64-bit numbers stay exact. */
function nested({ datatype, shape, data }: TensorData): string {
  const write = (dims: number[], values: TensorData['data']): string => {
    const flat = () => toJson({ datatype, data: values });
    if (dims.length === 0) return flat().slice(1, -1);
    if (dims.length === 1) return flat();
    const step = elements(dims.slice(1));
    const parts = Array.from({ length: dims[0]! }, (_, at) =>
      write(dims.slice(1), values.slice(at * step, (at + 1) * step) as TensorData['data']),
    );
    return `[${parts.join()}]`;
  };
  return write(shape, data);
}
