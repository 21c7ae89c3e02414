import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildInference } from '../build.ts';

/**
 * What the server's own layer holds, in a folder of its own: the build, and the production dependencies that it leaves
 * outside, for linux/x64 alone. Returns the folder; `remove` it.
 */
export async function serverFiles(): Promise<{ folder: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'maru-server-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
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
        '--cpu=x64',
        '--libc=glibc',
      ],
      { cwd: folder, encoding: 'utf8', timeout: 300_000 },
    );
    if (npm.status !== 0)
      throw new Error(`npm install of the server's dependencies failed:\n${npm.stderr.slice(-2_000)}`);
    const binaries = join(folder, 'node_modules/onnxruntime-node/bin/napi-v6');
    for (const platform of await readdir(binaries))
      if (platform !== 'linux') await rm(join(binaries, platform), { recursive: true });
    await rm(join(binaries, 'linux/arm64'), { recursive: true, force: true });
    // Written anew by each npm, and read by nobody.
    await rm(join(folder, 'node_modules/.package-lock.json'), { force: true });
    return { folder, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
