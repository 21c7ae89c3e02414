import type { Graph, GraphNode } from './onnx-file.ts';

/**
 * Whether a model's rows are answered each by itself, proved from its graph: the rows are an axis of every input, and each
 * operator says how it carries that axis on, or that it mixes along it. What has no rule here, or can't be followed, is not
 * proved: such a model's requests are run one by one.
 */
export type Proof = { proven: true } | { proven: false; why: string };

/** A size along an axis: a number, or null where it is open. */
type Size = number | null;

/** A value on its way through the graph. */
interface Value {
  dims: Size[];
  /** Where the rows are; null: the same whatever the rows. */
  axis: number | null;
  /**
   * Of a short list of whole numbers (a shape, axes, indices) what is known: a number, `rows` for how many rows there are, null for
   * what depends on other sizes.
   */
  ints: (number | 'rows' | null)[] | null;
}

class Mixes extends Error {}

/** Dimensions of a value whose rows nobody knows: they can't be followed. */
const UNKNOWN: Value = { dims: [], axis: null, ints: null };

export function provesRows(graph: Graph): Proof {
  const values = new Map<string, Value>([['', UNKNOWN]]);
  for (const [name, { dims, ints }] of graph.weights) values.set(name, { dims, axis: null, ints });
  const rows = graph.inputs[0]?.dims?.[0];
  if (typeof rows !== 'string')
    return { proven: false, why: 'its first input has no open first dimension with a name' };
  for (const { name, dims } of [...graph.inputs, ...graph.outputs])
    if (dims?.[0] !== rows) return { proven: false, why: `${name} has not the first dimension ${rows}` };
  for (const { name, dims } of graph.inputs) {
    // The same name elsewhere: as many columns as rows, which joined requests would not have.
    if (dims!.lastIndexOf(rows) > 0) return { proven: false, why: `${name} has the dimension ${rows} twice` };
    values.set(name, { dims: dims!.map((size) => (typeof size === 'number' ? size : null)), axis: 0, ints: null });
  }
  let at: GraphNode | undefined;
  try {
    for (const node of graph.nodes) {
      at = node;
      const given = node.inputs.map((name) => values.get(name) ?? fail('an input of it is made nowhere before'));
      const made = apply(node, given, graph);
      for (const [index, name] of node.outputs.entries())
        if (name) values.set(name, made[index] ?? fail('it has more outputs than its rule'));
    }
  } catch (error) {
    if (!(error instanceof Mixes)) throw error;
    return { proven: false, why: `${at!.operator}${at!.name ? ` at node "${at!.name}"` : ''} ${error.message}` };
  }
  for (const { name } of graph.outputs)
    if (values.get(name)?.axis !== 0)
      return { proven: false, why: `output ${name} has not the rows along its first axis` };
  return { proven: true };
}

function fail(why: string): never {
  throw new Mixes(why);
}

const MIXES = 'mixes rows';

type Rule = (given: Value[], node: GraphNode, opset: number) => Value[];

function apply(node: GraphNode, given: Value[], { opsets }: Graph): Value[] {
  const domain = node.domain === 'ai.onnx' ? '' : node.domain;
  for (const { graph } of node.attributes.values()) if (graph) fail('has a graph of its own, which is not followed');
  const table: Record<string, Rule> = domain === '' ? standard : domain === 'ai.onnx.ml' ? classic : {};
  const rule = Object.hasOwn(table, node.operator) ? table[node.operator] : undefined;
  if (!rule) fail(`has no rule${domain ? ` (${domain})` : ''}`);
  return rule!(given, node, opsets.get(domain) ?? 0);
}

// --- What rules are made of ---

const int = (node: GraphNode, name: string, otherwise: number): number => node.attributes.get(name)?.int ?? otherwise;
const list = (node: GraphNode, name: string): number[] | undefined => node.attributes.get(name)?.ints;

/** An axis as it is counted from the front. */
function axisOf(axis: number, rank: number): number {
  const place = axis < 0 ? axis + rank : axis;
  return place >= 0 && place < rank ? place : fail('has an axis that is not there');
}

/** The whole numbers of an input, all of them known. */
function known(value: Value | undefined, what: string): number[] {
  return value?.ints?.every((one): one is number => typeof one === 'number')
    ? value.ints
    : fail(`takes its ${what} from what is not constant`);
}

