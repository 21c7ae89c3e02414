import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildInference } from '../build/inference.ts';

/** The server's own layer, in a folder of its own. Returns the folder; `remove` it. */
export async function serverFiles(): Promise<{ folder: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'maru-server-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    await writeServer(folder, 'x64');
    return { folder, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/**
 * Writes what an image holds of the server: the build, and the production dependencies that it leaves outside, for Linux with glibc
 * on one kind of processor alone. Releases and the Dockerfile make it by this.
 * @public
 */
export async function writeServer(folder: string, cpu: 'x64' | 'arm64'): Promise<void> {
  await buildInference(folder);
  const npm = spawnSync(
    'npm',
    [
      'install',
      '--omit=dev',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--os=linux',
      `--cpu=${cpu}`,
      '--libc=glibc',
    ],
    { cwd: folder, encoding: 'utf8', timeout: 300_000 },
  );
  if (npm.status !== 0)
    throw new Error(`npm install of the server's dependencies failed:\n${npm.stderr.slice(-2_000)}`);
  const binaries = join(folder, 'node_modules/onnxruntime-node/bin/napi-v6');
  for (const platform of await readdir(binaries))
    if (platform !== 'linux') await rm(join(binaries, platform), { recursive: true });
  for (const other of await readdir(join(binaries, 'linux')))
    if (other !== cpu) await rm(join(binaries, 'linux', other), { recursive: true });
  // Written anew by each npm, and read by nobody.
  await rm(join(folder, 'node_modules/.package-lock.json'), { force: true });
}
