import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { draft, REQUIRE, replace, root } from './bundle.ts';

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
