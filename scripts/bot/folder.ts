import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { findNodeAtLocation, type Node, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser';
import { z } from 'zod';
import { kindOf } from '../../functions/content/item.ts';
import * as shape from '../../functions/dialog/bot.ts';
import { type Blame, check, type Part } from '../../functions/dialog/check.ts';
import { desk } from '../../functions/dialog/desk.ts';
import { entity } from '../../functions/dialog/entity.ts';
import { action, flow } from '../../functions/dialog/flow.ts';
import { slow } from '../check/expression.ts';
import { faqHeldOutProblems, heldOutProblems, readHeldOut } from './held-out.ts';

/**
 * A bot's folder, read and checked: what is wrong is said with its file and line, and what to do. `npm start`, `npm run train`,
 * the build and the tests read it here.
 */
/** The bot that this repository has. */
export const RETAILER = join(import.meta.dirname, '../../functions/bot');

const name = z.string();
const files = {
  about: { file: 'bot.json', shape: shape.about },
  languages: { file: 'languages.json', shape: z.array(shape.language).min(1) },
  intents: { file: 'intents.json', shape: z.array(shape.intent) },
  faq: { file: 'faq.json', shape: z.array(shape.faqEntry), empty: [] },
  phrases: { file: 'phrases.json', shape: shape.content.shape.phrases },
  shortAnswers: { file: 'short-answers.json', shape: shape.shortAnswers },
  entities: { file: 'entities.json', shape: z.record(name, entity), empty: {} },
  actions: { file: 'actions.json', shape: z.record(name, action), empty: {} },
  flows: { file: 'flows.json', shape: z.record(name, flow), empty: {} },
  desk: { file: 'desk.json', shape: desk, empty: desk.parse({}) },
  // Where nothing is to be masked, the file says so: one that is gone for a moment must not unmask anybody.
  personalDetails: { file: 'personal-details.json', shape: z.array(shape.detector) },
  recipe: { file: 'recipe.json', shape: shape.recipe, empty: undefined },
} as const satisfies Record<Part, unknown>;

/** The file that an item of the content stands in (functions/content/item.ts). */
export function fileOf(id: string): string {
  const { kind, name } = kindOf(id);
  const part = { intent: 'intents', faq: 'faq', phrase: 'phrases', flow: 'flows', entity: 'entities', part: name }[
    kind
  ];
  return files[part as Part].file;
}

export const contentFiles: readonly string[] = Object.values(files).map(({ file }) => file);
/** The schemas that editors are given (docs/schemas). */
export const fileShapes = Object.values(files).map(({ file, shape: of }) => ({ file, shape: of as z.ZodType }));

export interface Problem {
  file: string;
  /** From 1; null: the file is missing. */
  line: number | null;
  message: string;
}

/** Null where something is wrong. */
export interface BotFolder {
  folder: string;
  content: shape.Content | null;
  problems: Problem[];
}

type Path = readonly (string | number)[];

export function readBotFolder(folder: string): BotFolder {
  const problems: Problem[] = [];
  const trees = new Map<Part, { root: Node; text: string }>();
  const parts: Partial<Record<Part, unknown>> = {};
  const hash = createHash('sha256');
  const blame: Blame = (part, path, message) => {
    const known = trees.get(part);
    problems.push({ file: shown(folder, files[part].file), line: known ? lineOf(known, path) : null, message });
  };
  for (const [part, given] of Object.entries(files) as [Part, (typeof files)[Part]][]) {
    const file = join(folder, given.file);
    if (!existsSync(file)) {
      if ('empty' in given) parts[part] = given.empty;
      else blame(part, [], 'is missing');
      continue;
    }
    const text = readFileSync(file, 'utf8');
    hash.update(given.file).update(text);
    const errors: ParseError[] = [];
    const root = parseTree(text, errors, { allowTrailingComma: true });
    if (errors.length > 0 || !root) {
      const [{ error, offset }] = errors as [ParseError];
      const line = text.slice(0, offset).split('\n').length;
      problems.push({
        file: shown(folder, given.file),
        line,
        message: `is no JSON here (${words(printParseErrorCode(error))})`,
      });
      continue;
    }
    trees.set(part, { root, text });
    const parsed = (given.shape as z.ZodType).safeParse(read(root));
    if (parsed.success) parts[part] = parsed.data;
    else for (const issue of parsed.error.issues) blame(part, issue.path as Path, told(issue));
  }
  const { success, data } = shape.content.safeParse({ version: hash.digest('hex'), ...parts });
  if (problems.length > 0 || !success) return { folder, content: null, problems };
  check(data, blame);
  checkPatterns(data, blame);
  for (const { file, ...problem } of heldOutProblems(readHeldOut(folder), data))
    problems.push({ file: shown(folder, file), ...problem });
  for (const { file, ...problem } of faqHeldOutProblems(folder, data))
    problems.push({ file: shown(folder, file), ...problem });
  return { folder, content: problems.length > 0 ? null : data, problems };
}

/** As it stands in a terminal: `functions/bot/flows.json:12  there is no …`. */
export function lines(problems: readonly Problem[]): string[] {
  return problems.map(({ file, line, message }) => `${file}${line === null ? '' : `:${line}`}  ${message}`);
}

/** A bot's folder that has nothing wrong. Throws with every problem otherwise. */
export function botFolder(folder: string): shape.Content {
  const { content, problems } = readBotFolder(folder);
  if (content) return content;
  throw new Error(
    [`The bot's folder has ${problems.length} to correct:`, ...lines(problems).map((line) => `  ${line}`)].join('\n'),
  );
}

/** Patterns meet what strangers write. */
function checkPatterns({ personalDetails, entities }: shape.Content, blame: Blame): void {
  const patterns = [
    ...personalDetails.map(({ pattern }, index) => ({ part: 'personalDetails', path: [index], pattern }) as const),
    ...Object.entries(entities).flatMap(([key, one]) =>
      one.kind === 'pattern' ? [{ part: 'entities', path: [key, 'pattern'], pattern: one.pattern } as const] : [],
    ),
  ];
  for (const { part, path, pattern } of patterns) {
    const wrong = wrongWith(part, pattern);
    if (wrong) blame(part, path, wrong);
  }
}

/** What is looked at once: it takes a tenth of a second. */
const looked = new Map<string, string | null>();

/** Patterns meet what strangers write: one that takes long on some of it would hold up everybody. */
function wrongWith(part: Part, pattern: string): string | null {
  const key = `${part} ${pattern}`;
  const known = looked.get(key);
  if (known !== undefined) return known;
  let wrong: string | null;
  try {
    // As it runs (functions/dialog/entity.ts, bot.ts).
    const found = slow(part === 'entities' ? `^(?:${pattern})$` : pattern, 'iu');
    wrong = found && `takes more time than in proportion to its text (${found.reason})`;
  } catch (error) {
    wrong = `is no regular expression: ${error instanceof Error ? error.message : error}`;
  }
  looked.set(key, wrong);
  return wrong;
}

/** JSON.parse's value of a tree, but for a `$schema` that tells editors how to help. */
function read(root: Node): unknown {
  const value = JSON.parse(JSON.stringify(build(root)));
  if (value && typeof value === 'object' && !Array.isArray(value)) delete value.$schema;
  return value;
}

function build(node: Node): unknown {
  if (node.type === 'array') return node.children!.map(build);
  if (node.type !== 'object') return node.value;
  return Object.fromEntries(node.children!.map(({ children }) => [children![0]!.value, build(children![1]!)]));
}

/** The line of the deepest part of a path that is there. */
function lineOf({ root, text }: { root: Node; text: string }, path: Path): number {
  for (let length = path.length; length >= 0; length -= 1) {
    const node = findNodeAtLocation(root, path.slice(0, length) as (string | number)[]);
    if (node) return text.slice(0, (node.parent?.type === 'property' ? node.parent : node).offset).split('\n').length;
  }
  return 1;
}

function told({ path, message, code, ...rest }: z.core.$ZodIssue): string {
  const where = path.length > 0 ? `${path.join('.')}: ` : '';
  if (code === 'unrecognized_keys')
    return `${where}does not know ${(rest as { keys: string[] }).keys.map((key) => `"${key}"`).join(', ')}`;
  // A name of an entry says itself what is wrong with it.
  const [inner] = code === 'invalid_key' ? (rest as { issues: z.core.$ZodIssue[] }).issues : [];
  return `${where}${inner?.message ?? message}`;
}

function words(code: string): string {
  return code.replace(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase();
}

function shown(folder: string, file: string): string {
  return relative(process.cwd(), join(resolve(folder), file)) || file;
}
