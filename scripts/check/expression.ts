import vm from 'node:vm';
import { analyse } from 'scslre';

/**
 * Whether a regular expression takes more time than in proportion to its text: by analysis (scslre), and by running it on
 * texts made of its own parts, since an analysis that pumps one character misses much. Both find what another would not.
 */
export interface Slow {
  /** Why, with the text. */
  reason: string;
}

type Pattern = ReturnType<typeof analyse>['parsed']['pattern'];
type Node = Pattern | Pattern['alternatives'][number] | Pattern['alternatives'][number]['elements'][number];

/** A text that may be the worst: what stands before, what is repeated, and what makes the match fail. */
type Text = [before: string, part: string, end: string];

const SHORT = 4_000;
const LONG = 40_000;
/** Ten times the text: a linear expression takes ten times as long, a quadratic one a hundred. */
const MOST = 25;
/** Shorter times say nothing: the clock of a thread is coarse. */
const LEAST_MICROSECONDS = 5_000;
const TIMEOUT_MS = 20_000;

/** One member of each class, whatever the expression allows. */
const SIGNS = [
  ...'a0 ._-/"\\\n\t{,=A!~가é번中😀',
  ...Array.from({ length: 94 }, (_, at) => String.fromCharCode(33 + at)),
];

/** Runs in a context of its own, because only there a run that never ends can be ended. */
const TRIAL = new vm.Script(`
  const run = ([before, part, end], length) => {
    const text = before + part.repeat(length / part.length) + end;
    const from = time();
    pattern.lastIndex = 0;
    text.replace(pattern, '');
    return time() - from;
  };
  const least = (text, length) => Math.min(run(text, length), run(text, length), run(text, length));
  texts.find((text) => {
    last = text;
    if (run(text, ${LONG}) < ${LEAST_MICROSECONDS}) return false;
    const long = least(text, ${LONG});
    return long > ${LEAST_MICROSECONDS} && long > ${MOST} * Math.max(least(text, ${SHORT}), ${LEAST_MICROSECONDS / MOST});
  })`);

/** The thread's own time: a busy machine raises no alarm. */
const time = () => Object.values(process.threadCpuUsage()).reduce((user, system) => user + system);

/** Null for an expression whose time grows in proportion. */
export function slow(source: string, flags: string): Slow | null {
  const { parsed, reports } = analyse({ source, flags });
  const [report] = reports;
  if (report) return { reason: `${report.type}: ${JSON.stringify(report.character.pick)} repeated` };
  const context = vm.createContext({
    texts: textsOf(parsed.pattern, flags),
    pattern: new RegExp(source, flags),
    time,
    last: undefined,
  });
  try {
    const found = TRIAL.runInContext(context, { timeout: TIMEOUT_MS }) as Text | undefined;
    return found ? { reason: `quadratic or worse on ${JSON.stringify(found)}` } : null;
  } catch {
    return { reason: `does not end on ${JSON.stringify(context.last)}` };
  }
}

/** Texts of the expression's own alphabet: each part repeated, behind what leads to it, and pairs of its signs. */
function textsOf(pattern: Pattern, flags: string): Text[] {
  const signs = new Set<string>();
  const starts: [before: string, part: string][] = [];
  /** A text for a part, with or without what may be absent. */
  const write = (node: Node, most: boolean): string => {
    if (node.type === 'Alternative') return node.elements.map((element) => write(element, most)).join('');
    if (node.type === 'Quantifier') return write(node.element, most).repeat(node.min || (most ? 1 : 0));
    if ('alternatives' in node) return node.type === 'Assertion' ? '' : write(node.alternatives[0]!, most);
    if (!node.type.includes('Character')) return '';
    const one = new RegExp(`^(?:${node.raw})$`, flags.replace(/[gy]/g, ''));
    const found =
      node.type === 'Character' ? [String.fromCodePoint(node.value)] : SIGNS.filter((sign) => one.test(sign));
    for (const sign of found.slice(0, 2)) signs.add(sign);
    return found[0] ?? '';
  };
  const visit = (node: Node, before: string, most: boolean): void => {
    if (node.type === 'Alternative') {
      let text = before;
      for (const element of node.elements) {
        visit(element, text, most);
        text += write(element, most);
      }
    } else if ('alternatives' in node) for (const alternative of node.alternatives) visit(alternative, before, most);
    if (node.type !== 'Quantifier') return;
    const parts: Node[] = 'alternatives' in node.element ? node.element.alternatives : [node.element];
    for (const text of ['', ...parts.map((part) => write(part, true))])
      starts.push([before, text], [before, before + text]);
    visit(node.element, before, most);
  };
  for (const most of [false, true]) visit(pattern, '', most);
  const few = [...signs].slice(0, 10);
  for (const before of new Set(['', ...starts.map(([text]) => text)]))
    for (const sign of few) for (const other of ['', ...few]) starts.push([before, sign + other]);
  const ends = ['', '\0', '\n', `\0${write(pattern, true)}`];
  return starts.flatMap(([before, part]) => (part ? ends.map((end): Text => [before, part, end]) : []));
}
