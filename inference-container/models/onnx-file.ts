import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/**
 * Reads the structure of an ONNX file without its weights, so that a model of gigabytes costs kilobytes: field by field
 * from the file, stepping over raw data. Fields as in onnx.proto (ModelProto, GraphProto, NodeProto, TensorProto).
 */
export interface OnnxFile {
  opset: number;
  /** The nodes, in the order they run in, and what they are given. */
  graph: Graph;
  /** How long it runs depends on values: it has loops or branches (or functions, which may), or makes tensors of sizes that it is given. */
  openEnded: boolean;
  /** Weights inside the file: their place in it. */
  initializers: { name: string; dims: number[]; rawOffset: number; rawLength: number }[];
  /** Least and greatest id that an int input may hold, where the graph looks its values up in a table. */
  bounds: Map<string, [number, number]>;
  /** Files of weights beside it, by their path from its folder. */
  externals: string[];
  /** Its outputs were sequences or maps in the file, and are tensors in what `stub` gives. */
  unpacked: boolean;
  /** The same model with weights of at least `least` bytes left in `location`, as external data, and outputs as `graph` has them. */
  stub(location: string, least: number): Uint8Array;
}

export interface Graph {
  /** Versions of the operators' sets, by domain; the standard one is blank. */
  opsets: ReadonlyMap<string, number>;
  /** Without weights; a dimension is its size, its name, or null where neither is said. Dims null: not said, or no tensor. */
  inputs: Value[];
  outputs: Value[];
  nodes: GraphNode[];
  weights: ReadonlyMap<string, Weight>;
}

/** An input or output of the model. */
export interface Value {
  name: string;
  kind: 'tensor' | 'sequence' | 'sequence of maps' | 'map' | 'optional' | 'value';
  dims: (number | string | null)[] | null;
  /** What its columns stand for, where the file says so. */
  labels?: (string | number)[];
}

export interface GraphNode {
  name: string;
  operator: string;
  domain: string;
  /** A blank name stands for an optional input or output that is left out. */
  inputs: string[];
  outputs: string[];
  attributes: ReadonlyMap<string, Attribute>;
}

interface Attribute {
  int?: number;
  text?: string;
  texts?: string[];
  ints?: number[];
  tensor?: Weight;
  /** A graph of its own: a loop or a branch. */
  graph?: true;
}

interface Weight {
  dims: number[];
  /** Its elements, where they are few and whole numbers; null otherwise. */
  ints: number[] | null;
}

/** Operators whose output may be larger than all they are given, by the inputs that say how large. */
const SIZED: Record<string, number[]> = {
  ConstantOfShape: [0],
  Expand: [1],
  OneHot: [1],
  Pad: [1],
  Range: [0, 1, 2],
  Resize: [2, 3],
  Tile: [1],
  Upsample: [1],
};
/** What these say of their input depends on its size alone. */
const SIZES = new Set(['Shape', 'Size']);

interface Field {
  number: number;
  wire: number;
  /** Of the payload. */
  offset: number;
  length: number;
  /** Varints only. */
  value: number;
}

/** Throws when the file is not an ONNX model. */
export function readOnnxFile(path: string): OnnxFile {
  const file = new ByteFile(path);
  try {
    return read(file, path);
  } catch (error) {
    if (error instanceof RangeError) throw new Error('model.onnx is not a whole ONNX model');
    throw error;
  } finally {
    file.close();
  }
}

