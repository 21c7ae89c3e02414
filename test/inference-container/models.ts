import onnxProto from 'onnx-proto';

/** Small ONNX models, each made to show one behaviour of the server. All take and give tensors with a free first dimension, unless they say otherwise. */
const { onnx } = onnxProto;

/** Datatypes of the Open Inference Protocol, as ONNX numbers them (TensorProto.DataType). */
const types = {
  BOOL: 9,
  UINT8: 2,
  UINT16: 4,
  UINT32: 12,
  UINT64: 13,
  INT8: 3,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  FP16: 10,
  FP32: 1,
  FP64: 11,
  BYTES: 8,
} as const;

export type Datatype = keyof typeof types;
export const allDatatypes = Object.keys(types) as Datatype[];

type Dim = string | number;
type Node = ReturnType<typeof node>;
type Attribute = number | number[] | string | string[] | { graph: object };

/** An output that is no tensor, as ONNX describes it. */
interface ValueInfo {
  name: string;
  type: object;
}

interface Graph {
  inputs: [name: string, type: Datatype, shape: Dim[]][];
  outputs: ([name: string, type: Datatype, shape: Dim[]] | ValueInfo)[];
  nodes: Node[];
  weights?: object[];
  opset?: number;
}

/** x → y, unchanged. */
export const identity = (type: Datatype, shape: Dim[] = ['batch']): Uint8Array =>
  model({ inputs: [['x', type, shape]], outputs: [['y', type, shape]], nodes: [node('Identity', ['x'], 'y')] });

/** x → y = x + step: says which version answered. */
export const plus = (step: number): Uint8Array =>
  model({
    inputs: [['x', 'INT64', ['batch']]],
    outputs: [['y', 'INT64', ['batch']]],
    nodes: [node('Add', ['x', 'step'], 'y')],
    weights: [ints('step', [1], [step])],
  });

/** x[2,3] → y = 2x: a closed batch. */
export const doubleOfTwoRows = (): Uint8Array =>
  model({
    inputs: [['x', 'FP32', [2, 3]]],
    outputs: [['y', 'FP32', [2, 3]]],
    nodes: [node('Add', ['x', 'x'], 'y')],
  });

/** a[batch,2], b[batch,2] → sum, difference. */
export const sumAndDifference = (): Uint8Array =>
  model({
    inputs: [
      ['a', 'FP32', ['batch', 2]],
      ['b', 'FP32', ['batch', 2]],
    ],
    outputs: [
      ['sum', 'FP32', ['batch', 2]],
      ['difference', 'FP32', ['batch', 2]],
    ],
    nodes: [node('Add', ['a', 'b'], 'sum'), node('Sub', ['a', 'b'], 'difference')],
  });

export const ROWS = 1_000;
const WIDTH = 8;
const CLASSES = 4;

/** ids[batch,n] → the mean of their vectors → Tanh → Softmax: probabilities[batch,4]. Ids from 0 to ROWS − 1. */
export const embedding = (): Uint8Array =>
  model({
    inputs: [['ids', 'INT64', ['batch', 'n']]],
    outputs: [['probabilities', 'FP32', ['batch', CLASSES]]],
    nodes: [
      node('Gather', ['table', 'ids'], 'vectors'),
      node('ReduceMean', ['vectors'], 'mean', { axes: [1], keepdims: 0 }),
      node('Tanh', ['mean'], 'hidden'),
      node('MatMul', ['hidden', 'weights'], 'logits'),
      node('Softmax', ['logits'], 'probabilities', { axis: 1 }),
    ],
    weights: [floats('table', [ROWS, WIDTH], waves(ROWS * WIDTH)), floats('weights', [WIDTH, CLASSES], waves(32))],
  });

/** a[batch,n], b[batch,n] → sum, difference, for any n. */
export const sumAndDifferenceOfAny = (): Uint8Array =>
  model({
    inputs: [
      ['a', 'FP32', ['batch', 'n']],
      ['b', 'FP32', ['batch', 'n']],
    ],
    outputs: [
      ['sum', 'FP32', ['batch', 'n']],
      ['difference', 'FP32', ['batch', 'n']],
    ],
    nodes: [node('Add', ['a', 'b'], 'sum'), node('Sub', ['a', 'b'], 'difference')],
  });

