import { type ChildProcess, fork } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Content } from '../../functions/dialog/bot.ts';
import { contentFiles, lines, readBotFolder } from './folder.ts';
import { modelVersions, type Versions } from './versions.ts';

/** How often the folder is looked at. */
const LOOK_MS = 150;

export interface WatchOptions {
  /** The bot's folder. */
  folder: string;
  /** The model repository; null: the models are another's, and nothing is trained here. */
  models: string | null;
  /** The versions that are trained already. */
  trained: Versions;
  /** Takes new content over. */
  publish(content: Content): Promise<void>;
  /** Builds and starts anew what runs the code of the actions. */
  rebuild(): Promise<void>;
  /** Waits until these versions are served; the release that is served in their place, if one is. */
  served(versions: Versions): Promise<string | null>;
  say(line: string): void;
}

/**
 * Follows a bot's folder as somebody edits it: an answer is live at once; utterances train in the background and say when they are
 * served; what is wrong is said with its file and line, and the last good content stays.
 */
export function watchBot(options: WatchOptions): { close(): Promise<void> } {
  const { folder, publish, rebuild, say } = options;
  const pending = new Set<string>();
  let published = readBotFolder(folder).content?.version;
  let said = '';
  let work = Promise.resolve();
  const training = new Training(options);

  const look = async (files: string[]) => {
    const started = performance.now();
    if (files.some((file) => file.endsWith('.ts') && file !== 'local.ts')) {
      try {
        await rebuild();
        say(`${files.join(', ')}: the gateway runs your code (${seconds(started)} s).`);
      } catch (error) {
        say(`Your code was not taken over: ${error instanceof Error ? error.message : error}`);
      }
    }
    if (files.includes('local.ts')) say('local.ts: start anew to run it (Ctrl-C, npm start).');
    if (!files.some((file) => contentFiles.includes(file))) return;
    const { content, problems } = readBotFolder(folder);
    const wrong = lines(problems).join('\n  ');
    if (!content) {
      if (wrong !== said) say(`Not taken over: ${problems.length} to correct; the bot goes on as before.\n  ${wrong}`);
      said = wrong;
      return;
    }
    if (said !== '') say('Nothing is wrong any more.');
    said = '';
    if (content.version === published) return;
    await publish(content);
    published = content.version;
    say(`${files.join(', ')}: live (${seconds(started)} s).`);
    await training.follow();
  };

  const files = () => stampsOf(folder);
  let seen = files();
  const timer = setInterval(() => {
    const now = files();
    const touched = [...new Set([...seen.keys(), ...now.keys()])]
      .filter((name) => seen.get(name) !== now.get(name))
      .sort();
    seen = now;
    for (const name of touched) pending.add(name);
    // Editors write a file in several steps: it is read once nothing changes any more.
    if (touched.length > 0 || pending.size === 0) return;
    const settled = [...pending];
    pending.clear();
    work = work
      .then(() => look(settled))
      .catch((error) => say(`The bot's folder could not be read: ${error instanceof Error ? error.message : error}`));
  }, LOOK_MS);
  return {
    async close() {
      clearInterval(timer);
      training.stop();
      await work;
    },
  };
}

/** The files of a folder, and by what is seen that one is another: looked at, for a watch loses what is replaced or moved. */
function stampsOf(folder: string): Map<string, string> {
  const stamps = new Map<string, string>();
  let names: string[] = [];
  try {
    names = readdirSync(folder);
  } catch {
    // It is being moved: whatever is there next is another.
  }
  for (const name of names) {
    if (!contentFiles.includes(name) && !name.endsWith('.ts')) continue;
    const found = statSync(join(folder, name), { throwIfNoEntry: false });
    if (found) stamps.set(name, `${found.mtimeMs} ${found.size} ${found.ino}`);
  }
  return stamps;
}

/** One training at a time; a newer edit ends an older one. */
class Training {
  readonly #options: WatchOptions;
  #versions: Versions | null;
  #child: ChildProcess | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#versions = options.trained;
  }

  async follow(): Promise<void> {
    const { folder, models, say } = this.#options;
    const versions = await modelVersions(folder);
    if (same(versions, this.#versions)) return;
    this.#versions = versions;
    this.stop();
    if (models === null)
      return say(
        'What customers say has changed: the model server of INFERENCE_URL answers as before, until it has a new model.',
      );
    say('What customers say has changed: training in the background. Until it is done, the old models answer.');
    const started = performance.now();
    const child = fork(join(import.meta.dirname, 'train.ts'), [folder, models], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // Not what this process was started with: it trains, and nothing else.
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    this.#child = child;
    let last = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      last = text.trim().split('\n').at(-1) || last;
    });
    child.once('exit', (code) => {
      if (this.#child !== child) return;
      this.#child = undefined;
      if (code !== 0) {
        // The next edit tries again.
        this.#versions = null;
        return say(`The training failed: ${last || `code ${code}`}. The old models go on answering.`);
      }
      this.#serve(versions, started).catch((error) => say(`The new models are not served: ${error}`));
    });
  }

  stop(): void {
    const child = this.#child;
    this.#child = undefined;
    child?.kill();
  }

  async #serve(versions: Versions, started: number): Promise<void> {
    const { served, say, models } = this.#options;
    const release = await served(versions);
    if (this.#versions !== versions) return;
    const own = Object.entries(versions).filter(([, version]) => version !== null);
    const named = own.map((one) => one.join(' ')).join(', ');
    if (release === null) return say(`The models of your edit are served: ${named} (${seconds(started)} s).`);
    const commands = own.map(([name, version]) => `npm run release -- ${join(models!, name, version)}`).join(', ');
    say(
      `The models of your edit are trained (${named}), but production serves the release ${release}: that one answers.\n` +
        `  To serve yours: ${commands}, and then npm run swap.`,
    );
  }
}

function same(one: Versions, other: Versions | null): boolean {
  return one.intents === other?.intents && one.faq === other.faq;
}

function seconds(started: number): string {
  return ((performance.now() - started) / 1_000).toFixed(1);
}