/** Axes by attribute (older operators) or by input; undefined: none were given. */
function axes(node: GraphNode, input: Value | undefined, name = 'axes'): number[] | undefined {
  return list(node, name) ?? (input && input !== UNKNOWN ? known(input, name) : undefined);
}

/** Refuses what depends on how many rows there are, where it is used as a number and not as a size. */
function notCounted(values: Value[]): void {
  if (values.some(({ ints }) => ints?.includes('rows'))) fail('reckons with how many rows there are');
}

const fixed = (value: Value | undefined): void => {
  if (value && (value.axis !== null || value.ints?.includes('rows')))
    fail('takes for its parameters what depends on the rows');
};

const same = (value: Value): Value => ({ ...value, ints: null });

/** One result for each element, with everything else stretched to it (broadcasting, from the last axis on). */
function broadcast(given: Value[]): Value {
  notCounted(given);
  const rank = Math.max(...given.map(({ dims }) => dims.length));
  let axis: number | null = null;
  for (const value of given) {
    if (value.axis === null) continue;
    const place = value.axis + rank - value.dims.length;
    if (axis !== null && axis !== place) fail(`meets rows along one axis with rows along another`);
    axis = place;
  }
  if (axis !== null)
    for (const { dims, axis: own } of given) {
      const size = dims[axis - (rank - dims.length)];
      // Something for each of a number of rows, or a row that is stretched over all.
      if (own === null && size !== undefined && size !== 1) fail('adds to the rows what is not one for all');
    }
  const dims = Array.from({ length: rank }, (_, place): Size => {
    const sizes = given.map(
      ({ dims: own }) => own[place - (rank - own.length)] ?? (place < rank - own.length ? 1 : null),
    );
    if (place === axis) return null;
    const large = sizes.find((size) => size !== 1);
    return large === undefined
      ? 1
      : sizes.some((size) => size === null)
        ? (sizes.find((size) => size !== null && size !== 1) ?? null)
        : large;
  });
  return { dims, axis, ints: null };
}

/** An elementwise operator over as many inputs as it has; `since`: the version from which on they are broadcast as NumPy does. */
const elementwise =
  (since: number): Rule =>
  (given, _node, opset) => {
    if (opset < since) alike(given);
    return [broadcast(given)];
  };

/** Before they were broadcast as NumPy does, inputs had one shape, or an attribute said how one of them is spread. */
function alike(given: Value[]): void {
  const [first] = given;
  if (given.some(({ axis, dims }) => axis !== first?.axis || dims.length !== first?.dims.length))
    fail('spreads its inputs as early versions did');
}

/** One input, and parameters that are the same for all rows. */
const unary: Rule = ([x, ...parameters]) => {
  notCounted([x!]);
  for (const parameter of parameters) fixed(parameter);
  return [same(x!)];
};

/** Along the axes it forgets where an element was: these may be any but the rows'. */
function across(x: Value, places: readonly number[]): void {
  if (x.axis !== null && places.includes(x.axis)) fail(MIXES);
}

function without(x: Value, places: readonly number[]): Value {
  const dims = x.dims.filter((_, place) => !places.includes(place));
  const axis = x.axis === null ? null : x.axis - places.filter((place) => place < x.axis!).length;
  return { dims, axis, ints: null };
}

const reduce: Rule = ([x, given], node) => {
  notCounted([x!]);
  fixed(given);
  const chosen = axes(node, given);
  const all = x!.dims.map((_, place) => place);
  const places =
    chosen && chosen.length > 0
      ? chosen.map((axis) => axisOf(axis, x!.dims.length))
      : int(node, 'noop_with_empty_axes', 0) === 1
        ? []
        : all;
  across(x!, places);
  if (int(node, 'keepdims', 1) === 0) return [without(x!, places)];
  return [{ dims: x!.dims.map((size, place) => (places.includes(place) ? 1 : size)), axis: x!.axis, ints: null }];
};

/** The likeliest place along an axis. */
const argument: Rule = ([x], node) => {
  notCounted([x!]);
  const place = axisOf(int(node, 'axis', 0), x!.dims.length);
  across(x!, [place]);
  if (int(node, 'keepdims', 1) === 0) return [without(x!, [place])];
  return [{ dims: x!.dims.map((size, at) => (at === place ? 1 : size)), axis: x!.axis, ints: null }];
};

