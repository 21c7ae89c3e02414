import { type Loaded, runTensors, type Timing } from './session.ts';
import { allocate, type TensorData, type TensorMetadata } from './tensor.ts';

const ROWS = 3;
/** Of dimensions that are open, besides the rows. */
const OPEN_SIZE = 4;
/** Of the largest number of its row. */
const TOLERANCE = { FP16: 1e-2, FP32: 1e-5, FP64: 1e-9 } as const;

/**
 * Runs a few rows together, in another order and each alone: whether they answer the same, whatever proof or word there is of it.
 * The reason when they do not; null when they do, or when rows that the model takes can't be made up.
 */
export async function probe(model: Loaded): Promise<string | null> {
  const { inputs, bounds } = model.signature;
  const rows = Array.from({ length: ROWS }, (_, row) => row);
  const feeds = (places: number[]): Record<string, TensorData> =>
    Object.fromEntries(inputs.map((input) => [input.name, made(input, places, bounds[input.name])]));
  const run = (places: number[]) => runTensors(model, feeds(places), [], nobodys());
  let together: Outputs;
  let turned: Outputs;
  const alone: Outputs[] = [];
  try {
    together = await run(rows);
    turned = await run(rows.toReversed());
    for (const row of rows) alone.push(await run([row]));
  } catch {
    // It does not take what was made up: nothing is known beyond what was.
    return null;
  }
  for (const [name, output] of Object.entries(together)) {
    if (output.shape[0] !== ROWS) return `${name} of ${ROWS} rows has ${output.shape[0] ?? 'no'} rows`;
    for (const row of rows) {
      const expected = { output: alone[row]![name]!, row: 0 };
      if (!alike({ output, row }, expected) || !alike({ output: turned[name]!, row: ROWS - 1 - row }, expected))
        return `${name} of a row depends on the rows beside it, as a probe shows`;
    }
  }
  return null;
}

type Outputs = Record<string, TensorData>;

interface Row {
  output: TensorData;
  row: number;
}

/** An input's rows, each with elements of its own that are the same wherever it stands. */
function made({ name, datatype, shape }: TensorMetadata, rows: number[], range: [number, number] = [0, 1]): TensorData {
  const own = shape.slice(1).map((size) => (size === -1 ? OPEN_SIZE : size));
  const length = own.reduce((product, size) => product * size, 1);
  const data = allocate(datatype, rows.length * length) as unknown[];
  for (const [place, row] of rows.entries())
    for (let at = 0; at < length; at += 1) {
      // Looks random, and is another for each input and row.
      const wave = Math.sin((row * length + at + name.length) * 12.9898 + 4.1414);
      const whole = Math.floor(Math.abs(wave * 1_000) % (Math.min(range[1], 1_000) - range[0] + 1)) + range[0];
      data[place * length + at] = datatype.startsWith('FP')
        ? wave
        : datatype === 'BYTES'
          ? String(whole)
          : datatype.endsWith('INT64')
            ? BigInt(whole)
            : whole;
    }
  return { datatype, shape: [rows.length, ...own], data: data as TensorData['data'] };
}

function alike(one: Row, other: Row): boolean {
  const [a, b] = [elements(one), elements(other)];
  if (a.length !== b.length) return false;
  const { datatype } = one.output;
  if (datatype !== 'FP16' && datatype !== 'FP32' && datatype !== 'FP64')
    return a.every((element, at) => String(element) === String(b[at]));
  let largest = 0;
  for (const element of b as number[]) if (Number.isFinite(element)) largest = Math.max(largest, Math.abs(element));
  return (a as number[]).every((element, at) => {
    const expected = b[at] as number;
    return Object.is(element, expected) || Math.abs(element - expected) <= TOLERANCE[datatype] * largest;
  });
}

function elements({ output: { shape, data }, row }: Row): unknown[] {
  const length = shape.slice(1).reduce((product, size) => product * size, 1);
  return Array.from((data as unknown[]).slice(row * length, (row + 1) * length));
}

/** Its time is no request's. */
const nobodys = (): Timing => ({ preprocess: 0, compute: 0, postprocess: 0, batches: [] });