/** ids[batch] → y[batch,2] = row id of a table of 5: [2·id, 2·id + 1]. */
export const lookup = (type: 'INT32' | 'INT64'): Uint8Array =>
  model({
    inputs: [['ids', type, ['batch']]],
    outputs: [['y', 'FP32', ['batch', 2]]],
    nodes: [node('Gather', ['table', 'ids'], 'y')],
    weights: [
      floats(
        'table',
        [5, 2],
        Float32Array.from({ length: 10 }, (_, at) => at),
      ),
    ],
  });

/** ids[batch] → y[batch,2] = the row of a table of 5; its axis is counted from the end, as ONNX allows. */
export const lookupFromTheEnd = (): Uint8Array =>
  model({
    inputs: [['ids', 'INT64', ['batch']]],
    outputs: [['y', 'FP32', ['batch', 2]]],
    nodes: [node('Gather', ['table', 'ids'], 'y', { axis: -2 })],
    weights: [
      floats(
        'table',
        [5, 2],
        Float32Array.from({ length: 10 }, (_, at) => at),
      ),
    ],
  });

/** x[batch] → y: fails as a whole batch when any x is outside of 0–9; the server can't know before it runs. */
export const moody = (): Uint8Array =>
  model({
    inputs: [['x', 'INT64', ['batch']]],
    outputs: [['y', 'FP32', ['batch']]],
    nodes: [node('Add', ['x', 'nothing'], 'ids'), node('Gather', ['table', 'ids'], 'y')],
    weights: [
      ints('nothing', [1], [0]),
      floats(
        'table',
        [10],
        Float32Array.from({ length: 10 }, (_, at) => at * 10),
      ),
    ],
  });

/** x[batch] → y = ln x: NaN below 0, −infinity at 0. */
export const logarithm = (): Uint8Array =>
  model({
    inputs: [['x', 'FP32', ['batch']]],
    outputs: [['y', 'FP32', ['batch']]],
    nodes: [node('Log', ['x'], 'y')],
  });

/** x[batch,2] → y[count,2]: where x is not 0. The rows that come out are not the rows that went in. */
export const placesOfNonZero = (): Uint8Array =>
  model({
    inputs: [['x', 'FP32', ['batch', 2]]],
    outputs: [['y', 'INT64', ['count', 2]]],
    nodes: [node('NonZero', ['x'], 'places'), node('Transpose', ['places'], 'y', { perm: [1, 0] })],
  });

/** x[batch] → y, a scalar: one answer for all rows. */
export const total = (): Uint8Array =>
  model({
    inputs: [['x', 'FP32', ['batch']]],
    outputs: [['y', 'FP32', []]],
    nodes: [node('ReduceSum', ['x'], 'y', { keepdims: 0 })],
  });

/** x[batch] → y = x, after as many matrix products as the sum of x: it takes as long as it is asked to. */
export function slow(): Uint8Array {
  const side = 256;
  const eye = new Float32Array(side * side);
  for (let at = 0; at < side; at += 1) eye[at * side + at] = 1;
  const body = onnx.GraphProto.create({
    name: 'body',
    input: [value('turn', 'INT64', []), value('go', 'BOOL', []), value('before', 'FP32', [side, side])],
    output: [value('on', 'BOOL', []), value('after', 'FP32', [side, side])],
    node: [node('Identity', ['go'], 'on'), node('MatMul', ['before', 'eye'], 'after')],
  });
  return model({
    inputs: [['x', 'INT64', ['batch']]],
    outputs: [['y', 'INT64', ['batch']]],
    nodes: [
      node('ReduceSum', ['x'], 'turns', { keepdims: 0 }),
      node('Loop', ['turns', '', 'eye'], 'product', { body: { graph: body } }),
      node('ReduceSum', ['product'], 'sum', { keepdims: 0 }),
      node('Mul', ['sum', 'zero'], 'nothing'),
      node('Cast', ['nothing'], 'whole', { to: types.INT64 }),
      node('Add', ['x', 'whole'], 'y'),
    ],
    weights: [floats('eye', [side, side], eye), floats('zero', [], new Float32Array(1))],
  });
}

