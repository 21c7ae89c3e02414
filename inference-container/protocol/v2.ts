import { z } from 'zod';
import description from '../../package.json' with { type: 'json' };
import type { Statistics, Total } from '../metrics.ts';
import type { Model, Repository } from '../models/repository.ts';
import { type Datatype, datatypes, type Feed, type TensorData, type TensorMetadata } from '../models/tensor.ts';
import { tasks } from '../tasks/index.ts';
import type { Answer } from './answer.ts';
import { type Exchange, rowsPayload, rowValues, type Served, tensorOutputs, tensorsPayload } from './exchange.ts';
import { badRequest, HttpError } from './http-error.ts';
import { quoteSpecial, readJson } from './json.ts';
import { asText, checkShape, fromBinary, fromJson, toBinary, toJson } from './tensors.ts';

/** Open Inference Protocol (V2) over REST, with the binary tensor extension. */
const server = {
  name: 'maru-inference',
  version: description.version,
  extensions: ['binary_tensor_data', 'model_repository', 'model_configuration', 'statistics'],
};

/** GET /v2: with `release`, where the image has one, so that whoever stages an image can see when it is served. */
export function serverMetadata(release: string | undefined) {
  return release === undefined ? server : { ...server, release };
}

// What is not known is ignored, and null is absence, as clients of other servers have it (docs/model-server.md).
const parameters = z.record(z.string(), z.unknown()).nullish();
// Without checks of lengths, which double its cost; they are made beside it.
export const inferRequest = z.object({
  id: z.string().nullish(),
  parameters,
  inputs: z
    .array(
      z.object({
        name: z.string(),
        shape: z.unknown(),
        datatype: z.string(),
        parameters,
        data: z.unknown().optional(),
      }),
    )
    .nullish(),
  outputs: z.array(z.object({ name: z.string(), parameters })).nullish(),
});
type InferRequest = z.infer<typeof inferRequest>;

/** Characters of an id, and tensors of a request. */
const ID_LIMIT = 128;
const TENSORS_LIMIT = 256;

/** Counted before they are looked at: for each that is wrong, an issue would be made. */
function tooMany(json: unknown): void {
  const { inputs, outputs, parameters } = (json ?? {}) as { inputs?: unknown; outputs?: unknown; parameters?: object };
  for (const list of [inputs, outputs])
    if (Array.isArray(list) && list.length > TENSORS_LIMIT)
      throw badRequest(`inputs and outputs: at most ${TENSORS_LIMIT} tensors`);
  if (parameters && Object.keys(parameters).length > TENSORS_LIMIT)
    throw badRequest(`parameters: at most ${TENSORS_LIMIT}`);
}

export interface Body {
  bytes: Buffer;
  /** Inference-Header-Content-Length, where it was sent. */
  headerLength: string | undefined;
}

/** Inputs and outputs as clients see them: the task's own, or the model's tensors. */
function signatureOf({ manifest, signature }: Served): { inputs: TensorMetadata[]; outputs: TensorMetadata[] } {
  return manifest.task === 'tensor' ? signature : tasks[manifest.task];
}

const PLATFORM = 'onnxruntime_onnx';

export function modelMetadata(model: Model, repository: Repository) {
  const { inputs, outputs } = signatureOf(model);
  const { batching } = model.signature;
  return {
    name: model.name,
    versions: repository.versions(model.name),
    platform: PLATFORM,
    inputs: inputs.map(described),
    outputs: outputs.map(described),
    parameters: { batching },
  };
}

function described({ name, datatype, shape, labels }: TensorMetadata) {
  return labels ? { name, datatype, shape, parameters: { labels } } : { name, datatype, shape };
}

/** GET …/config, as Triton's clients read it: a batch's dimension is none of `dims` where requests are joined. */
export function modelConfig(model: Model) {
  const { inputs, outputs } = signatureOf(model);
  const joined = model.batchable && [...inputs, ...outputs].every(({ shape }) => shape[0] === -1);
  const tensor = ({ name, datatype, shape }: TensorMetadata) => ({
    name,
    data_type: `TYPE_${datatype === 'BYTES' ? 'STRING' : datatype}`,
    dims: joined ? shape.slice(1) : shape,
  });
  const { maxRows, maxDelayMs } = model;
  return {
    name: model.name,
    platform: PLATFORM,
    backend: 'onnxruntime',
    max_batch_size: joined ? maxRows : 0,
    input: inputs.map(tensor),
    output: outputs.map(tensor),
    ...(joined ? { dynamic_batching: { max_queue_delay_microseconds: Math.round(maxDelayMs * 1_000) } } : {}),
  };
}

