import { access, constants, copyFile, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { threadId } from 'node:worker_threads';

/** Below the cache: copies of what is mapped, a folder a version, named by the process whose they are. */
const FOLDER = '.mapped';
let serial = 0;

/**
 * Where a version's mapped files are copied to before they are mapped. What is mapped from where it lies changes as it is written over, and
 * a file that is cut off ends the process. Null: nobody here can write to it, as in an image, so that it is mapped as it lies.
 */
export async function copyFor(cache: string, folder: string): Promise<string | null> {
  try {
    await access(join(folder, 'model.onnx'), constants.W_OK);
  } catch {
    return null;
  }
  serial += 1;
  return join(cache, FOLDER, `${process.pid}-${serial}`);
}

/** Copies files once, whichever thread comes first; where they are then. Where there is no room for a copy, it is where they lie. */
export async function copied(folder: string, files: string[], target: string): Promise<string> {
  if (await exists(target)) return target;
  const draft = `${target}.${threadId}`;
  try {
    for (const file of files) {
      await mkdir(dirname(join(draft, file)), { recursive: true });
      await copyFile(join(folder, file), join(draft, file), constants.COPYFILE_FICLONE);
    }
    await rename(draft, target);
    return target;
  } catch {
    // Another thread was faster, or the cache can't be written.
    return (await exists(target)) ? target : folder;
  } finally {
    await rm(draft, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Removes what processes that are gone have left. */
export async function removeLeft(cache: string): Promise<void> {
  const names = await readdir(join(cache, FOLDER)).catch(() => []);
  for (const name of names)
    if (!isAlive(Number(name.split('-')[0]))) await rm(join(cache, FOLDER, name), { recursive: true, force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
