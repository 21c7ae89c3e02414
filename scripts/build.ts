import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { build, type Plugin } from 'esbuild';
import type { Content } from '../functions/dialog/bot.ts';
import { botFolder, RETAILER, served } from './bot/folder.ts';

/**
 * Builds what is deployed: `dist/functions` (one bundle with host.json and the chat page; the Functions host loads it as
 * it is) and `dist/inference-container`. Bundled, because hundreds of small files are what a cold start costs most.
 */
const root = join(import.meta.dirname, '..');

/** What CommonJS modules expect to find, by names that no module has itself. */
const REQUIRE = [
  "import { createRequire as __createRequire } from 'node:module';",
  "import { fileURLToPath as __fileURLToPath } from 'node:url';",
  "import { dirname as __pathDirname } from 'node:path';",
  'const require = __createRequire(import.meta.url);',
  'const __bundleFilename = __fileURLToPath(import.meta.url);',
  'const __bundleDirname = __pathDirname(__bundleFilename);',
].join('');

export interface FunctionsBuild {
  target?: string;
  /** The bot's folder. */
  bot?: string;
}

export async function buildFunctions({
  target = join(root, 'dist/functions'),
  bot = RETAILER,
}: FunctionsBuild = {}): Promise<void> {
  const content = botFolder(bot);
  const out = draft(target);
  await rm(out, { recursive: true, force: true });
  await mkdir(join(out, 'web'), { recursive: true });
  await build({
    entryPoints: [join(root, 'functions/index.ts')],
    outdir: out,
    // What is imported at a first call stands in files of its own: a cold start reads only what registers functions.
    splitting: true,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node22',
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'error',
    // Packages that are CommonJS inside an ES module.
    banner: { js: REQUIRE },
    define: { __filename: '__bundleFilename', __dirname: '__bundleDirname' },
    // Libraries tell their errors apart by class names.
    keepNames: true,
    // The Functions worker provides it.
    external: ['@azure/functions-core'],
    plugins: [actionsOf(bot)],
  });
  await writeContent(out, content);
  await cp(join(root, 'host.json'), join(out, 'host.json'));
  await writeFile(
    join(out, 'package.json'),
    `${JSON.stringify({ name: 'maru-functions', private: true, type: 'module', main: 'index.js' }, null, 2)}\n`,
  );
  for (const file of ['index.html', 'chat.js', 'chat.css', 'embed.js', 'icon.svg'])
    await cp(join(root, 'functions/web', file), join(out, 'web', file));
  // Its exports name modules only; the bundle for a plain script tag stands beside them.
  const webchat = join(root, 'node_modules/botframework-webchat/dist/webchat-minimal.js');
  await writeFile(join(out, 'web/webchat.js'), withoutSourceMap(await readFile(webchat, 'utf8')));
  await pack(join(out, 'web'), ['chat.js', 'chat.css', 'embed.js', 'webchat.js']);
  await replace(target, out);
}

/** The code of a bot's actions; a bot whose actions are all called over HTTP has none. */
function actionsOf(bot: string): Plugin {
  return {
    name: 'bot',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^#bot$/ }, () => {
        const file = join(bot, 'index.ts');
        return existsSync(file) ? { path: file } : { path: 'no actions', namespace: 'bot' };
      });
      onLoad({ filter: /.*/, namespace: 'bot' }, () => ({ contents: 'export const actions = {};' }));
    },
  };
}

/** The same files as browsers take them: a phone on a train loads 2 MB in a quarter of the bytes. */
async function pack(folder: string, names: string[]): Promise<void> {
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } };
  await Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(join(folder, name));
      await writeFile(join(folder, `${name}.br`), await promisify(brotliCompress)(bytes, quality));
      await writeFile(join(folder, `${name}.gz`), await promisify(gzip)(bytes));
    }),
  );
}

/** What the gateway serves of a bot; one that runs takes it over within a second (functions/services/bot.ts). */
export async function writeContent(app: string, content: Content): Promise<void> {
  const file = join(app, 'bot.json');
  await writeFile(`${file}.${process.pid}`, JSON.stringify(served(content)));
  await rename(`${file}.${process.pid}`, file);
}

/** They have native parts or load files beside themselves. */
const OUTSIDE = ['onnxruntime-node', 'sharp', 'pino'];

export async function buildInference(target = join(root, 'dist/inference-container')): Promise<void> {
  const out = draft(target);
  await rm(out, { recursive: true, force: true });
  await build({
    entryPoints: {
      main: join(root, 'inference-container/main.ts'),
      worker: join(root, 'inference-container/models/worker.ts'),
      front: join(root, 'inference-container/http/front.ts'),
    },
    outdir: out,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    logLevel: 'error',
    external: OUTSIDE,
    banner: { js: REQUIRE },
    define: { __filename: '__bundleFilename', __dirname: '__bundleDirname' },
  });
  // What the bundle leaves outside, and what that needs, at the versions of the lock file; npm drops the rest of it.
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'));
  const dependencies = Object.fromEntries(OUTSIDE.map((name) => [name, lock.packages[`node_modules/${name}`].version]));
  const description = { name: 'maru-inference', private: true, type: 'module', main: 'main.js', dependencies };
  await writeFile(join(out, 'package.json'), `${JSON.stringify(description, null, 2)}\n`);
  const { name } = description;
  const locked = { ...lock, name, version: undefined, packages: { ...lock.packages, '': { name, dependencies } } };
  await writeFile(join(out, 'package-lock.json'), `${JSON.stringify(locked, null, 2)}\n`);
  await replace(target, out);
}

/** Where a build is made, beside what it replaces: somebody else may be running from that. */
function draft(target: string): string {
  return `${target}.${process.pid}`;
}

async function replace(target: string, out: string): Promise<void> {
  const old = `${out}.old`;
  await rename(target, old).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await rename(out, target);
  await rm(old, { recursive: true, force: true });
}

function withoutSourceMap(text: string): string {
  return text.replace(/\n\/\/# sourceMappingURL=.*(?:[\n\r\u2028\u2029]\s*)?$/, '\n');
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { bot: { type: 'string' }, help: { type: 'boolean', short: 'h' } } });
  if (values.help) {
    console.log(
      'npm run build [-- --bot <folder>]: dist/functions, with the bot of that folder, and dist/inference-container',
    );
    process.exit(0);
  }
  const bot = values.bot === undefined ? RETAILER : resolve(values.bot);
  await Promise.all([buildFunctions({ bot }), buildInference()]);
}
