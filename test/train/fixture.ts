import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after } from 'node:test';
import content from '../../functions/bot/intents.json' with { type: 'json' };
import { recipe } from '../../functions/training/recipe.ts';
import { type Trained, type TrainOptions, train } from '../../functions/training/train.ts';
import { sha256 } from '../inference-container/fixture.ts';

/** The real recipe with less of everything. */
export const quick: typeof recipe = {
  ...recipe,
  vectors: { ...recipe.vectors, dimensions: 16, epochs: 1 },
  cnns: recipe.cnns.map((options) => ({ ...options, dimensions: 16, filters: 8, epochs: 4 })),
  svm: { ...recipe.svm, passes: 3 },
};

type Pair = [text: string, intent: string];

export interface SplitFile {
  train: Pair[];
  val: Pair[];
  test: Pair[];
  oos_train: Pair[];
  oos_val: Pair[];
  oos_test: Pair[];
}

/** Some of the bot's own utterances, English and Korean, the same every time. */
export function splits({ intents = 4, train: most = 8, held = 6 } = {}): SplitFile {
  const utterances = ({ utterances: { en, ko } }: (typeof content)[number]) =>
    en.flatMap((text, index) => [text, ko[index] ?? []].flat());
  const inScope = content.filter(({ name }) => name !== 'none').slice(0, intents);
  const part = (from: number, to: number) =>
    inScope.flatMap((intent) =>
      utterances(intent)
        .slice(from, to)
        .map((text): Pair => [text, intent.name]),
    );
  const outside = utterances(content.find(({ name }) => name === 'none')!).map((text): Pair => [text, 'oos']);
  return {
    train: part(0, most),
    val: part(most, most + held),
    test: part(most + held, most + 2 * held),
    oos_train: outside.slice(0, 10),
    oos_val: outside.slice(10, 20),
    oos_test: outside.slice(20, 32),
  };
}

/** Rows of a CSV that trains well within a second or two. */
export const rows = (): Pair[] => splits().train;

export function csv(lines: readonly (readonly string[])[], header = 'text,intent'): string {
  const cell = (value: string) => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  return `${[header, ...lines.map((line) => line.map(cell).join(','))].join('\n')}\n`;
}

export interface Folder {
  path: string;
  /** Writes a file (objects as JSON) and gives its path. */
  write(name: string, content: string | Uint8Array | object): Promise<string>;
}

/** A folder for one test file. */
export function useFolder(): Folder {
  // At once: hooks of one file may run together, and others' write into it.
  const path = mkdtempSync(join(tmpdir(), 'maru-train-'));
  after(() => rm(path, { recursive: true, force: true }));
  return {
    path,
    async write(name, given) {
      const file = join(path, name);
      await mkdir(dirname(file), { recursive: true });
      const raw = typeof given === 'string' || given instanceof Uint8Array;
      await writeFile(file, raw ? given : JSON.stringify(given));
      return file;
    },
  };
}

/** Trains in this process, quickly where nothing else is said. */
export function trainQuickly(data: string, out: string, more: Partial<TrainOptions> = {}): Promise<Trained> {
  return train({
    data,
    out,
    name: basename(dirname(out)),
    version: basename(out),
    seed: 1,
    recipe: quick,
    giveUp: 0.01,
    progress: () => undefined,
    ...more,
  });
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  /** Resolves when stdout and stderr together match. */
  says(pattern: RegExp): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  ended: Promise<Ended>;
}

/** Starts a program, with a folder for its temporary files. */
export function start(command: string, parameters: string[], temporary: string): Running {
  const child = spawn(command, parameters, {
    cwd: join(import.meta.dirname, '../..'),
    env: { ...process.env, TMPDIR: temporary, NODE_TEST_CONTEXT: undefined, ORT_DISABLE_TELEMETRY: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  const waiting = new Set<() => void>();
  const look = () => {
    for (const check of waiting) check();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    look();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    look();
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return {
    says: (pattern) =>
      new Promise((resolve, reject) => {
        const check = () => {
          if (pattern.test(stdout + stderr)) resolve();
        };
        waiting.add(check);
        check();
        void ended.then(() => reject(new Error(`ended without ${pattern}: ${stdout}${stderr}`)));
      }),
    kill: (signal) => child.kill(signal),
    ended,
  };
}

const scripts = join(import.meta.dirname, '../../scripts/train');

/** `npm run train`, as a process of its own. */
export const trainCommand = (...parameters: string[]): string[] => [join(scripts, 'index.ts'), ...parameters];

/** `npm run evaluate`, as a process of its own. */
export const evaluateCommand = (...parameters: string[]): string[] => [join(scripts, 'evaluate.ts'), ...parameters];

export async function run(command: string[], temporary: string = tmpdir()): Promise<Ended> {
  return start(process.execPath, command, temporary).ended;
}

/** The program gave up, and said why in one line. */
export function refused({ code, signal, stdout, stderr }: Ended, says: RegExp): void {
  assert.equal(signal, null);
  assert.equal(code, 1, `${stdout}${stderr}`);
  const lines = stderr.split('\n').filter((line) => line.trim() && !line.includes('Training '));
  assert.equal(lines.length, 1, `one line, not\n${stderr}`);
  assert.match(lines[0]!, says);
  assert.doesNotMatch(lines[0]!, /^\s*\{|\[\w*Error\b|\bat .*\.ts:\d/);
}

/** The checksum of every file of a folder, by its path. */
export async function filesOf(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  return Object.fromEntries(
    await Promise.all(files.sort().map(async (file) => [file.slice(folder.length + 1), sha256(await readFile(file))])),
  );
}

export interface PackageJson {
  name: string;
  task: string;
  labels: string[];
  threshold: number;
  metrics: Record<string, number>;
  golden: { input: string; output: { label: string } }[];
  trainedOn: { sha256: string; examples: number };
  files: Record<string, string>;
  batching: { rows: string };
  preprocessing: { encoders?: { tokenizer: string; maxTokens: number }[] };
}

export async function manifestOf(folder: string): Promise<PackageJson> {
  return JSON.parse(await readFile(join(folder, 'model.json'), 'utf8')) as PackageJson;
}

/** A `tokenizer.json` of whole words. Ids: padding, unknown, start and end, then the words. */
export const wordTokenizer = (words: readonly string[]) => ({
  version: '1.0',
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: 'Whitespace' },
  post_processor: null,
  decoder: null,
  model: {
    type: 'WordLevel',
    unk_token: '[UNK]',
    vocab: Object.fromEntries(['[PAD]', '[UNK]', '[S]', '[E]', ...words].map((word, id) => [word, id])),
  },
});