/** Sums to one along an axis; before version 13, along all from an axis on. */
const softmax: Rule = ([x], node, opset) => {
  notCounted([x!]);
  const rank = x!.dims.length;
  const first = axisOf(int(node, 'axis', opset < 13 ? 1 : -1), rank);
  across(x!, opset < 13 ? x!.dims.map((_, place) => place).filter((place) => place >= first) : [first]);
  return [same(x!)];
};

/** Rows along the first axis of [rows, channels, …], with weights. */
const convolution: Rule = ([x, ...weights], node) => {
  notCounted([x!]);
  for (const weight of weights) fixed(weight);
  if (x!.axis !== null && x!.axis !== 0) fail(MIXES);
  const channels = node.operator === 'ConvTranspose' ? null : (weights[0]?.dims[0] ?? null);
  return [
    {
      dims: x!.dims.map((_, place) => (place === 1 && node.operator !== 'ConvTranspose' ? channels : null)),
      axis: x!.axis,
      ints: null,
    },
  ];
};

/** [rows, channels, …], each channel's map by itself. */
const pooling: Rule = ([x], node) => {
  notCounted([x!]);
  // They count through all rows.
  if (node.outputs[1]) fail('gives places in all rows together');
  if (x!.axis !== null && x!.axis > 1) fail(MIXES);
  const shape: Value = {
    dims: x!.dims.map((size, place) => (place < 2 ? size : /^Global/.test(node.operator) ? 1 : null)),
    axis: x!.axis,
    ints: null,
  };
  return [shape];
};

/** [rows, channels, …] normalised with what was learned, or with each row's own. */
const byChannel: Rule = ([x, ...parameters], node) => {
  notCounted([x!]);
  for (const parameter of parameters) fixed(parameter);
  if (x!.axis !== null && x!.axis !== 0) fail(MIXES);
  // In training it would take the batch's own mean.
  if (int(node, 'training_mode', 0) !== 0) fail(MIXES);
  return [same(x!)];
};

function product(a: Value, b: Value): Value {
  notCounted([a, b]);
  if (a.dims.length === 0 || b.dims.length === 0) fail('multiplies what has no axes');
  const [rankA, rankB] = [a.dims.length, b.dims.length];
  const rank = Math.max(rankA, rankB);
  // The axis that is summed over.
  if (a.axis === rankA - 1 || (b.axis !== null && b.axis === Math.max(0, rankB - 2))) fail(MIXES);
  if (rankA === 1 || rankB === 1) {
    if (rankA === 1 && rankB === 1) return { dims: [], axis: null, ints: null };
    const [matrix, drop] = rankA === 1 ? [b, rankB - 2] : [a, rankA - 1];
    return without(matrix, [drop]);
  }
  const dims = Array.from({ length: rank }, (): Size => null);
  dims[rank - 2] = a.dims[rankA - 2]!;
  dims[rank - 1] = b.dims[rankB - 1]!;
  const places = [a, b].flatMap(({ axis, dims: own }) => (axis === null ? [] : [axis + rank - own.length]));
  if (places.length === 2) {
    // Rows of both along one axis that is not multiplied: each row of the one meets its own of the other.
    if (places[0] !== places[1] || places[0]! >= rank - 2) fail(MIXES);
  }
  const [axis = null] = places;
  if (axis !== null && axis < rank - 2)
    for (const { dims: own, axis: of } of [a, b]) {
      const size = own[axis - (rank - own.length)];
      if (of === null && size !== undefined && size !== 1) fail('multiplies the rows with what is not one for all');
    }
  if (axis !== null) dims[axis] = null;
  return { dims, axis, ints: null };
}

function gemm(given: Value[], node: GraphNode): Value[] {
  const turned = (value: Value, name: string): Value => {
    if (value.dims.length !== 2) fail('multiplies what is no matrix');
    if (int(node, name, 0) === 0) return value;
    return { dims: value.dims.toReversed(), axis: value.axis === null ? null : 1 - value.axis, ints: null };
  };
  const [a, b, c] = given as [Value, Value, Value?];
  const multiplied = product(turned(a, 'transA'), turned(b, 'transB'));
  return [c && c !== UNKNOWN ? broadcast([multiplied, c]) : multiplied];
}