/** GET …/stats, as Triton's clients read it. */
export function modelStatistics(counted: Statistics[]) {
  const duration = ({ count, sum }: Total) => ({ count, ns: Math.round(sum * 1e9) });
  return {
    model_stats: counted.map(({ model, version, rows, last, ...of }) => ({
      name: model,
      version,
      last_inference: Math.round(last),
      inference_count: rows.sum,
      execution_count: rows.count,
      inference_stats: {
        success: duration({ count: of.total.count - of.refused.count, sum: of.total.sum - of.refused.sum }),
        fail: duration(of.refused),
        queue: duration(of.queue),
        compute_input: duration(of.preprocess),
        compute_infer: duration(of.compute),
        compute_output: duration(of.postprocess),
      },
      batch_stats: [],
    })),
  };
}

/** POST /v2/models/{model}[/versions/{version}]/infer */
export function readInfer(model: Served, body: Body): Exchange {
  if (body.headerLength === '0') {
    const { json, binary } = raw(body.bytes, model);
    return read(model, json, binary);
  }
  const { head, binary } = separate(body);
  return readJson(head, (json) => read(model, json, binary));
}

function read(model: Served, json: unknown, binary: Buffer): Exchange {
  tooMany(json);
  const parsed = inferRequest.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw badRequest(`${issue.path.join('.') || 'body'}: ${issue.message}`);
  }
  const { id, parameters: options } = parsed.data;
  const inputs = parsed.data.inputs ?? [];
  const wanted = parsed.data.outputs ?? [];
  if (id && id.length > ID_LIMIT) throw badRequest(`id: more than ${ID_LIMIT} characters`);
  const { inputs: expected, outputs: available } = signatureOf(model);
  const feeds = readInputs(inputs, expected, binary);
  if ((options?.timeout ?? null) !== null && !(typeof options?.timeout === 'number' && options.timeout > 0))
    throw badRequest('parameters.timeout must be microseconds above 0');
  const chosen = choose(wanted, available, options?.binary_data_output === true);
  const answer = (outputs: Record<string, TensorData>) => write(model, id, chosen, outputs);
  const { task } = model.manifest;
  if (task === 'tensor')
    return {
      payload: tensorsPayload(model, withText(feeds), wanted.length > 0 ? chosen.map(({ name }) => name) : []),
      write: (result) => answer(tensorOutputs(result)),
    };
  // Tasks take strings and bytes alone.
  const given = feeds as Record<string, TensorData>;
  const decoded = task === 'text-classification' && given.text ? { text: asText('text', given.text) } : given;
  return {
    payload: rowsPayload(() => tasks[task].fromTensors(decoded)),
    write: (result) => answer(tasks[task].toTensors(rowValues(result))),
  };
}

/** An output of an answer: in its JSON, or behind it. */
interface Chosen {
  name: string;
  binary: boolean;
}

/** The outputs that are wanted, each once; all where none is named. Throws 400 for one that there is not. */
function choose(
  wanted: NonNullable<InferRequest['outputs']>,
  available: TensorMetadata[],
  binaryByDefault: boolean,
): Chosen[] {
  if (wanted.length === 0) return available.map(({ name }) => ({ name, binary: binaryByDefault }));
  const chosen = new Map<string, Chosen>();
  for (const { name, parameters: options } of wanted) {
    if (!available.some((output) => output.name === name))
      throw badRequest(`the model has no output ${name.slice(0, 100)}`);
    refuseUnoffered(name, options);
    if (options?.classification)
      throw badRequest(
        `${name}: parameters.classification is not offered; ask for the scores, or a classification task`,
      );
    if (!chosen.has(name)) chosen.set(name, { name, binary: Boolean(options?.binary_data ?? binaryByDefault) });
  }
  return [...chosen.values()];
}

/** What would have another meaning if it were ignored. */
function refuseUnoffered(name: string, options: InferRequest['parameters']): void {
  if (options?.shared_memory_region !== undefined)
    throw badRequest(`${name}: shared memory is not offered; send the tensor in the body`);
}

/** String tensors as ONNX Runtime takes them. */
function withText(feeds: Record<string, Feed>): Record<string, Feed> {
  for (const name in feeds) if (feeds[name]!.datatype === 'BYTES') feeds[name] = asText(name, feeds[name]!);
  return feeds;
}

/** Bytes of JSON that are looked through for a timeout while HTTP waits. */
const TIMEOUT_BYTES = 64 * 1024;

/** Microseconds of `parameters.timeout`, where the request has one: read ahead of the rest, because it ends the waiting. */
export function timeoutOf({ bytes, headerLength }: Body): number | undefined {
  const json = bytes.subarray(0, headerLength === undefined ? bytes.length : Number(headerLength) || 0);
  try {
    const options = parametersOf(json);
    return typeof options?.timeout === 'number' && options.timeout > 0 ? options.timeout : undefined;
  } catch {
    // Not whole or not JSON: whoever reads all of it says so.
    return undefined;
  }
}

