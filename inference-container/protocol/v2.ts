import { z } from 'zod';
import type { Model, Repository } from '../models/repository.ts';
import { type Datatype, datatypes, type TensorData, type TensorMetadata } from '../models/tensor.ts';
import { tasks } from '../tasks/index.ts';
import { badRequest, HttpError } from './http-error.ts';
import type { Call, Inference } from './inference.ts';
import { parseJson } from './json.ts';
import { checkShape, fromBinary, fromJson, toBinary, toJson } from './tensors.ts';

/** Open Inference Protocol (V2) over REST, with the binary tensor extension. */
export const server = {
  name: 'maru-inference',
  version: '0.1.0',
  extensions: ['binary_tensor_data', 'model_repository'],
};

const parameters = z.record(z.string(), z.union([z.string(), z.number(), z.bigint(), z.boolean()])).optional();
const request = z.strictObject({
  id: z.string().max(128).optional(),
  parameters,
  inputs: z
    .array(
      z.strictObject({
        name: z.string().max(256),
        shape: z.unknown(),
        datatype: z.string(),
        parameters,
        data: z.unknown().optional(),
      }),
    )
    .min(1)
    .max(256),
  outputs: z
    .array(z.strictObject({ name: z.string().max(256), parameters }))
    .max(256)
    .optional(),
});

export interface Body {
  bytes: Buffer;
  /** Inference-Header-Content-Length, where it was sent. */
  headerLength: string | undefined;
}

export interface InferResponse {
  body: string | Buffer;
  headers: Record<string, string>;
}

/** Inputs and outputs as clients see them: the task's own, or the model's tensors. */
function signatureOf({ manifest, signature }: Model): { inputs: TensorMetadata[]; outputs: TensorMetadata[] } {
  return manifest.task === 'tensor' ? signature : tasks[manifest.task];
}

export function modelMetadata(model: Model, repository: Repository) {
  const { inputs, outputs } = signatureOf(model);
  return { name: model.name, versions: repository.versions(model.name), platform: 'onnxruntime_onnx', inputs, outputs };
}

/** POST /v2/models/{model}[/versions/{version}]/infer */
export async function infer(model: Model, body: Body, inference: Inference, call: Call): Promise<InferResponse> {
  const { json, binary } = body.headerLength === '0' ? raw(body.bytes, model) : separate(body);
  const parsed = request.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw badRequest(`${issue.path.join('.') || 'body'}: ${issue.message}`);
  }
  const { id, inputs, outputs: wanted = [], parameters: options } = parsed.data;
  const { inputs: expected, outputs: available } = signatureOf(model);
  const feeds = readInputs(inputs, expected, binary);
  checkBounds(feeds, model);
  for (const { name } of wanted)
    if (!available.some((output) => output.name === name)) throw badRequest(`the model has no output ${name}`);
  const names = [...new Set(wanted.map(({ name }) => name))];
  const results = await inference.tensors(model, feeds, names, withTimeout(call, options));
  const binaryByDefault = options?.binary_data_output === true;
  const asBinary = new Set(
    available
      .map(({ name }) => name)
      .filter((name) => wanted.find((output) => output.name === name)?.parameters?.binary_data ?? binaryByDefault),
  );
  const order = names.length > 0 ? names : available.map(({ name }) => name);
  return write(
    model,
    id,
    order.map((name) => [name, results[name]!] as const),
    asBinary,
  );
}

/** A raw request: the whole body is the one input, its open first dimension known from the size. */
function raw(bytes: Buffer, model: Model): { json: unknown; binary: Buffer } {
  const { inputs } = signatureOf(model);
  const [only] = inputs;
  if (inputs.length !== 1 || !only) throw badRequest('a raw request needs a model with one input');
  const { name, datatype, shape } = only;
  const open = shape.filter((size) => size === -1).length;
  if (datatype === 'BYTES') {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    const input = {
      name,
      datatype,
      shape: shape.map((size) => Math.max(size, 1)),
      parameters: { binary_data_size: bytes.length + 4 },
    };
    return { json: rawRequest(input), binary: Buffer.concat([length, bytes]) };
  }
  const row = shape.filter((size) => size !== -1).reduce((product, size) => product * size, datatypes[datatype].bytes);
  if (open > 1 || bytes.length % row !== 0)
    throw badRequest(`${name}: ${bytes.length} bytes do not fit its shape [${shape}]`);
  const input = {
    name,
    datatype,
    shape: shape.map((size) => (size === -1 ? bytes.length / row : size)),
    parameters: { binary_data_size: bytes.length },
  };
  return { json: rawRequest(input), binary: bytes };
}

function rawRequest(input: object) {
  return { inputs: [input], parameters: { binary_data_output: true } };
}