/** Rows of a table by ids, or ids that are the same for all rows. */
const gather: Rule = ([data, ids], node) => {
  const axis = axisOf(int(node, 'axis', 0), data!.dims.length);
  if (data!.ints && data!.axis === null && ids!.axis === null) return [taken(data!, ids!)];
  notCounted([data!, ids!]);
  const dims = [...data!.dims.slice(0, axis), ...ids!.dims, ...data!.dims.slice(axis + 1)];
  if (data!.axis !== null && ids!.axis !== null) fail('looks up rows in rows');
  if (ids!.axis !== null) return [{ dims, axis: axis + ids!.axis, ints: null }];
  if (data!.axis === axis) fail(MIXES);
  if (data!.axis === null) return [{ dims, axis: null, ints: null }];
  return [{ dims, axis: data!.axis < axis ? data!.axis : data!.axis - 1 + ids!.dims.length, ints: null }];
};

/** Some of a shape's numbers. */
function taken({ ints }: Value, ids: Value): Value {
  if (ids.ints?.includes('rows') || (ids.ints === null && ints!.includes('rows')))
    fail('reckons with how many rows there are');
  const picked = ids.ints?.map((id) => (typeof id === 'number' ? (ints!.at(id) ?? null) : null)) ?? null;
  return { dims: ids.dims, axis: null, ints: picked };
}

const gatherElements: Rule = ([data, ids], node) => {
  notCounted([data!, ids!]);
  const axis = axisOf(int(node, 'axis', 0), data!.dims.length);
  across(data!, [axis]);
  if (data!.axis !== ids!.axis) fail('takes of each row what another says');
  return [same(ids!)];
};

const shapeOf: Rule = ([x], node) => {
  const rank = x!.dims.length;
  const [from, to] = [int(node, 'start', 0), int(node, 'end', rank)];
  const sizes = x!.dims.map((size, place) => (place === x!.axis ? ('rows' as const) : size));
  const ints = sizes.slice(from < 0 ? from + rank : from, to < 0 ? to + rank : to);
  return [{ dims: [ints.length], axis: null, ints }];
};

/** Where the rows go in another shape of the same elements: only what stands before and behind them may change. */
const reshape: Rule = ([x, shape], node) => {
  notCounted([x!]);
  const wanted = list(node, 'shape') ?? shape?.ints ?? fail('takes its shape from what can not be followed');
  if (int(node, 'allowzero', 0) === 0)
    for (const [place, size] of wanted.entries())
      if (size === 0 && place >= x!.dims.length) fail('keeps an axis that is not there');
  const sizes = wanted.map((size, place) =>
    size === 0 ? (place === x!.axis ? ('rows' as const) : x!.dims[place]!) : size,
  );
  if (x!.axis === null) {
    if (sizes.includes('rows')) fail('reckons with how many rows there are');
    return [{ dims: sizes.map((size) => (size === 'rows' || size === -1 ? null : size)), axis: null, ints: null }];
  }
  const size = (parts: (number | 'rows' | null)[]) =>
    parts.reduce<number | null>(
      (product, one) => (product === null || typeof one !== 'number' || one < 0 ? null : product * one),
      1,
    );
  const before = size(x!.dims.slice(0, x!.axis));
  const behind = size(x!.dims.slice(x!.axis + 1));
  // The rows by name, or as what is left where everything behind them is as large as before.
  let axis = sizes.indexOf('rows');
  if (axis !== sizes.lastIndexOf('rows')) fail('has the rows along two axes');
  if (axis === -1) {
    axis = sizes.indexOf(-1);
    if (axis === -1) fail(MIXES);
    const rest = size(sizes.slice(axis + 1));
    if (rest === null || rest !== behind) fail('may put elements of one row into another');
  }
  const front = sizes.slice(0, axis);
  const kept =
    front.length === x!.axis &&
    front.every((one, place) => one !== -1 && (one === x!.dims[place] || wanted[place] === 0));
  if (!kept && (before === null || size(front) !== before)) fail('may put elements of one row into another');
  return [
    {
      dims: sizes.map((one, place) => (place === axis || one === -1 || one === 'rows' ? null : one)),
      axis,
      ints: null,
    },
  ];
};

const flatten: Rule = ([x], node) => {
  notCounted([x!]);
  const axis = int(node, 'axis', 1);
  const place = axis < 0 ? axis + x!.dims.length : axis;
  if (x!.axis !== null && !(x!.axis === 0 && place === 1)) fail('may put elements of one row into another');
  const sizes = x!.dims.slice(place);
  const columns = sizes.reduce<Size>((product, size) => (product === null || size === null ? null : product * size), 1);
  return [{ dims: [null, columns], axis: x!.axis, ints: null }];
};