/**
 * x[batch] → y = x, after products with a matrix that has as many rows as the sum of x: no loop, and yet it takes as long as
 * it is asked to.
 */
export function stretching(): Uint8Array {
  const side = 512;
  return model({
    inputs: [['x', 'INT64', ['batch']]],
    outputs: [['y', 'INT64', ['batch']]],
    nodes: [
      node('ReduceSum', ['x'], 'rows', { keepdims: 1 }),
      node('Concat', ['rows', 'side'], 'shape', { axis: 0 }),
      node('ConstantOfShape', ['shape'], 'tall'),
      node('MatMul', ['tall', 'weights'], 'product'),
      node('ReduceSum', ['product'], 'sum', { keepdims: 0 }),
      node('Mul', ['sum', 'zero'], 'nothing'),
      node('Cast', ['nothing'], 'whole', { to: types.INT64 }),
      node('Add', ['x', 'whole'], 'y'),
    ],
    weights: [
      ints('side', [1], [side]),
      floats('weights', [side, side], waves(side * side)),
      floats('zero', [], new Float32Array(1)),
    ],
  });
}

const ROW: Dim[] = ['batch', 4];

/** Models of one input x[batch,4] and one output y, in which what stands in one row reaches another's answer. */
export const mixing: Record<string, () => Uint8Array> = {
  'a mean over the rows': () =>
    ofRows([node('ReduceMean', ['x'], 'mean', { axes: [0], keepdims: 1 }), node('Sub', ['x', 'mean'], 'y')]),
  'softmax over the rows': () => ofRows([node('Softmax', ['x'], 'y', { axis: 0 })]),
  'rows in order': () =>
    ofRows(
      [
        node('Shape', ['x'], 'shape'),
        node('Slice', ['shape', 'first', 'second'], 'rows'),
        { ...node('TopK', ['x', 'rows'], 'y', { axis: 0 }), output: ['y', 'places'] },
      ],
      [ints('first', [1], [0]), ints('second', [1], [1])],
    ),
  'attention between the rows': () =>
    ofRows([
      node('Transpose', ['x'], 'keys', { perm: [1, 0] }),
      node('MatMul', ['x', 'keys'], 'likeness'),
      node('Softmax', ['likeness'], 'shares', { axis: 1 }),
      node('MatMul', ['shares', 'x'], 'y'),
    ]),
  'rows as the steps of a sequence': () =>
    model({
      inputs: [['x', 'FP32', ['seq', 1, 4]]],
      outputs: [['y', 'FP32', ['seq', 1, 4]]],
      nodes: [node('LSTM', ['x', 'w', 'r'], 'steps', { hidden_size: 4 }), node('Squeeze', ['steps', 'direction'], 'y')],
      weights: [floats('w', [1, 16, 4], waves(64)), floats('r', [1, 16, 4], waves(64)), ints('direction', [1], [1])],
    }),
  'one scale for all rows': () =>
    ofRows([
      {
        opType: 'DynamicQuantizeLinear',
        domain: '',
        input: ['x'],
        output: ['q', 'scale', 'zero'],
        name: 'quantize',
        attribute: [],
      },
      node('DequantizeLinear', ['q', 'scale', 'zero'], 'y'),
    ]),
  'a running sum over the rows': () => ofRows([node('CumSum', ['x', 'axis'], 'y')], [ints('axis', [], [0])]),
  'rows folded into columns': () =>
    ofRows(
      [
        node('Reshape', ['x', 'wide'], 'folded'),
        node('Softmax', ['folded'], 'shares', { axis: 1 }),
        node('Reshape', ['shares', 'back'], 'y'),
      ],
      [ints('wide', [2], [4, -1]), ints('back', [2], [-1, 4])],
    ),
};

/** x[batch,4], quantised with a scale for each two columns of each of three rows. */
export const scaledByBlocks = (): Uint8Array =>
  model({
    inputs: [['x', 'FP32', ROW]],
    outputs: [['y', 'UINT8', ROW]],
    nodes: [node('QuantizeLinear', ['x', 'scale', 'zero'], 'y', { axis: 1, block_size: 2 })],
    weights: [
      floats('scale', [3, 2], new Float32Array(6).fill(1)),
      { ...ints('zero', [3, 2], []), dataType: 2, rawData: new Uint8Array(6) },
    ],
    opset: 21,
  });

