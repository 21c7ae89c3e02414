/** One variant of a case: its chosen inputs and its outputs have an open first dimension. As joining.py gives it. */
export interface Variant {
  kind: string;
  name: string;
  inputs: string[];
  /** The one of its graph; null: several. */
  operator: string | null;
  /** `proven`, `off (why)`, `not loaded`. */
  batching: string;
  /** Why it is not loaded. */
  reason: string;
  /** How rows together differ from each alone in Python; blank: they don't. `distinct`: rows that were told apart. */
  python: { distinct: number; detail: string };
  /** What connections that ask at once were answered, of what is proven; `runs` of the model, for so many rows. */
  server: {
    state: 'right' | 'wrong' | 'refused' | 'unlike Python';
    detail: string;
    rows: number;
    runs: number;
  } | null;
}

/** What was laid out. */
export interface Laid {
  /** Variants that Python does not run with the case's own data. */
  refused: number;
  /** Of ONNX's own lists. */
  operators: string[];
}

/** Heads what is written of it. */
export const HEADING = '## Rows together';

/** Rows that must be told apart, for an answer to say that they are independent. */
const DISTINCT = 4;
const SEVERAL = 'several operators';

const isProven = ({ batching }: Variant) => batching === 'proven';
/** Proven by the graph, and switched off when it was loaded, because a few rows showed otherwise. */
const isCaught = ({ batching }: Variant) => /(depends on the rows beside it| of \d+ rows has \S+ rows)/.test(batching);
const isOff = ({ batching }: Variant) => batching.startsWith('off');
const isIndependent = ({ python }: Variant) => python.detail === '' && python.distinct >= DISTINCT;
const isLeft = (row: Variant) => isOff(row) && !isCaught(row) && isIndependent(row);

/** What was proven, and is not so; null: the rule holds for it. */
function fault(row: Variant): string | null {
  if (isCaught(row)) return row.batching;
  if (!isProven(row)) return null;
  const { python, server } = row;
  const found = [
    ...(server?.state === 'wrong' ? [`the server gives of ${server.detail}`] : []),
    ...(python.detail ? [`Python of ${python.detail}`] : []),
  ];
  return found.length > 0 ? found.join('; ') : null;
}

/** Whether a variant breaks the rule: what is proven answers rows together as each alone. */
export const isWrong = (row: Variant): boolean => fault(row) !== null;

const HEAD = ['variants', 'proven', 'off', 'not loaded', 'proven and wrong', 'off but independent'];

function counts(rows: Variant[]): number[] {
  const notLoaded = rows.filter(({ batching }) => batching === 'not loaded');
  return [rows, rows.filter(isProven), rows.filter(isOff), notLoaded, rows.filter(isWrong), rows.filter(isLeft)].map(
    ({ length }) => length,
  );
}

function byOperator(rows: Variant[]): [string, Variant[]][] {
  const found = Map.groupBy(rows, ({ operator }) => operator ?? SEVERAL);
  return [...found].sort(([a], [b]) => Number(a === SEVERAL) - Number(b === SEVERAL) || (a < b ? -1 : 1));
}

const named = ({ kind, name, inputs }: Variant) => `${kind}/${name} (${inputs.join(', ')})`;

/** Why it is off, without names; without the operator too where that is clear. */
function why({ batching, operator }: Variant): string {
  const reason = batching.replace(/^off \((.*)\)$/s, '$1').replace(/ at node "[^"]*"/, '');
  const [first, ...rest] = reason.split(' ');
  if (first === operator?.split('.').at(-1)) return rest.join(' ');
  return reason.replace(/^output .* has not/, 'an output has not');
}

/** Operators whose independent variants are off, the most frequent first, each with its reasons. */
function left(rows: Variant[]): [string, number, string][] {
  return byOperator(rows.filter(isLeft))
    .map(([operator, of]): [string, number, string] => {
      const reasons = [...Map.groupBy(of, why)].sort(([, a], [, b]) => b.length - a.length);
      return [
        operator,
        of.length,
        reasons.map(([reason, { length }]) => (reasons.length > 1 ? `${reason} (${length})` : reason)).join('; '),
      ];
    })
    .sort(([, a], [, b]) => b - a);
}

/** What is to know of proven ones for which the rule holds, each with those that it is said of. */
function remarks(rows: Variant[]): [string, string[]][] {
  const asked = rows.filter((row) => row.server && !isWrong(row));
  const of = (state: string) => asked.filter(({ server }) => server!.state === state);
  const apart = asked.filter(({ server }) => server!.rows > 0 && server!.rows === server!.runs);
  const few = asked.filter(({ python }) => python.distinct < DISTINCT);
  const said = (row: Variant) => `${named(row)}: ${row.server!.detail}`;
  const found: [string, string[]][] = [
    ['unlike Python, together and alone', of('unlike Python').map(said)],
    ['refused by the server, together and alone', of('refused').map(said)],
    ['never run together, as rows of more than 16 KB are not', apart.map(named)],
    [`fewer than ${DISTINCT} rows told apart`, few.map(named)],
  ];
  return found.filter(([, some]) => some.length > 0);
}