function read(file: ByteFile, path: string): OnnxFile {
  const model = fields(file, 0, file.size);
  const graph = model.find((field) => field.number === 7 && field.wire === 2);
  if (!graph) throw new Error('model.onnx holds no graph');
  const opsets = model
    .filter((field) => field.number === 8 && field.wire === 2)
    .map((field) => fields(file, field.offset, field.length));
  const main = opsets.find((opset) => !opset.some((field) => field.number === 1 && field.length > 0));
  const inside = fields(file, graph.offset, graph.length);
  const initializers = inside
    .filter((field) => field.number === 5)
    .map((field) => ({ field, ...initializer(file, field) }));
  const inputs = new Set(
    inside
      .filter((field) => field.number === 11)
      .map((field) => string(file, fields(file, field.offset, field.length), 1)),
  );

  const named = new Set(initializers.map(({ name }) => name));
  const described = (number: number) => messages(inside, number).map((field) => valueInfo(file, field));
  const nodes = messages(inside, 1).map((field) => ({ field, node: graphNode(file, field) }));
  const outputs = messages(inside, 12).map((field) => ({ field, value: valueInfo(file, field) }));
  const given = described(11).filter(({ name }) => !named.has(name));
  const unpacking = unpack(file, nodes, outputs, given[0]?.dims?.[0] ?? null);
  return {
    opset: main?.find((field) => field.number === 2)?.value ?? 0,
    graph: {
      opsets: new Map(
        opsets.map((opset) => [string(file, opset, 1), opset.find((field) => field.number === 2)?.value ?? 0]),
      ),
      // Older files list their weights among the inputs.
      inputs: given,
      outputs: outputs.flatMap(({ field, value }) => unpacking.get(field)?.values ?? [value]),
      nodes: nodes.flatMap(({ field, node }) => unpacking.get(field)?.nodes ?? [node]),
      weights: new Map(initializers.map((known) => [known.name, weight(file, known)])),
    },
    openEnded: model.some((field) => field.number === 25) || openEnded(file, inside, inputs),
    initializers: initializers.map(({ name, dims, rawOffset, rawLength }) => ({ name, dims, rawOffset, rawLength })),
    bounds: lookupBounds(file, inside, initializers, inputs),
    externals: [...new Set(initializers.flatMap((known) => externalFile(file, known)))],
    unpacked: unpacking.size > 0,
    stub(location, least) {
      const again = new ByteFile(path);
      try {
        const large = new Map(
          initializers.filter(({ rawLength }) => rawLength >= least).map((known) => [known.field.offset, known]),
        );
        const graphBytes = inside.flatMap((field) => {
          const known = field.number === 5 ? large.get(field.offset) : undefined;
          return known ? external(known, again, location) : (unpacking.get(field)?.bytes ?? copy(again, field));
        });
        return Buffer.concat(model.flatMap((field) => (field === graph ? framed(7, graphBytes) : copy(again, field))));
      } finally {
        again.close();
      }
    },
  };
}

function initializer(file: ByteFile, field: Field) {
  const inside = fields(file, field.offset, field.length);
  const raw = inside.find(({ number }) => number === 9);
  const dims = inside
    .filter(({ number }) => number === 1)
    .flatMap((dim) => (dim.wire === 0 ? [dim.value] : packed(file, dim)));
  return { name: string(file, inside, 8), dims, rawOffset: raw?.offset ?? 0, rawLength: raw?.length ?? 0, inside };
}

/** Elements of a tensor that are looked at: shapes, axes, indices. */
const FEW = 64;
const INT32 = 6;
const INT64 = 7;

/** Ints of a tensor from wherever they stand: raw data, or the fields for int32 and int64. */
function weight(
  file: ByteFile,
  { dims, inside, rawOffset, rawLength }: Omit<ReturnType<typeof initializer>, 'name'>,
): Weight {
  const type = inside.find(({ number }) => number === 2)?.value;
  const count = dims.reduce((product, size) => product * size, 1);
  const external = inside.some(({ number, value }) => number === 14 && value === 1);
  if ((type !== INT32 && type !== INT64) || count > FEW || external) return { dims, ints: null };
  const ints: number[] = [];
  if (rawLength > 0) {
    const bytes = file.bytes(rawOffset, rawLength);
    for (let at = 0; at < count; at += 1)
      ints.push(type === INT64 ? Number(bytes.readBigInt64LE(at * 8)) : bytes.readInt32LE(at * 4));
  } else
    for (const field of inside.filter(({ number }) => number === (type === INT64 ? 7 : 5)))
      for (const value of field.wire === 0 ? [field] : varints(file, field)) ints.push(signed(file, value));
  return { dims, ints: ints.length === count ? ints : null };
}

/** A varint as the whole number that it stands for: negative ones are written as beyond 2^63, which a double can't hold. */
function signed(file: ByteFile, { offset, length }: { offset: number; length: number }): number {
  let value = 0n;
  for (const [at, byte] of file.bytes(offset, length).entries()) value |= BigInt(byte & 127) << BigInt(7 * at);
  return Number(BigInt.asIntN(64, value));
}

/** Where the varints of a packed field stand. */
function varints(file: ByteFile, field: Field): { offset: number; length: number }[] {
  const found: { offset: number; length: number }[] = [];
  for (let at = field.offset; at < field.offset + field.length; ) {
    const { next } = file.varint(at);
    found.push({ offset: at, length: next - at });
    at = next;
  }
  return found;
}