/** x[batch] and one number, added as a version of the operators does that did not broadcast. */
export const addedEarly = (operator: 'Sum' | 'Add', opset: number): Uint8Array =>
  model({
    inputs: [['x', 'FP32', ['batch']]],
    outputs: [['y', 'FP32', ['batch']]],
    nodes: [node(operator, ['x', 'one'], 'y')],
    weights: [floats('one', [], new Float32Array(1).fill(1))],
    opset,
  });

/** x[batch,4] → y[batch,4]: steps over what was, each with its name and axis, in random order; see row-independence.test.ts. */
export function chain(steps: { step: string; axis: number }[]): Uint8Array {
  const nodes: Node[] = [];
  let last = 'x';
  for (const [at, { step, axis }] of steps.entries()) {
    const name = (part: string) => `${part}${at}`;
    const [a, b, c, y] = [name('a'), name('b'), name('c'), name('y')];
    const made: Record<string, Node[]> = {
      tanh: [node('Tanh', [last], y)],
      double: [node('Add', [last, last], y)],
      weigh: [node('MatMul', [last, 'square'], y)],
      gemm: [node('Gemm', [last, 'square', 'vector'], y, { transB: 1 })],
      bias: [node('Mul', [last, 'vector'], y)],
      softmax: [node('Softmax', [last], y, { axis })],
      centre: [node('ReduceMean', [last], a, { axes: [axis], keepdims: 1 }), node('Sub', [last, a], y)],
      norm: [node('LpNormalization', [last], y, { axis })],
      sum: [node('CumSum', [last, axis === 0 ? 'zero' : 'one'], y)],
      turn: [
        node('Transpose', [last], a, { perm: [1, 0] }),
        node('Softmax', [a], b, { axis }),
        node('Transpose', [b], y, { perm: [1, 0] }),
      ],
      attend: [
        node('Transpose', [last], a, { perm: [1, 0] }),
        node('MatMul', [last, a], b),
        node('Tanh', [b], c),
        node('MatMul', [c, last], y),
      ],
      deepen: [
        node('Reshape', [last, axis === 0 ? 'columns' : 'pairs'], a),
        node('Softmax', [a], b, { axis: -1 }),
        node('Reshape', [b, 'flat'], y),
      ],
      fold: [
        node('Reshape', [last, 'folded'], a),
        node('Tanh', [a], b),
        node('Softmax', [b], c, { axis }),
        node('Reshape', [c, 'flat'], y),
      ],
      widen: [node('Concat', [last, last], a, { axis: 1 }), node('Slice', [a, 'two', 'six', 'oneAxis'], y)],
      pick: [node('Gather', [last, 'reversed'], y, { axis: 1 })],
      first: [
        node('Gather', [last, 'zero'], a, { axis }),
        node('ReduceSum', [a], b, { keepdims: 1 }),
        node('Add', [last, b], y),
      ],
      row: [node('Gather', [last, 'zero'], a, { axis: 0 }), node('Add', [last, a], y)],
      flatten: [
        node('Flatten', [last], a, { axis }),
        node('Softmax', [a], b, { axis: -1 }),
        node('Reshape', [b, 'flat'], y),
      ],
      argmax: [
        node('ArgMax', [last], a, { axis, keepdims: 1 }),
        node('Cast', [a], b, { to: types.FP32 }),
        node('Add', [last, b], y),
      ],
      like: [node('Shape', [last], a), node('ConstantOfShape', [a], b), node('Add', [last, b], y)],
      counted: [
        node('Shape', [last], a),
        node('Cast', [a], b, { to: types.FP32 }),
        node('ReduceSum', [b], c, { keepdims: 0 }),
        node('Mul', [last, c], y),
      ],
    };
    nodes.push(...made[step]!);
    last = y;
  }
  nodes.push(node('Identity', [last], 'y'));
  return ofRows(nodes, [
    floats('square', [4, 4], waves(16)),
    floats('vector', [4], waves(4)),
    ints('zero', [], [0]),
    ints('one', [], [1]),
    ints('columns', [3], [-1, 1, 4]),
    ints('pairs', [3], [-1, 2, 2]),
    ints('folded', [2], [4, -1]),
    ints('flat', [2], [-1, 4]),
    ints('two', [1], [2]),
    ints('six', [1], [6]),
    ints('oneAxis', [1], [1]),
    ints('reversed', [4], [3, 2, 1, 0]),
  ]);
}