const transpose: Rule = ([x], node) => {
  notCounted([x!]);
  const order = list(node, 'perm') ?? x!.dims.map((_, place) => x!.dims.length - 1 - place);
  return [
    {
      dims: order.map((place) => x!.dims[place] ?? null),
      axis: x!.axis === null ? null : order.indexOf(x!.axis),
      ints: null,
    },
  ];
};

const squeeze: Rule = ([x, given], node) => {
  fixed(given);
  const chosen = axes(node, given);
  const rank = x!.dims.length;
  const places =
    chosen?.map((axis) => axisOf(axis, rank)) ??
    x!.dims.flatMap((size, place) =>
      place === x!.axis || size === null ? fail('drops axes by their size') : size === 1 ? [place] : [],
    );
  if (x!.axis !== null && places.includes(x!.axis)) fail('drops the axis of the rows');
  return [{ ...without(x!, places), ints: x!.ints }];
};

const unsqueeze: Rule = ([x, given], node) => {
  fixed(given);
  const chosen = axes(node, given) ?? fail('says no axes');
  const rank = x!.dims.length + chosen.length;
  const places = chosen.map((axis) => axisOf(axis, rank));
  const dims: Size[] = [];
  let axis = x!.axis;
  for (let place = 0, own = 0; place < rank; place += 1) {
    if (places.includes(place)) dims.push(1);
    else {
      if (own === x!.axis) axis = place;
      dims.push(x!.dims[own++]!);
    }
  }
  return [{ dims, axis, ints: x!.ints }];
};

const concat: Rule = (given, node) => {
  const [first] = given as [Value];
  const place = axisOf(int(node, 'axis', 0), first.dims.length);
  if (given.every(({ ints, axis }) => ints !== null && axis === null)) {
    const ints = given.flatMap((one) => one.ints!);
    return [{ dims: [ints.length], axis: null, ints }];
  }
  notCounted(given);
  const axis = given.find((one) => one.axis !== null)?.axis ?? null;
  if (axis === place) fail('puts rows behind each other');
  if (given.some((one) => one.axis !== axis)) fail('puts beside the rows what is none');
  const sizes = given.map(({ dims }) => dims[place]!);
  const joined = sizes.reduce<Size>((sum, size) => (sum === null || size === null ? null : sum + size), 0);
  return [{ dims: first.dims.map((size, at) => (at === place ? joined : size)), axis, ints: null }];
};

const split: Rule = ([x, sizes], node) => {
  notCounted([x!]);
  fixed(sizes);
  const place = axisOf(int(node, 'axis', 0), x!.dims.length);
  across(x!, [place]);
  return node.outputs.map(() => ({
    dims: x!.dims.map((size, at) => (at === place ? null : size)),
    axis: x!.axis,
    ints: null,
  }));
};

const slice: Rule = ([x, starts, ends, given, steps], node) => {
  for (const parameter of [starts, ends, given, steps]) fixed(parameter);
  const rank = x!.dims.length;
  const chosen = axes(node, given);
  const count = (list(node, 'starts') ?? starts?.ints ?? fail('takes its starts from what can not be followed')).length;
  const places = (chosen ?? Array.from({ length: count }, (_, place) => place)).map((axis) => axisOf(axis, rank));
  across(x!, places);
  if (x!.ints && rank === 1) {
    const [from] = list(node, 'starts') ?? known(starts, 'starts');
    const [to] = list(node, 'ends') ?? known(ends, 'ends');
    const [step = 1] = steps && steps !== UNKNOWN ? known(steps, 'steps') : [];
    if (step !== 1) {
      notCounted([x!]);
      return [{ dims: [null], axis: null, ints: null }];
    }
    const ints = x!.ints.slice(from, to);
    return [{ dims: [ints.length], axis: null, ints }];
  }
  notCounted([x!]);
  return [{ dims: x!.dims.map((size, place) => (places.includes(place) ? null : size)), axis: x!.axis, ints: null }];
};

/** The same number everywhere, in a shape that may have the rows. */
const filled: Rule = ([shape]) => {
  const sizes = shape?.ints ?? fail('takes its shape from what can not be followed');
  const axis = sizes.indexOf('rows');
  if (axis !== sizes.lastIndexOf('rows')) fail('has the rows along two axes');
  return [
    {
      dims: sizes.map((size) => (typeof size === 'number' ? size : null)),
      axis: axis === -1 ? null : axis,
      ints: null,
    },
  ];
};