function graphNode(file: ByteFile, field: Field): GraphNode {
  const inside = fields(file, field.offset, field.length);
  const texts = (number: number) =>
    inside.filter((known) => known.number === number).map((known) => file.text(known.offset, known.length));
  const attributes = new Map<string, Attribute>();
  for (const given of inside.filter(({ number, wire }) => number === 5 && wire === 2)) {
    const own = fields(file, given.offset, given.length);
    const attribute: Attribute = {};
    const int = own.find(({ number }) => number === 3);
    if (int) attribute.int = signed(file, int);
    const text = own.find(({ number }) => number === 4);
    if (text) attribute.text = file.text(text.offset, text.length);
    const strings = own.filter(({ number }) => number === 9);
    if (strings.length > 0) attribute.texts = strings.map((known) => file.text(known.offset, known.length));
    const ints = own.filter(({ number }) => number === 8);
    if (ints.length > 0)
      attribute.ints = ints.flatMap((known) =>
        known.wire === 0 ? [signed(file, known)] : varints(file, known).map((at) => signed(file, at)),
      );
    const tensor = own.find(({ number }) => number === 5);
    if (tensor) attribute.tensor = weight(file, initializer(file, tensor));
    if (own.some(({ number }) => number === 6 || number === 11)) attribute.graph = true;
    attributes.set(string(file, own, 1), attribute);
  }
  const [inputs, outputs] = [texts(1), texts(2)];
  return {
    name: string(file, inside, 3),
    operator: string(file, inside, 4),
    domain: string(file, inside, 7),
    inputs,
    outputs,
    attributes,
  };
}

function messages(parts: Field[], number: number): Field[] {
  return parts.filter((field) => field.number === number && field.wire === 2);
}

/** The file of a weight's external data, where its path stays in the folder. */
function externalFile(file: ByteFile, { inside }: ReturnType<typeof initializer>): string[] {
  if (!inside.some(({ number, value }) => number === 14 && value === 1)) return [];
  return messages(inside, 13)
    .map((entry) => fields(file, entry.offset, entry.length))
    .filter((entry) => string(file, entry, 1) === 'location')
    .map((entry) => string(file, entry, 2).replace(/^(?:\.\/)+/, ''))
    .filter((path) => path !== '' && !path.startsWith('/') && !path.split('/').includes('..'));
}

/** What takes the place of a node or an output. */
interface Unpacked {
  nodes?: GraphNode[];
  values?: Value[];
  bytes: Buffer[];
}

/**
 * Outputs that are no tensors, as tensors, where that says the same: of ZipMap, which names the columns of a matrix, the matrix and
 * its labels; of SequenceConstruct, which lists tensors, each of them. `rows`: the first dimension of the input, which is said to be
 * theirs too: nobody joins requests without a proof that it is.
 */
function unpack(
  file: ByteFile,
  nodes: { field: Field; node: GraphNode }[],
  outputs: { field: Field; value: Value }[],
  rows: number | string | null,
): Map<Field, Unpacked> {
  const unpacked = new Map<Field, Unpacked>();
  for (const { field, value } of outputs) {
    if (!value.kind.startsWith('sequence')) continue;
    const made = nodes.find(({ node }) => node.outputs.includes(value.name));
    // Another node that takes the sequence would find it gone.
    if (!made || nodes.some(({ node }) => node.inputs.includes(value.name))) continue;
    const { operator, attributes, inputs } = made.node;
    if (operator === 'ZipMap') {
      const labels = attributes.get('classlabels_strings')?.texts ?? attributes.get('classlabels_int64s')?.ints ?? [];
      const type = tensorType(FLOAT, [null, labels.length]);
      unpacked.set(made.field, renamed([[inputs[0] ?? '', value.name]]));
      unpacked.set(field, {
        values: [{ name: value.name, kind: 'tensor', dims: [rows, labels.length], labels }],
        bytes: outputInfo(value.name, type),
      });
    } else if (operator === 'SequenceConstruct') {
      const type = elementType(file, field);
      if (!type) continue;
      const names = inputs.map((_, at) => `${value.name}.${at}`);
      unpacked.set(made.field, renamed(inputs.map((input, at) => [input, names[at]!])));
      unpacked.set(field, {
        values: names.map((name) => ({ name, kind: 'tensor', dims: [rows] })),
        bytes: names.flatMap((name) => outputInfo(name, type)),
      });
    }
  }
  return unpacked;
}

/** Nodes that give values another name. */
function renamed(pairs: [string, string][]): Unpacked {
  const text = (number: number, value: string) => framed(number, [Buffer.from(value)]);
  return {
    nodes: pairs.map(([input, output]) => ({
      name: '',
      operator: 'Identity',
      domain: '',
      inputs: [input],
      outputs: [output],
      attributes: new Map(),
    })),
    bytes: pairs.flatMap(([input, output]) =>
      framed(1, [...text(1, input), ...text(2, output), ...text(4, 'Identity')]),
    ),
  };
}