/** What {@link chain} may be made of. */
export const steps =
  'tanh double weigh gemm bias softmax centre norm sum turn attend deepen fold widen pick first row flatten argmax like counted'.split(
    ' ',
  );

function ofRows(nodes: Node[], weights: object[] = []): Uint8Array {
  return model({ inputs: [['x', 'FP32', ROW]], outputs: [['y', 'FP32', ROW]], nodes, weights });
}

/** image → its mean red, green and blue, from 0 to 1. */
export const meanColour = (layout: 'nchw' | 'nhwc'): Uint8Array =>
  model({
    inputs: [['image', 'FP32', layout === 'nchw' ? ['batch', 3, 8, 8] : ['batch', 8, 8, 3]]],
    outputs: [['probabilities', 'FP32', ['batch', 3]]],
    nodes: [node('ReduceMean', ['image'], 'probabilities', { axes: layout === 'nchw' ? [2, 3] : [1, 2], keepdims: 0 })],
  });

/** image[batch,3,8,8] → the mean red, green and blue of its upper half. */
export const colourOfTop = (): Uint8Array =>
  model({
    inputs: [['image', 'FP32', ['batch', 3, 8, 8]]],
    outputs: [['probabilities', 'FP32', ['batch', 3]]],
    nodes: [
      node('Slice', ['image', 'first', 'end', 'axis'], 'top'),
      node('ReduceMean', ['top'], 'probabilities', { axes: [2, 3], keepdims: 0 }),
    ],
    weights: [ints('first', [1], [0]), ints('end', [1], [4]), ints('axis', [1], [2])],
  });

/** For {@link tokenizer}: input_ids[batch,n], attention_mask[batch,n] → probabilities[batch,3]. */
export const text = (): Uint8Array =>
  model({
    inputs: [
      ['input_ids', 'INT64', ['batch', 'n']],
      ['attention_mask', 'INT64', ['batch', 'n']],
    ],
    outputs: [['probabilities', 'FP32', ['batch', 3]]],
    nodes: [
      node('Gather', ['vectors', 'input_ids'], 'gathered'),
      node('Cast', ['attention_mask'], 'mask', { to: types.FP32 }),
      node('Unsqueeze', ['mask', 'last'], 'columns'),
      node('Mul', ['gathered', 'columns'], 'weighted'),
      node('ReduceSum', ['weighted', 'middle'], 'logits', { keepdims: 0 }),
      node('Softmax', ['logits'], 'probabilities', { axis: 1 }),
    ],
    weights: [
      floats('vectors', [4, 3], Float32Array.from([0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0, 5])),
      ints('last', [1], [2]),
      ints('middle', [1], [1]),
    ],
  });

const VOCABULARY = 16;

/**
 * A text model of any tokenizer with ids below {@link VOCABULARY}: input_ids[batch,n], attention_mask[batch,n] and, when it is
 * asked for, token_type_ids[batch,n] → the mean of the vectors that the mask leaves, in which a token counts more the later it
 * stands → Softmax: probabilities[batch,4].
 */
