import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installDependencies } from '../build/dependencies.ts';
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
  await installDependencies(folder, cpu);
}