const FLOAT = 1;

/** ValueInfoProto of an output. */
function outputInfo(name: string, type: Buffer[]): Buffer[] {
  return framed(12, [...framed(1, [Buffer.from(name)]), ...framed(2, type)]);
}

/** TypeProto of a tensor. */
function tensorType(type: number, dims: (number | null)[]): Buffer[] {
  const shape = dims.flatMap((size) => framed(1, size === null ? [] : [tag(1, 0), varint(size)]));
  return framed(1, [tag(1, 0), varint(type), ...framed(2, shape)]);
}

/** TypeProto of the tensors in a sequence; null where it holds none. */
function elementType(file: ByteFile, output: Field): Buffer[] | null {
  const within = (parts: Field[], number: number) =>
    messages(parts, number).flatMap((found) => fields(file, found.offset, found.length));
  const sequence = within(within(fields(file, output.offset, output.length), 2), 4);
  const [element] = messages(sequence, 1);
  const tensor = element && messages(fields(file, element.offset, element.length), 1)[0];
  return tensor ? copy(file, tensor) : null;
}

/** Fields of TypeProto. */
const MAP = 5;
const KINDS: Record<number, Value['kind']> = { 1: 'tensor', 4: 'sequence', [MAP]: 'map', 9: 'optional' };

/** ValueInfoProto → TypeProto → Tensor → TensorShapeProto. */
function valueInfo(file: ByteFile, field: Field): Value {
  const inside = fields(file, field.offset, field.length);
  const within = (parts: Field[] | undefined, number: number) => {
    const found = parts?.find((known) => known.number === number && known.wire === 2);
    return found && fields(file, found.offset, found.length);
  };
  const type = within(inside, 2);
  const shape = within(within(type, 1), 2);
  const dims = shape
    ?.filter(({ number }) => number === 1)
    .map((dim) => {
      const own = fields(file, dim.offset, dim.length);
      const size = own.find(({ number, wire }) => number === 1 && wire === 0);
      return size ? size.value : string(file, own, 2) || null;
    });
  const [kind] = (type ?? []).flatMap(({ number }) => KINDS[number] ?? []);
  const maps = kind === 'sequence' && within(within(type, 4), 1)?.some(({ number }) => number === MAP);
  return { name: string(file, inside, 1), kind: maps ? 'sequence of maps' : (kind ?? 'value'), dims: dims ?? null };
}

/** Follows values from the inputs through the graph, whose nodes stand in the order they run in. */
function openEnded(file: ByteFile, graph: Field[], inputs: Set<string>): boolean {
  const values = new Set(inputs);
  for (const node of graph.filter(({ number }) => number === 1)) {
    const inside = fields(file, node.offset, node.length);
    const names = (number: number) =>
      inside.filter((field) => field.number === number).map((field) => file.text(field.offset, field.length));
    const attributes = inside.filter(({ number }) => number === 5);
    // A graph within the graph: a loop or a branch, whoever names the operator (If, Loop, Scan, BeamSearch, …).
    if (
      attributes.some(({ offset, length }) =>
        fields(file, offset, length).some(({ number }) => number === 6 || number === 11),
      )
    )
      return true;
    const operator = string(file, inside, 4);
    const given = names(1);
    if ((SIZED[operator] ?? []).some((place) => values.has(given[place] ?? ''))) return true;
    if (!SIZES.has(operator) && given.some((name) => values.has(name))) for (const name of names(2)) values.add(name);
  }
  return false;
}

/** Gather(table, input, axis): an id below −size or from size on fails the whole batch; a negative one counts from the end. */
function lookupBounds(
  file: ByteFile,
  graph: Field[],
  initializers: { name: string; dims: number[] }[],
  inputs: Set<string>,
) {
  const tables = new Map(initializers.map(({ name, dims }) => [name, dims]));
  const bounds = new Map<string, [number, number]>();
  for (const node of graph.filter(({ number }) => number === 1)) {
    const inside = fields(file, node.offset, node.length);
    if (string(file, inside, 4) !== 'Gather') continue;
    const [table = '', ids = ''] = inside
      .filter(({ number }) => number === 1)
      .map((field) => file.text(field.offset, field.length));
    const dims = tables.get(table);
    if (!dims || !inputs.has(ids)) continue;
    const axis = inside
      .filter(({ number }) => number === 5)
      .map((attribute) => fields(file, attribute.offset, attribute.length))
      .find((attribute) => string(file, attribute, 1) === 'axis');
    const place = axis?.find(({ number }) => number === 3)?.value ?? 0;
    // A negative axis is written as a number beyond 2^63, which a double does not hold exactly: no bounds for it.
    if (place >= dims.length) continue;
    const size = dims[place]!;
    const known = bounds.get(ids);
    bounds.set(ids, [0, Math.min(size - 1, known?.[1] ?? Number.POSITIVE_INFINITY)]);
  }
  return bounds;
}