export function tokens(typed: boolean): Uint8Array {
  const input = (name: string): [string, Datatype, Dim[]] => [name, 'INT64', ['batch', 'n']];
  return model({
    inputs: [input('input_ids'), input('attention_mask'), ...(typed ? [input('token_type_ids')] : [])],
    outputs: [['probabilities', 'FP32', ['batch', CLASSES]]],
    nodes: [
      node('Gather', ['vectors', 'input_ids'], 'words'),
      ...(typed
        ? [node('Gather', ['kinds', 'token_type_ids'], 'sides'), node('Add', ['words', 'sides'], 'gathered')]
        : [node('Identity', ['words'], 'gathered')]),
      node('Cast', ['attention_mask'], 'mask', { to: types.FP32 }),
      node('CumSum', ['mask', 'second'], 'places'),
      node('Mul', ['mask', 'places'], 'weights'),
      node('Unsqueeze', ['weights', 'last'], 'columns'),
      node('Mul', ['gathered', 'columns'], 'weighted'),
      node('ReduceSum', ['weighted', 'middle'], 'summed', { keepdims: 0 }),
      node('ReduceSum', ['columns', 'middle'], 'count', { keepdims: 0 }),
      node('Div', ['summed', 'count'], 'logits'),
      node('Softmax', ['logits'], 'probabilities', { axis: 1 }),
    ],
    weights: [
      floats('vectors', [VOCABULARY, CLASSES], waves(VOCABULARY * CLASSES)),
      ...(typed ? [floats('kinds', [2, CLASSES], Float32Array.from([1, -1, 0.5, 0, 9, 9, -9, -9]))] : []),
      ints('second', [], [1]),
      ints('last', [1], [2]),
      ints('middle', [1], [1]),
    ],
  });
}

/** Knows three words. */
const tokenizer = {
  version: '1.0',
  added_tokens: [],
  normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, lowercase: true },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: null,
  decoder: null,
  model: {
    type: 'WordPiece',
    unk_token: '[UNK]',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
    vocab: { '[UNK]': 0, hello: 1, order: 2, bye: 3 },
  },
};

/** What stands beside {@link text}: `hello` is a greeting, `order` an order, `bye` a farewell, anything else none of them. */
export const textPackage = {
  manifest: {
    task: 'text-classification',
    labels: ['greeting', 'order', 'farewell'],
    preprocessing: { kind: 'tokenizer', tokenizer: 'tokenizer.json' },
    threshold: 0.5,
  },
  files: { 'tokenizer.json': JSON.stringify(tokenizer) },
};

/** ids[batch] → y[batch,2] = a row of a table of 4 that stands in another file. */
export const external = (location: string): Uint8Array =>
  model({
    inputs: [['ids', 'INT64', ['batch']]],
    outputs: [['y', 'FP32', ['batch', 2]]],
    nodes: [node('Gather', ['table', 'ids'], 'y')],
    weights: [
      {
        name: 'table',
        dims: [4, 2],
        dataType: types.FP32,
        dataLocation: 1,
        externalData: [
          { key: 'location', value: location },
          { key: 'offset', value: '0' },
          { key: 'length', value: '32' },
        ],
      },
    ],
  });

/** The weights that {@link external} refers to: row n is [n·2·scale, (n·2+1)·scale]. */
export const externalWeights = (scale = 1): Uint8Array =>
  new Uint8Array(Float32Array.from({ length: 8 }, (_, at) => at * scale).buffer);

export const LARGE_ROWS = 280_000;

/**
 * One file of 70 MB: ids[batch] → y[batch,64], whose column c of row r is r + c / 64; with a table from elsewhere added,
 * when that is asked for.
 */
export function large(elsewhere?: string): Uint8Array {
  const table = new Float32Array(LARGE_ROWS * 64);
  for (let at = 0; at < table.length; at += 1) table[at] = Math.floor(at / 64) + (at % 64) / 64;
  const outside = {
    name: 'elsewhere',
    dims: [64],
    dataType: types.FP32,
    dataLocation: 1,
    externalData: [{ key: 'location', value: elsewhere ?? '' }],
  };
  return model({
    inputs: [['ids', 'INT64', ['batch']]],
    outputs: [['y', 'FP32', ['batch', 64]]],
    nodes: elsewhere
      ? [node('Gather', ['table', 'ids'], 'row'), node('Add', ['row', 'elsewhere'], 'y')]
      : [node('Gather', ['table', 'ids'], 'y')],
    weights: [floats('table', [LARGE_ROWS, 64], table), ...(elsewhere ? [outside] : [])],
  });
}

const sequenceOf = (element: object) => ({ sequenceType: { elemType: element } });
const matrix = { tensorType: { elemType: types.FP32, shape: { dim: [{ dimParam: 'batch' }, {}] } } };

