type Way = 'json' | 'binary';
type State = 'right' | 'wrong' | 'refused' | 'not loaded';

/** What was said to a case. */
interface Said {
  state: State;
  detail: string;
}

/** One case of the suite, as suite.py gives it. */
export interface Row {
  kind: string;
  name: string;
  /** What the protocol can't carry; null: nothing. */
  cannot: string | null;
  /** An output that a server may give as tensors, or refuse; null: none. */
  unusual: string | null;
  python: Said;
  /** Compared with Python's own outputs; with the suite's where Python has none. `cause`: the detail without names and numbers. */
  json: Said & { cause: string };
  binary: Said & { cause: string };
}

/** What is left out of the rule, and why; null: nothing. */
function exception({ cannot, unusual, json, binary }: Row): string | null {
  if (cannot) return cannot;
  const refused = ({ state }: Said) => state === 'refused' || state === 'not loaded';
  return unusual && refused(json) && refused(binary) ? unusual : null;
}

/** The rule: what Python gets right, the server gets right in both. */
export function breaks(row: Row): boolean {
  const right = row.json.state === 'right' && row.binary.state === 'right';
  return row.python.state === 'right' && exception(row) === null && !right;
}

const HEAD = ['cases', 'cannot be carried', 'right in Python', 'right by JSON', 'right by binary', 'breaks the rule'];

/** Counts by kind of case: of what can be carried, what is right in Python, and of that, what is right in the server. */
function counts(rows: Row[]): [string, number[]][] {
  const kinds = [...new Set(rows.map(({ kind }) => kind))];
  const line = (of: Row[]): number[] => {
    const right = of.filter((row) => exception(row) === null && row.python.state === 'right');
    const by = (way: Way) => right.filter((row) => row[way].state === 'right').length;
    const carried = of.filter((row) => exception(row) === null).length;
    return [of.length, of.length - carried, right.length, by('json'), by('binary'), of.filter(breaks).length];
  };
  const each = kinds.map((kind): [string, number[]] => [kind, line(rows.filter((row) => row.kind === kind))]);
  return [...each, ['all', line(rows)]];
}

/** What can't be carried, by type: cases, and those of them that are right in Python. */
function exceptions(rows: Row[]): [string, number[]][] {
  const types = [...new Set(rows.flatMap((row) => exception(row) ?? []))].sort();
  return types.map((type) => {
    const of = rows.filter((row) => exception(row) === type);
    return [type, [of.length, of.filter(({ python }) => python.state === 'right').length]];
  });
}

/** Of what can be carried and is not right in Python: what Python and the server say. */
function others(rows: Row[]): string[] {
  const of = rows.filter((row) => exception(row) === null);
  const wrong = of.filter(({ python }) => python.state === 'wrong');
  const refused = of.filter(({ python }) => python.state === 'refused');
  const same = (some: Row[]) => some.filter(({ json, binary }) => json.state === 'right' && binary.state === 'right');
  return [
    `Wrong in Python: ${wrong.length}; the server gives the same outputs as Python in ${same(wrong).length} of them.`,
    `Refused by Python: ${refused.length}; the server gives what the suite expects in ${same(refused).length} of them.`,
  ];
}

/** What breaks the rule, by its cause, the most frequent first. */
function causes(rows: Row[]): [string, string[]][] {
  const found = new Map<string, string[]>();
  for (const row of rows.filter(breaks)) {
    const said = (way: Way) => {
      const { state, cause } = row[way];
      return state === 'right' ? '' : `${state}: ${cause}`;
    };
    const [json, binary] = [said('json'), said('binary')];
    const cause =
      json === binary ? json : [json && `JSON ${json}`, binary && `binary ${binary}`].filter(Boolean).join('; ');
    found.set(cause, [...(found.get(cause) ?? []), `${row.kind}/${row.name}`]);
  }
  return [...found].sort((a, b) => b[1].length - a[1].length);
}

/** Cases that a terminal is shown of one cause. */
const NAMES = 30;

/** For a terminal. */
export function summary(rows: Row[]): string {
  const lines = counts(rows);
  const first = Math.max(...lines.map(([kind]) => kind.length));
  const cells = (name: string, numbers: (string | number)[]) =>
    `  ${name.padEnd(first)}${numbers.map((value, at) => `  ${String(value).padStart(HEAD[at]!.length)}`).join('')}`;
  const types = exceptions(rows);
  const wide = Math.max(0, ...types.map(([type]) => type.length));
  const broken = rows.filter(breaks).length;
  return [
    cells('', HEAD),
    ...lines.map(([kind, numbers]) => cells(kind, numbers)),
    '',
    ...others(rows).map((line) => `  ${line}`),
    ...(types.length > 0 ? ['', '  Cannot be carried:'] : []),
    ...types.map(
      ([type, [all, right]]) => `    ${type.padEnd(wide)}  ${String(all).padStart(3)} cases, ${right} right in Python`,
    ),
    '',
    ...causes(rows).flatMap(([cause, names]) => [
      `  ${names.length} × ${cause}`,
      ...names.slice(0, NAMES).map((name) => `      ${name}`),
      ...(names.length > NAMES ? [`      and ${names.length - NAMES} others`] : []),
    ]),
    broken === 0 ? 'The rule holds.' : `${broken} cases break the rule.`,
  ].join('\n');
}

/** For docs/benchmarks/onnx-backend.md. */
export function table(rows: Row[], versions: Record<string, string>, leftOut: string[]): string {
  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ').replaceAll('<', '\\<');
  const said = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const broken = rows.filter(breaks);
  const reason = ({ state, detail }: Said) => (state === 'right' ? 'right' : `${state}: ${cell(detail)}`);
  const lines = [
    '# The ONNX backend suite',
    '',
    `${new Date().toISOString().slice(0, 10)}; ${said.join(', ')} (all but the last: Python). \`npm run bench:onnx --write\``,
    '',
    'Every case whose data the package `onnx` has inside is served as `<case>/1/model.onnx` and asked over the Open Inference Protocol, as JSON and with binary tensors. The rule: whatever Python’s onnxruntime gets right, the server gets right in both, but for types that the protocol can’t carry. Compared with Python’s own outputs: floats with the suite’s tolerances, everything else exactly.',
    '',
    ...(leftOut.length > 0 ? [`Left out, because their models must be downloaded: ${leftOut.join(', ')}.`, ''] : []),
    `| | ${HEAD.join(' | ')} |`,
    `|---|${HEAD.map(() => '--:|').join('')}`,
    ...counts(rows).map(([kind, numbers]) => `| ${kind} | ${numbers.join(' | ')} |`),
    '',
    'Right in Python: of what can be carried. Right by JSON and binary: of what is right in Python.',
    '',
    ...others(rows),
    '',
    '## Cannot be carried',
    '',
    '| | cases | right in Python |',
    '|---|--:|--:|',
    ...exceptions(rows).map(([type, numbers]) => `| ${type} | ${numbers.join(' | ')} |`),
    '',
    '## Breaks the rule',
    '',
  ];
  if (broken.length === 0) return [...lines, 'None.', ''].join('\n');
  const cases = broken.map((row) => `| ${row.kind}/${row.name} | ${reason(row.json)} | ${reason(row.binary)} |`);
  return [...lines, '| case | JSON | binary |', '|---|---|---|', ...cases, ''].join('\n');
}
