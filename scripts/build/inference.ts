import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { draft, REQUIRE, replace, root } from './bundle.ts';
import { writeDependencies } from './dependencies.ts';

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
  await writeDependencies(out, { name: 'maru-inference', private: true, type: 'module', main: 'main.js' }, OUTSIDE);
  await replace(target, out);
}