const expand: Rule = ([x, shape]) => {
  const [target] = filled([shape!], undefined as never, 0) as [Value];
  return [broadcast([x!, target])];
};

const topK: Rule = ([x, k], node) => {
  notCounted([x!]);
  fixed(k);
  const place = axisOf(int(node, 'axis', -1), x!.dims.length);
  across(x!, [place]);
  const shape: Value = { dims: x!.dims.map((size, at) => (at === place ? null : size)), axis: x!.axis, ints: null };
  return [shape, shape];
};

/** Element after element along an axis. */
const running: Rule = ([x, given]) => {
  notCounted([x!]);
  across(
    x!,
    known(given, 'axis').map((axis) => axisOf(axis, x!.dims.length)),
  );
  return [same(x!)];
};

/** [steps, rows, features], or with layout 1 [rows, steps, features]. */
const recurrent: Rule = ([x, w, r, b, lengths, ...states], node) => {
  notCounted([x!]);
  for (const parameter of [w, r, b]) fixed(parameter);
  const layout = int(node, 'layout', 0);
  if (x!.dims.length !== 3 || (x!.axis !== null && x!.axis !== 1 - layout)) fail(MIXES);
  // Of the states, [directions, rows, size] or [rows, directions, size]; peepholes are weights.
  for (const state of states)
    if (state !== UNKNOWN && state.axis !== null && state.axis !== 1 - layout) fail(MIXES);
    else if (state !== UNKNOWN && state.axis === null && state.dims.length === 3 && state.dims[1 - layout] !== 1)
      fail('begins each row with what is not one for all');
  if (lengths && lengths !== UNKNOWN && lengths.axis === null) fail('takes lengths that are not one for each row');
  const own = x!.axis === null ? null : 1;
  const all: Value = { dims: [null, null, null, null], axis: own === null ? null : layout === 0 ? 2 : 0, ints: null };
  const last: Value = { dims: [null, null, null], axis: own === null ? null : 1 - layout, ints: null };
  return [all, last, last];
};

const constant: Rule = (_given, node) => {
  const tensor = node.attributes.get('value')?.tensor;
  const single = node.attributes.get('value_int')?.int;
  const many = list(node, 'value_ints');
  if (tensor) return [{ dims: tensor.dims, axis: null, ints: tensor.ints }];
  if (single !== undefined) return [{ dims: [], axis: null, ints: [single] }];
  if (many) return [{ dims: [many.length], axis: null, ints: many }];
  if (node.attributes.has('value_float') || node.attributes.has('value_string'))
    return [{ dims: [], axis: null, ints: null }];
  return fail('holds what is not followed');
};

const cast: Rule = ([x]) => [x!];

const pad: Rule = ([x, pads, value, given], node) => {
  for (const parameter of [pads, value, given]) fixed(parameter);
  notCounted([x!]);
  const sizes = list(node, 'pads') ?? known(pads, 'pads');
  const chosen =
    given && given !== UNKNOWN
      ? known(given, 'axes').map((axis) => axisOf(axis, x!.dims.length))
      : x!.dims.map((_, place) => place);
  for (const [index, place] of chosen.entries())
    if (place === x!.axis && (sizes[index] !== 0 || sizes[index + chosen.length] !== 0)) fail(MIXES);
  return [{ dims: x!.dims.map((size, place) => (chosen.includes(place) ? null : size)), axis: x!.axis, ints: null }];
};

const tile: Rule = ([x, repeats]) => {
  notCounted([x!]);
  const times = known(repeats, 'repeats');
  if (x!.axis !== null && times[x!.axis] !== 1) fail(MIXES);
  return [
    { dims: x!.dims.map((size, place) => (size === null ? null : size * times[place]!)), axis: x!.axis, ints: null },
  ];
};

const oneHot: Rule = ([ids, depth, values], node) => {
  notCounted([ids!]);
  fixed(depth);
  fixed(values);
  const rank = ids!.dims.length + 1;
  const place = axisOf(int(node, 'axis', -1), rank);
  return [
    {
      dims: ids!.dims.toSpliced(place, 0, null),
      axis: ids!.axis === null ? null : ids!.axis >= place ? ids!.axis + 1 : ids!.axis,
      ints: null,
    },
  ];
};