/**
 * x[batch,3] → label[batch], and probabilities as scikit-learn's and LightGBM's converters give them by default: a sequence of maps
 * from the class to its probability.
 */
export const zipped = (labels: string[] | number[]): Uint8Array => {
  const ofTexts = typeof labels[0] === 'string';
  const key = ofTexts ? types.BYTES : types.INT64;
  const map = { mapType: { keyType: key, valueType: { tensorType: { elemType: types.FP32, shape: {} } } } };
  return model({
    inputs: [['x', 'FP32', ['batch', 3]]],
    outputs: [['label', 'INT64', ['batch']], { name: 'probabilities', type: sequenceOf(map) }],
    nodes: [
      node('Softmax', ['x'], 'matrix', { axis: -1 }),
      node('ArgMax', ['matrix'], 'label', { axis: 1, keepdims: 0 }),
      node('ZipMap', ['matrix'], 'probabilities', {
        [ofTexts ? 'classlabels_strings' : 'classlabels_int64s']: labels,
      }),
    ],
  });
};

/** x[batch,2] → a sequence of x and 2x, as scikit-learn gives the outputs of several classifiers. */
export const listed = (): Uint8Array =>
  model({
    inputs: [['x', 'FP32', ['batch', 2]]],
    outputs: [{ name: 'all', type: sequenceOf(matrix) }],
    nodes: [node('Add', ['x', 'x'], 'double'), node('SequenceConstruct', ['x', 'double'], 'all')],
  });

/** x[batch,2] → a sequence of its rows, of which nobody knows how many there will be. */
export const split = (): Uint8Array =>
  model({
    inputs: [['x', 'FP32', ['batch', 2]]],
    outputs: [{ name: 'rows', type: sequenceOf(matrix) }],
    nodes: [node('SplitToSequence', ['x'], 'rows', { axis: 0 })],
  });

/** Nothing → y[2] = 3, 4. */
export const constant = (): Uint8Array =>
  model({
    inputs: [],
    outputs: [['y', 'INT64', [2]]],
    nodes: [node('Identity', ['kept'], 'y')],
    weights: [ints('kept', [2], [3, 4])],
  });

/** x[batch] → y[batch] in lower case, by the rules of a language. */
export const lowered = (locale: string): Uint8Array =>
  model({
    inputs: [['x', 'BYTES', ['batch']]],
    outputs: [['y', 'BYTES', ['batch']]],
    nodes: [node('StringNormalizer', ['x'], 'y', { case_change_action: 'LOWER', locale })],
  });

/** A model that asks for operators that no ONNX Runtime has yet. */
export const ofTheFuture = (): Uint8Array =>
  model({
    inputs: [['x', 'FP32', ['batch']]],
    outputs: [['y', 'FP32', ['batch']]],
    nodes: [node('Identity', ['x'], 'y')],
    opset: 999,
  });

/** A model with an operator that does not exist. */
export const unknownOperator = (): Uint8Array =>
  model({
    inputs: [['x', 'FP32', ['batch']]],
    outputs: [['y', 'FP32', ['batch']]],
    nodes: [node('Divine', ['x'], 'y')],
  });

/**
 * input_ids[batch, tokens] → the rows of a table; `given`: → their sum over what `attention_mask` keeps, as a model that pools by itself.
 * Its rows pass through branches that name what stands outside of them; `elsewhere`: the table is external data of that file;
 * `quantised`: by a scale of all rows together, as quantised models of Hugging Face do.
 */