const TIMEOUT = Buffer.from('"timeout"');
/** A request's own parameters: first (but for an id) or last in one that is too large to be parsed here. */
const FIRST = /^\s*\{\s*(?:"id"\s*:\s*"[^"\\]*"\s*,\s*)?"parameters"\s*:\s*(\{[^{}]*\})/;
const LAST = /"parameters"\s*:\s*(\{[^{}]*\})\s*\}\s*$/;

/** Also with the numbers that JSON does not have. Throws SyntaxError. */
function anyJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return JSON.parse(quoteSpecial(text));
  }
}

function parametersOf(json: Buffer): { timeout?: unknown } | undefined {
  if (json.length <= TIMEOUT_BYTES)
    return json.includes(TIMEOUT) ? (anyJson(json.toString()) as { parameters?: object }).parameters : undefined;
  const found = FIRST.exec(json.subarray(0, 4_096).toString()) ?? LAST.exec(json.subarray(-4_096).toString());
  return found ? (JSON.parse(found[1]!) as object) : undefined;
}

/** A raw request: the whole body is the one input, its open first dimension known from the size. */
function raw(bytes: Buffer, model: Served): { json: unknown; binary: Buffer } {
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

const NONE = Buffer.alloc(0);

/** The JSON of a body, and the tensors' bytes behind it. */
function separate({ bytes, headerLength }: Body): { head: Buffer; binary: Buffer } {
  if (headerLength === undefined) return { head: bytes, binary: NONE };
  const length = Number(headerLength);
  if (!/^\d{1,10}$/.test(headerLength) || length > bytes.length)
    throw badRequest(`Inference-Header-Content-Length must be a length of at most the body's ${bytes.length} bytes`);
  return { head: bytes.subarray(0, length), binary: bytes.subarray(length) };
}

function readInputs(
  given: NonNullable<InferRequest['inputs']>,
  expected: TensorMetadata[],
  binary: Buffer,
): Record<string, Feed> {
  const feeds: Record<string, Feed> = {};
  let at = 0;
  for (const { name, shape: rawShape, datatype, data, parameters: options } of given) {
    const metadata = expected.find((input) => input.name === name);
    if (!metadata)
      throw badRequest(
        `the model has no input ${name.slice(0, 100)}; it has ${expected.map((input) => input.name).join(', ')}`,
      );
    if (Object.hasOwn(feeds, name)) throw badRequest(`${name} is given twice`);
    if (datatype !== metadata.datatype)
      throw badRequest(`${name}: expected datatype ${metadata.datatype}, not ${String(datatype).slice(0, 40)}`);
    const shape = checkShape(name, rawShape);
    fits(metadata, shape);
    refuseUnoffered(name, options);
    const size = options?.binary_data_size ?? undefined;
    if (size === undefined) {
      feeds[name] = fromJson(name, datatype as Datatype, shape, data);
      continue;
    }
    if ((data ?? null) !== null) throw badRequest(`${name} has both data and binary_data_size`);
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

function write(
  { manifest }: Served,
  id: string | null | undefined,
  chosen: Chosen[],
  results: Record<string, TensorData>,
): Answer {
  const parts: Buffer[] = [];
  const outputs = chosen.map(({ name, binary }) => {
    const tensor = results[name]!;
    const head = `{"name":${JSON.stringify(name)},"datatype":"${tensor.datatype}","shape":[${tensor.shape}]`;
    if (!binary) return `${head},"data":${toJson(tensor)}}`;
    const bytes = toBinary(tensor);
    parts.push(bytes);
    return `${head},"parameters":{"binary_data_size":${bytes.length}}}`;
  });
  const own = typeof id === 'string' ? `"id":${JSON.stringify(id)},` : '';
  const json = `{"model_name":"${manifest.name}","model_version":"${manifest.version}",${own}"outputs":[${outputs.join()}]}`;
  if (parts.length === 0) return { body: json };
  const head = Buffer.from(json);
  return {
    body: Buffer.concat([head, ...parts]),
    headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(head.length) },
  };
}

export function notServed(name: string, version: string | undefined): HttpError {
  return new HttpError(
    404,
    `${named(name, version)} is not served; POST /v2/repository/index says what is, and why not`,
  );
}

export function notYetServed(name: string, version: string | undefined): HttpError {
  return new HttpError(503, `${named(name, version)} is not served yet: the repository is being read`, {
    'retry-after': '1',
  });
}

function named(name: string, version: string | undefined): string {
  return `model ${name}${version === undefined ? '' : ` version ${version}`}`;
}
