import { mkdir, mkdtemp, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { checksum } from '../../inference-container/models/checksum.ts';
import type { Manifest } from '../../inference-container/models/manifest.ts';
import { readManifest } from '../../inference-container/models/package.ts';
import { isVersion, VERSION_RULE } from '../../inference-container/models/version.ts';
import { startServer } from '../../inference-container/server.ts';
import { parseSettings } from '../../inference-container/settings.ts';

/** A model package that was checked as far as it can be before it is pushed. */
export interface CheckedPackage {
  folder: string;
  manifest: Manifest;
  /** Of all its files. */
  checksum: string;
}

/** What is wrong with a package; nothing was pushed. */
export class PackageError extends Error {}

const READY_MS = 60_000;

/**
 * Checks a model package `<name>/<version>`: its description, its checksums, that ONNX Runtime loads it, and that it gives
 * its golden answers, all by the server that will serve it. Throws {@link PackageError}.
 */
export async function checkPackage(given: string): Promise<CheckedPackage> {
  const folder = resolve(given);
  const manifest = await describe(folder);
  for (const [file, sum] of Object.entries(manifest.files)) {
    const actual = await checksum(join(folder, file)).catch(() => null);
    if (actual === null) throw new PackageError(`${file} is missing from ${given}`);
    if (actual !== sum) throw new PackageError(`${file} is not what model.json says: ${actual} instead of ${sum}`);
  }
  await answers(folder, manifest);
  return { folder, manifest, checksum: await checksum(join(folder, 'model.onnx')) };
}

async function describe(folder: string): Promise<Manifest> {
  if (!(await stat(join(folder, 'model.onnx')).catch(() => null)))
    throw new PackageError(`${folder} has no model.onnx; give the folder of one version, <name>/<version>`);
  const [name, version] = [basename(dirname(folder)), basename(folder)];
  if (!isVersion(version)) throw new PackageError(`${version} would not be served: ${VERSION_RULE}`);
  try {
    return await readManifest(folder, name, version);
  } catch (error) {
    throw new PackageError(error instanceof Error ? error.message : String(error));
  }
}

/** Serves the package for a moment, and asks its golden cases. */
async function answers(folder: string, { name, version, task, golden }: Manifest): Promise<void> {
  // A repository of nothing but this version.
  const repository = await mkdtemp(join(tmpdir(), 'maru-release-'));
  await mkdir(join(repository, name));
  // A junction, where there is such a thing: Windows makes links of other kinds for administrators alone.
  await symlink(resolve(folder), join(repository, name, version), 'junction');
  const settings = parseSettings({
    PORT: '0',
    HOST: '127.0.0.1',
    MODEL_DIR: repository,
    MODEL_WATCH_SECONDS: '0',
    // It lies there whole.
    MODEL_SETTLE_SECONDS: '0',
    LOG_LEVEL: 'silent',
  });
  const server = await startServer(settings, {
    count: 1,
    script: new URL('../../inference-container/models/worker.ts', import.meta.url),
  });
  const url = `http://127.0.0.1:${server.port}`;
  try {
    await served(url, name, version);
    if (task === 'tensor') return;
    for (const [index, { input, output }] of golden.entries()) {
      const response = await fetch(`${url}/v1/models/${name}:predict`, {
        method: 'POST',
        body: JSON.stringify({ instances: [input] }),
      });
      const body = (await response.json()) as { predictions?: [{ label?: string }]; error?: string };
      const expected = (output as { label?: string }).label;
      const label = body.predictions?.[0]?.label;
      if (label !== expected)
        throw new PackageError(`golden case ${index}: the model answers ${label ?? body.error}, not ${expected}`);
    }
  } finally {
    await server.stop();
    await rm(repository, { recursive: true, force: true });
  }
}

async function served(url: string, name: string, version: string): Promise<void> {
  const end = Date.now() + READY_MS;
  while (Date.now() < end) {
    const response = await fetch(`${url}/v2/repository/index`, { method: 'POST' });
    const index = (await response.json()) as { name: string; version: string; state: string; reason: string }[];
    const entry = index.find((one) => one.name === name && one.version === version);
    if (entry?.state === 'READY') return;
    if (entry?.state === 'UNAVAILABLE') throw new PackageError(`the model can't be served: ${entry.reason}`);
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new PackageError(`the model was not served within ${READY_MS / 1_000} s`);
}