export function sentenceEncoder(
  table: Float32Array,
  dimensions: number,
  {
    given = false,
    opset = 17,
    elsewhere = '',
    quantised = false,
  }: { given?: boolean; opset?: number; elsewhere?: string; quantised?: boolean } = {},
): Uint8Array {
  const branch = (name: string) => ({
    graph: onnx.GraphProto.create({
      name,
      node: [node('Identity', ['rows'], name)],
      output: [value(name, 'FP32', ['batch', 'tokens', dimensions])],
    }),
  });
  const weights = floats('table', [table.length / dimensions, dimensions], table);
  const external = {
    ...weights,
    rawData: undefined,
    dataLocation: onnx.TensorProto.DataLocation.EXTERNAL,
    externalData: [
      { key: 'location', value: elsewhere },
      { key: 'offset', value: '0' },
      { key: 'length', value: String(table.byteLength) },
    ],
  };
  const yes = { name: 'yes', dims: [], dataType: types.BOOL, rawData: Uint8Array.of(1) };
  const quantising = [
    { ...node('DynamicQuantizeLinear', ['exact'], 'bytes'), output: ['bytes', 'scale', 'zero'] },
    node('DequantizeLinear', ['bytes', 'scale', 'zero'], 'rows'),
  ];
  const pooled = [
    node('Cast', ['attention_mask'], 'mask', { to: types.FP32 }),
    node('Unsqueeze', ['mask', 'last'], 'wide'),
    node('Mul', ['last_hidden_state', 'wide'], 'kept'),
    node('ReduceSum', ['kept', 'places'], 'sentence_embedding', { keepdims: 0 }),
  ];
  return model({
    opset,
    inputs: [
      ['input_ids', 'INT64', ['batch', 'tokens']],
      ...(given ? [['attention_mask', 'INT64', ['batch', 'tokens']] as [string, Datatype, Dim[]]] : []),
    ],
    outputs: [
      given
        ? ['sentence_embedding', 'FP32', ['batch', dimensions]]
        : ['last_hidden_state', 'FP32', ['batch', 'tokens', dimensions]],
    ],
    nodes: [
      node('Gather', ['table', 'input_ids'], quantised ? 'exact' : 'rows'),
      ...(quantised ? quantising : []),
      node('If', ['yes'], 'last_hidden_state', { then_branch: branch('same'), else_branch: branch('other') }),
      ...(given ? pooled : []),
    ],
    weights: [
      elsewhere ? external : weights,
      yes,
      ...(given ? [ints('last', [1], [2]), ints('places', [1], [1])] : []),
    ],
  });
}

function model({ inputs, outputs, nodes, weights = [], opset = 17 }: Graph): Uint8Array {
  const graph = onnx.GraphProto.create({
    name: 'test',
    input: inputs.map((input) => value(...input)),
    output: outputs.map((output) => (Array.isArray(output) ? value(...output) : output)),
    initializer: weights,
    node: nodes,
  });
  const made = onnx.ModelProto.create({
    irVersion: 8,
    producerName: 'test',
    opsetImport: [
      { domain: '', version: opset },
      { domain: 'ai.onnx.ml', version: 2 },
    ],
    graph,
  });
  return onnx.ModelProto.encode(made).finish();
}

function value(name: string, type: Datatype, shape: Dim[]) {
  const dim = shape.map((size) => (typeof size === 'string' ? { dimParam: size } : { dimValue: size }));
  return { name, type: { tensorType: { elemType: types[type], shape: { dim } } } };
}

function node(opType: string, input: string[], output: string, attributes: Record<string, Attribute> = {}) {
  const { AttributeType } = onnx.AttributeProto;
  const attribute = Object.entries(attributes).map(([name, given]) => {
    if (typeof given === 'number') return { name, i: given, type: AttributeType.INT };
    if (typeof given === 'string') return { name, s: Buffer.from(given), type: AttributeType.STRING };
    if (isTexts(given)) return { name, strings: given.map((text) => Buffer.from(text)), type: AttributeType.STRINGS };
    if (Array.isArray(given)) return { name, ints: given, type: AttributeType.INTS };
    return { name, g: given.graph, type: AttributeType.GRAPH };
  });
  const domain = ['ZipMap', 'LabelEncoder'].includes(opType) ? 'ai.onnx.ml' : '';
  return { opType, domain, input, output: [output], name: output, attribute };
}

function isTexts(given: Attribute): given is string[] {
  return Array.isArray(given) && typeof given[0] === 'string';
}

function floats(name: string, dims: number[], data: Float32Array) {
  return { name, dims, dataType: types.FP32, rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

function ints(name: string, dims: number[], data: number[]) {
  const rawData = new Uint8Array(BigInt64Array.from(data, BigInt).buffer);
  return { name, dims, dataType: types.INT64, rawData };
}

/** Numbers between −2 and 2 that look random and are always the same. */
function waves(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, at) => 2 * Math.sin(at * 12.9898 + 4.1414));
}