/** Normalised over all axes from one on. */
const layerNormalization: Rule = ([x, ...parameters], node) => {
  notCounted([x!]);
  for (const parameter of parameters) fixed(parameter);
  const first = axisOf(int(node, 'axis', -1), x!.dims.length);
  if (x!.axis !== null && x!.axis >= first) fail(MIXES);
  const reduced: Value = { dims: x!.dims.map((size, place) => (place >= first ? 1 : size)), axis: x!.axis, ints: null };
  return [same(x!), reduced, reduced];
};

const alongAxis =
  (otherwise: number): Rule =>
  ([x], node) => {
    notCounted([x!]);
    across(x!, [axisOf(int(node, 'axis', otherwise), x!.dims.length)]);
    return [same(x!)];
  };

const range: Rule = (given) => {
  notCounted(given);
  for (const value of given) fixed(value);
  return [{ dims: [null], axis: null, ints: null }];
};

/** Each scale is the same for all rows. */
const quantized: Rule = ([x, ...parameters], node) => {
  notCounted([x!]);
  for (const parameter of parameters) fixed(parameter);
  const scale = parameters[0]?.dims ?? [];
  if (x!.axis !== null && (scale.length > 1 || int(node, 'block_size', 0) !== 0)) fail('scales by blocks');
  if (
    x!.axis !== null &&
    scale.length === 1 &&
    scale[0] !== 1 &&
    axisOf(int(node, 'axis', 1), x!.dims.length) === x!.axis
  )
    fail(MIXES);
  return [same(x!)];
};

/** Arithmetic on shapes stays a shape where it is followed: sizes that are known, divided or multiplied. */
const arithmetic =
  (reckon: (a: number, b: number) => number): Rule =>
  (given, _node, opset) => {
    const [a, b] = given as [Value, Value];
    if (
      a.ints &&
      b.ints &&
      a.axis === null &&
      b.axis === null &&
      (a.ints.length === b.ints.length || b.ints.length === 1 || a.ints.length === 1)
    ) {
      const length = Math.max(a.ints.length, b.ints.length);
      const ints = Array.from({ length }, (_, at) => {
        const [one, other] = [a.ints![a.ints!.length === 1 ? 0 : at]!, b.ints![b.ints!.length === 1 ? 0 : at]!];
        if (one === 'rows' || other === 'rows') return fail('reckons with how many rows there are');
        return one === null || other === null ? null : reckon(one, other);
      });
      return [{ dims: a.dims.length >= b.dims.length ? a.dims : b.dims, axis: null, ints }];
    }
    if (opset < 7) alike(given);
    return [broadcast(given)];
  };

const rules = (names: string, rule: Rule): Record<string, Rule> =>
  Object.fromEntries(
    names
      .trim()
      .split(/\s+/)
      .map((name) => [name, rule]),
  );