/** The JSON of a body, and the tensors' bytes behind it. */
function separate({ bytes, headerLength }: Body): { json: unknown; binary: Buffer } {
  if (headerLength === undefined) return { json: parseJson(bytes), binary: Buffer.alloc(0) };
  const length = Number(headerLength);
  if (!/^\d{1,10}$/.test(headerLength) || length > bytes.length)
    throw badRequest(`Inference-Header-Content-Length must be a length of at most the body's ${bytes.length} bytes`);
  return { json: parseJson(bytes.subarray(0, length)), binary: bytes.subarray(length) };
}

function readInputs(
  given: z.infer<typeof request>['inputs'],
  expected: TensorMetadata[],
  binary: Buffer,
): Record<string, TensorData> {
  const feeds: Record<string, TensorData> = {};
  let at = 0;
  for (const { name, shape: rawShape, datatype, data, parameters: options } of given) {
    const metadata = expected.find((input) => input.name === name);
    if (!metadata)
      throw badRequest(`the model has no input ${name}; it has ${expected.map((input) => input.name).join(', ')}`);
    if (Object.hasOwn(feeds, name)) throw badRequest(`${name} is given twice`);
    if (datatype !== metadata.datatype)
      throw badRequest(`${name}: expected datatype ${metadata.datatype}, not ${String(datatype).slice(0, 40)}`);
    const shape = checkShape(name, rawShape);
    fits(metadata, shape);
    const size = options?.binary_data_size;
    if (size === undefined) {
      feeds[name] = fromJson(name, datatype as Datatype, shape, data);
      continue;
    }
    if (data !== undefined) throw badRequest(`${name} has both data and binary_data_size`);
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0 || at + size > binary.length)
      throw badRequest(`${name}: binary_data_size leaves the body, which has ${binary.length} bytes of tensors`);
    feeds[name] = fromBinary(name, datatype as Datatype, shape, binary.subarray(at, at + size));
    at += size;
  }
  if (at !== binary.length) throw badRequest(`${binary.length - at} bytes of the body belong to no input`);
  for (const { name } of expected) if (!Object.hasOwn(feeds, name)) throw badRequest(`input ${name} is missing`);
  return feeds;
}

function fits({ name, shape: expected }: TensorMetadata, shape: number[]): void {
  const same =
    expected.length === shape.length && expected.every((size, index) => size === -1 || size === shape[index]);
  if (!same) throw badRequest(`${name}: expected shape [${expected}], not [${shape}]`);
}

/** Ids that are looked up in a table: one outside of it would fail, or mean another row. */
function checkBounds(feeds: Record<string, TensorData>, { manifest, signature }: Model): void {
  if (manifest.task !== 'tensor') return;
  for (const [name, [least, most]] of Object.entries(signature.bounds)) {
    const data = feeds[name]?.data as BigInt64Array | Int32Array | undefined;
    for (const value of data ?? [])
      if (value < least || value > most) throw badRequest(`${name}: ${value} is not an id from ${least} to ${most}`);
  }
}

/** `timeout`: microseconds, as in Triton. */
function withTimeout(call: Call, options: z.infer<typeof parameters>): Call {
  const timeout = options?.timeout;
  if (timeout === undefined) return call;
  if (typeof timeout !== 'number' || !(timeout > 0))
    throw badRequest('parameters.timeout must be microseconds above 0');
  return { ...call, deadline: Math.min(call.deadline, Date.now() + timeout / 1_000) };
}

function write(
  model: Model,
  id: string | undefined,
  results: (readonly [string, TensorData])[],
  asBinary: Set<string>,
): InferResponse {
  const parts: Buffer[] = [];
  const outputs = results.map(([name, tensor]) => {
    const head = `{"name":${JSON.stringify(name)},"datatype":"${tensor.datatype}","shape":[${tensor.shape}]`;
    if (!asBinary.has(name)) return `${head},"data":${toJson(name, tensor)}}`;
    const bytes = toBinary(tensor);
    parts.push(bytes);
    return `${head},"parameters":{"binary_data_size":${bytes.length}}}`;
  });
  const named = id === undefined ? '' : `"id":${JSON.stringify(id)},`;
  const json = `{"model_name":"${model.name}","model_version":"${model.version}",${named}"outputs":[${outputs.join()}]}`;
  if (parts.length === 0) return { body: json, headers: { 'content-type': 'application/json' } };
  const head = Buffer.from(json);
  return {
    body: Buffer.concat([head, ...parts]),
    headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(head.length) },
  };
}

export function notServed(name: string, version: string | undefined): HttpError {
  return new HttpError(404, `model ${name}${version === undefined ? '' : ` version ${version}`} is not served`);
}
