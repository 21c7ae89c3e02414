import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import type { Content } from '../../functions/dialog/bot.ts';
import { served } from '../../functions/dialog/check.ts';
import { botFolder, RETAILER } from '../bot/folder.ts';
import { readFaqHeldOut, readHeldOut } from '../bot/held-out.ts';
import { draft, REQUIRE, replace, root } from './bundle.ts';
import { buildConsole } from './console.ts';
import { pack } from './pack.ts';

/**
 * Builds what is deployed: `dist/functions` (one bundle with host.json and the chat page; the Functions host loads it as
 * it is) and `dist/inference-container`. Bundled, because hundreds of small files are what a cold start costs most.
 */
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
    entryPoints: {
      index: join(root, 'functions/index.ts'),
      // Threads of a training.
      thread: join(root, 'functions/training/job/thread.ts'),
      member: join(root, 'functions/training/member.ts'),
    },
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
    // It has native parts; the app that trains has it beside itself.
    external: ['@azure/functions-core', 'onnxruntime-node'],
    plugins: [actionsOf(bot)],
  });
  await writeContent(out, content);
  // Read by releases alone: beside the content, which every cold start reads.
  const judged = { intents: readHeldOut(bot).map(({ text, intent }) => ({ text, intent })), faq: readFaqHeldOut(bot) };
  await writeFile(join(out, 'held-out.json'), JSON.stringify(judged));
  await cp(join(root, 'host.json'), join(out, 'host.json'));
  await cp(join(root, 'functions/training/kernels.wasm'), join(out, 'kernels.wasm'));
  await writeFile(
    join(out, 'package.json'),
    `${JSON.stringify({ name: 'maru-functions', private: true, type: 'module', main: 'index.js' }, null, 2)}\n`,
  );
  for (const file of ['index.html', 'chat.js', 'chat.css', 'embed.js', 'icon.svg'])
    await cp(join(root, 'functions/web', file), join(out, 'web', file));
  for (const file of ['index.html', 'pictures.js', 'pictures.css'])
    await cp(join(root, 'functions/web/pictures', file), join(out, 'web/pictures', file));
  // Its exports name modules only; the bundle for a plain script tag stands beside them.
  const webchat = join(root, 'node_modules/botframework-webchat/dist/webchat-minimal.js');
  await writeFile(join(out, 'web/webchat.js'), withoutSourceMap(await readFile(webchat, 'utf8')));
  await buildConsole(join(out, 'web/console'));
  await pack(join(out, 'web'), [
    ...['chat.js', 'chat.css', 'embed.js', 'webchat.js', 'pictures/pictures.js', 'pictures/pictures.css'],
  ]);
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

/** What the gateway serves of a bot; one that runs takes it over within a second (functions/services/bot.ts). */
export async function writeContent(app: string, content: Content): Promise<void> {
  // All of it is read by the console alone; what is served by every cold start.
  for (const [name, value] of [
    ['content.json', content],
    ['bot.json', served(content)],
  ] as const) {
    const file = join(app, name);
    await writeFile(`${file}.${process.pid}`, JSON.stringify(value));
    await rename(`${file}.${process.pid}`, file);
  }
}

function withoutSourceMap(text: string): string {
  return text.replace(/\n\/\/# sourceMappingURL=.*(?:[\n\r\u2028\u2029]\s*)?$/, '\n');
}