function coverage(rows: Variant[], { refused, operators }: Laid): string[] {
  const seen = new Set(rows.map(({ operator }) => operator));
  const proven = new Set(rows.filter(isProven).map(({ operator }) => operator));
  const asked = rows.flatMap(({ server }) => server ?? []);
  const sum = (of: 'rows' | 'runs') => asked.reduce((all, one) => all + one[of], 0);
  return [
    `${operators.length} operators in the ONNX lists: ${operators.filter((name) => seen.has(name)).length} have variants, ${operators.filter((name) => proven.has(name)).length} of them proven ones.`,
    `Left out, because Python does not run them: ${refused} variants.`,
    `Of what is proven, the server was asked for ${sum('rows')} rows, and ran them in ${sum('runs')} runs.`,
  ];
}

/** Lines of what is left that a terminal is shown, and characters of a fault. */
const LINES = 20;
const WIDTH = 240;

/** For a terminal: operators only where there is something to do. */
export function summary(rows: Variant[], laid: Laid): string {
  const some = byOperator(rows).filter(([, of]) => of.some(isWrong));
  const lines: [string, Variant[]][] = [...some, ['all', rows]];
  const wide = Math.max(...lines.map(([name]) => name.length));
  const cells = (name: string, values: (string | number)[]) =>
    `  ${name.padEnd(wide)}${values.map((value, at) => `  ${String(value).padStart(HEAD[at]!.length)}`).join('')}`;
  const open = left(rows);
  const first = Math.max(0, ...open.map(([name]) => name.length));
  const wrong = rows.filter(isWrong);
  return [
    cells('', HEAD),
    ...lines.map(([name, of]) => cells(name, counts(of))),
    '',
    ...coverage(rows, laid).map((line) => `  ${line}`),
    '',
    '  Off, though rows are answered by themselves:',
    ...open
      .slice(0, LINES)
      .map(([name, count, reasons]) => `    ${name.padEnd(first)}  ${String(count).padStart(3)}  ${reasons}`),
    ...(open.length > LINES ? [`    and ${open.length - LINES} other operators`] : []),
    '',
    ...remarks(rows).map(([remark, names]) => `  ${names.length} proven: ${remark}`),
    '',
    ...wrong.map((row) => `  ${row.operator ?? SEVERAL}: ${named(row)}\n      ${fault(row)!.slice(0, WIDTH)}`),
    wrong.length === 0 ? 'The rule holds.' : `${wrong.length} variants break the rule.`,
  ].join('\n');
}

/** The section of docs/benchmarks/onnx-backend.md. */
export function section(rows: Variant[], versions: Record<string, string>, laid: Laid): string {
  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ').replaceAll('<', '\\<');
  const said = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const seen = new Set(rows.map(({ operator }) => operator));
  const wrong = rows.filter(isWrong);
  const notes = remarks(rows).map(([remark, names]) => `- ${cell(`${remark}: ${names.join('; ')}`)}`);
  const without = laid.operators.filter((name) => !seen.has(name));
  return [
    HEADING,
    '',
    `${new Date().toISOString().slice(0, 10)}; ${said.join(', ')} (all but the last: Python). \`npm run bench:onnx -- --joining --write\``,
    '',
    'The models of the cases, with `N` for the first dimension of some inputs (all sets of them, where they are few) and of all outputs; the other inputs become weights. The rule: where the server says `proven`, rows are answered together as each alone. Tried with the case’s rows, with others like them and with random ones: in Python together, in reversed order and each alone; through the server by 8 connections at once, by JSON and binary. Floats within 1e-5 (and 1e-6 of the largest number of their row), everything else exactly. What a probe switches off when the model is loaded counts as proven and wrong.',
    '',
    ...coverage(rows, laid),
    '',
    `| | ${HEAD.join(' | ')} |`,
    `|---|${HEAD.map(() => '--:|').join('')}`,
    ...[...byOperator(rows), ['all', rows] as const].map(([name, of]) => `| ${name} | ${counts(of).join(' | ')} |`),
    '',
    `Without a variant: ${without.join(', ') || 'none'}.`,
    '',
    '### Proven and wrong',
    '',
    ...(wrong.length > 0
      ? [
          '| operator | case (open inputs) | |',
          '|---|---|---|',
          ...wrong.map((row) => `| ${row.operator ?? SEVERAL} | ${cell(named(row))} | ${cell(fault(row)!)} |`),
        ]
      : ['None.']),
    '',
    ...(notes.length > 0 ? ['### Remarks on what is proven', '', ...notes, ''] : []),
    '### Off, though rows are answered by themselves',
    '',
    '| operator | variants | why |',
    '|---|--:|---|',
    ...left(rows).map(([name, count, reasons]) => `| ${name} | ${count} | ${cell(reasons)} |`),
    '',
  ].join('\n');
}
