import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { build } from 'esbuild';
import { root } from './bundle.ts';
import { pack } from './pack.ts';

const source = join(root, 'functions/web/console');

/**
 * Builds the console's pages into a folder: `index.html`, and scripts and styles in `assets/` with what is in them in their names, so
 * that browsers keep them for ever. A page's own script is loaded when the page is opened.
 */
export async function buildConsole(target: string): Promise<void> {
  await mkdir(join(target, 'assets'), { recursive: true });
  const { metafile } = await build({
    entryPoints: [join(source, 'main.tsx'), join(source, 'style.css')],
    outdir: join(target, 'assets'),
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    assetNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    metafile: true,
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    logLevel: 'error',
  });
  const made = Object.entries(metafile.outputs).map(([file, { entryPoint }]) => ({ name: basename(file), entryPoint }));
  const of = (entry: string) => made.find(({ entryPoint }) => entryPoint?.endsWith(`/${entry}`))!.name;
  const html = await readFile(join(source, 'index.html'), 'utf8');
  await writeFile(
    join(target, 'index.html'),
    html.replace('{{style}}', of('style.css')).replace('{{main}}', of('main.tsx')),
  );
  await pack(
    join(target, 'assets'),
    made.map(({ name }) => name),
  );
}