/** A tensor as external data: everything but its raw data, and where that is. */
function external(
  { inside, rawOffset, rawLength }: ReturnType<typeof initializer>,
  file: ByteFile,
  location: string,
): Buffer[] {
  const kept = inside.filter(({ number }) => ![9, 13, 14].includes(number)).flatMap((field) => copy(file, field));
  const entry = (key: string, value: string) =>
    framed(13, [...framed(1, [Buffer.from(key)]), ...framed(2, [Buffer.from(value)])]);
  const where = [
    ...entry('location', location),
    ...entry('offset', String(rawOffset)),
    ...entry('length', String(rawLength)),
  ];
  return framed(5, [...kept, ...where, tag(14, 0), varint(1)]);
}

function copy(file: ByteFile, field: Field): Buffer[] {
  if (field.wire === 0) return [tag(field.number, 0), file.bytes(field.offset, field.length)];
  const payload = file.bytes(field.offset, field.length);
  return field.wire === 2 ? framed(field.number, [payload]) : [tag(field.number, field.wire), payload];
}

function framed(number: number, parts: Buffer[]): Buffer[] {
  return [tag(number, 2), varint(parts.reduce((sum, part) => sum + part.length, 0)), ...parts];
}

function tag(number: number, wire: number): Buffer {
  return varint(number * 8 + wire);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}

function fields(file: ByteFile, offset: number, length: number): Field[] {
  const found: Field[] = [];
  const end = offset + length;
  let at = offset;
  while (at < end) {
    const head = file.varint(at);
    const number = Math.floor(head.value / 8);
    const wire = head.value % 8;
    let field: Field;
    if (wire === 0) {
      const { value, next } = file.varint(head.next);
      field = { number, wire, offset: head.next, length: next - head.next, value };
    } else if (wire === 1 || wire === 5)
      field = { number, wire, offset: head.next, length: wire === 1 ? 8 : 4, value: 0 };
    else if (wire === 2) {
      const size = file.varint(head.next);
      field = { number, wire, offset: size.next, length: size.value, value: 0 };
    } else throw new RangeError('unknown wire type');
    at = field.offset + field.length;
    if (number === 0 || at > end) throw new RangeError('a field leaves its message');
    found.push(field);
  }
  return found;
}

function packed(file: ByteFile, field: Field): number[] {
  const values: number[] = [];
  for (let at = field.offset; at < field.offset + field.length; ) {
    const { value, next } = file.varint(at);
    values.push(value);
    at = next;
  }
  return values;
}

function string(file: ByteFile, inside: Field[], number: number): string {
  const field = inside.find((known) => known.number === number);
  return field ? file.text(field.offset, field.length) : '';
}

/** A file read through one small window. */
class ByteFile {
  readonly size: number;
  readonly #descriptor: number;
  readonly #window = Buffer.alloc(64 * 1024);
  #start = 0;
  #filled = 0;

  constructor(path: string) {
    this.#descriptor = openSync(path, 'r');
    this.size = fstatSync(this.#descriptor).size;
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  bytes(offset: number, length: number): Buffer {
    if (offset + length > this.size) throw new RangeError('the file ends before');
    const buffer = Buffer.allocUnsafe(length);
    for (let got = 0; got < length; ) {
      const count = readSync(this.#descriptor, buffer, got, length - got, offset + got);
      if (count === 0) throw new RangeError('the file ends before');
      got += count;
    }
    return buffer;
  }

  text(offset: number, length: number): string {
    return this.bytes(offset, Math.min(length, 64 * 1024)).toString('utf8');
  }

  varint(offset: number): { value: number; next: number } {
    let value = 0;
    let scale = 1;
    for (let at = offset; at < offset + 10; at += 1) {
      const byte = this.#byte(at);
      value += (byte & 127) * scale;
      scale *= 128;
      if (byte < 128) return { value, next: at + 1 };
    }
    throw new RangeError('a number of more than 10 bytes');
  }

  #byte(at: number): number {
    if (at < this.#start || at >= this.#start + this.#filled) {
      this.#start = at;
      this.#filled = readSync(this.#descriptor, this.#window, 0, this.#window.length, at);
      if (this.#filled === 0) throw new RangeError('the file ends before');
    }
    return this.#window[at - this.#start]!;
  }
}
