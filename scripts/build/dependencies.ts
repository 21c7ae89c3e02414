import { spawnSync } from 'node:child_process';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from './bundle.ts';

/** Says what a bundle leaves outside, and what that needs, at the versions of the lock file; npm drops the rest of it. */
export async function writeDependencies(
  folder: string,
  description: { name: string } & Record<string, unknown>,
  outside: readonly string[],
): Promise<void> {
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'));
  const dependencies = Object.fromEntries(outside.map((name) => [name, lock.packages[`node_modules/${name}`].version]));
  await writeFile(join(folder, 'package.json'), `${JSON.stringify({ ...description, dependencies }, null, 2)}\n`);
  const { name } = description;
  const locked = { ...lock, name, version: undefined, packages: { ...lock.packages, '': { name, dependencies } } };
  await writeFile(join(folder, 'package-lock.json'), `${JSON.stringify(locked, null, 2)}\n`);
}

/** Installs what {@link writeDependencies} says, for Linux with glibc on one kind of processor alone. */
export async function installDependencies(folder: string, cpu: 'x64' | 'arm64'): Promise<void> {
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
  if (npm.status !== 0) throw new Error(`npm install of the dependencies failed:\n${npm.stderr.slice(-2_000)}`);
  const binaries = join(folder, 'node_modules/onnxruntime-node/bin/napi-v6');
  for (const platform of await readdir(binaries))
    if (platform !== 'linux') await rm(join(binaries, platform), { recursive: true });
  for (const other of await readdir(join(binaries, 'linux')))
    if (other !== cpu) await rm(join(binaries, 'linux', other), { recursive: true });
  // Written anew by each npm, and read by nobody.
  await rm(join(folder, 'node_modules/.package-lock.json'), { force: true });
}