/** Operators of the standard set (onnx/docs/Operators.md). */
const standard: Record<string, Rule> = {
  ...rules(
    `Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Ceil Celu Cos Cosh Elu Erf Exp Floor Gelu HardSigmoid HardSwish IsInf IsNaN
     LeakyRelu Log Mish Neg Not Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Swish
     Tan Tanh ThresholdedRelu RegexFullMatch`,
    unary,
  ),
  ...rules(
    `And BitShift BitwiseAnd BitwiseOr BitwiseXor Equal Greater GreaterOrEqual Less LessOrEqual Mod Or PRelu Pow StringConcat
     Where Xor`,
    elementwise(7),
  ),
  ...rules('Max Mean Min Sum', elementwise(8)),
  Add: arithmetic((a, b) => a + b),
  Sub: arithmetic((a, b) => a - b),
  Mul: arithmetic((a, b) => a * b),
  Div: arithmetic((a, b) => Math.trunc(a / b)),
  ...rules('Cast Identity', cast),
  // Of the other it takes the type alone.
  CastLike: ([x]) => [same(x!)],
  Clip: ([x, least, most]) => [
    broadcast([x!, ...[least, most].filter((value) => value !== undefined && value !== UNKNOWN)] as Value[]),
  ],
  // What a model that is only asked does not do.
  Dropout: ([x, , training], node) => {
    if (training && training !== UNKNOWN && training.ints?.[0] !== 0) fail('may be in training');
    return node.outputs.map(() => same(x!));
  },
  ...rules(
    'ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare',
    reduce,
  ),
  ...rules('ArgMax ArgMin', argument),
  ...rules('Softmax LogSoftmax Hardmax', softmax),
  ...rules('Conv ConvTranspose', convolution),
  ConvInteger: ([x, w, zero, zeros], node, opset) => {
    for (const parameter of [w, zero, zeros]) fixed(parameter);
    return convolution([x!, w!], node, opset);
  },
  ...rules('AveragePool GlobalAveragePool GlobalLpPool GlobalMaxPool LpPool MaxPool', pooling),
  ...rules('BatchNormalization GroupNormalization InstanceNormalization LRN', byChannel),
  ...rules('LayerNormalization RMSNormalization', layerNormalization),
  LpNormalization: alongAxis(-1),
  MatMul: ([a, b]) => [product(a!, b!)],
  MatMulInteger: ([a, b, ...zeros]) => {
    for (const zero of zeros) fixed(zero);
    return [product(a!, b!)];
  },
  Gemm: gemm,
  Gather: gather,
  GatherElements: gatherElements,
  Shape: shapeOf,
  Reshape: reshape,
  Flatten: flatten,
  Transpose: transpose,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Concat: concat,
  Split: split,
  Slice: slice,
  ConstantOfShape: filled,
  Expand: expand,
  TopK: topK,
  ...rules('CumSum CumProd', running),
  ...rules('GRU LSTM RNN', recurrent),
  Constant: constant,
  Pad: pad,
  Tile: tile,
  OneHot: oneHot,
  Trilu: ([x, k]) => {
    fixed(k);
    notCounted([x!]);
    across(x!, [x!.dims.length - 2, x!.dims.length - 1]);
    return [same(x!)];
  },
  Range: range,
  ...rules('QuantizeLinear DequantizeLinear', quantized),
  DepthToSpace: byChannel,
  SpaceToDepth: byChannel,
};
// Their sizes change, which the rule for channels does not say.
for (const name of ['DepthToSpace', 'SpaceToDepth'])
  standard[name] = (given, node, opset) =>
    byChannel(given, node, opset).map(({ dims, axis }) => ({
      dims: dims.map((size, place) => (place === 0 ? size : null)),
      axis,
      ints: null,
    }));

/** What gives so many columns a row: [rows, features] in, [rows] and [rows, classes] out. */
const perRow =
  (...columns: (number | null | 'row')[]): Rule =>
  ([x]) => {
    notCounted([x!]);
    // What has one axis is taken for one row.
    if (x!.axis !== null && (x!.axis !== 0 || x!.dims.length !== 2)) fail(MIXES);
    return columns.map((size) => ({ dims: size === 'row' ? [null] : [null, size], axis: x!.axis, ints: null }));
  };

/** Operators of classical machine learning (onnx/docs/Operators-ml.md). */
const classic: Record<string, Rule> = {
  ...rules('TreeEnsembleRegressor LinearRegressor SVMRegressor TreeEnsemble', perRow(null)),
  ...rules('TreeEnsembleClassifier LinearClassifier SVMClassifier', perRow('row', null)),
  ...rules('Binarizer LabelEncoder CategoryMapper', unary),
  ...rules('Scaler Imputer', (given, node, opset) => {
    const [x] = given as [Value];
    if (x.axis !== null && (x.axis !== 0 || x.dims.length !== 2)) fail(MIXES);
    return unary(given, node, opset);
  }),
  Normalizer: ([x]) => {
    if (x!.axis !== null && (x!.axis !== 0 || x!.dims.length !== 2)) fail(MIXES);
    return [same(x!)];
  },
  OneHotEncoder: ([x]) => [{ dims: [...x!.dims, null], axis: x!.axis, ints: null }],
  ArrayFeatureExtractor: ([x, ids]) => {
    fixed(ids);
    if (x!.axis !== null && x!.axis !== 0) fail(MIXES);
    if (x!.dims.length < 2) fail('takes features of what has one axis');
    return [{ dims: [...x!.dims.slice(0, -1), null], axis: x!.axis, ints: null }];
  },
  FeatureVectorizer: (given) => {
    if (given.some(({ axis, dims }) => axis !== 0 || dims.length !== 2)) fail(MIXES);
    return [{ dims: [null, null], axis: 0, ints: null }];
  },
};
