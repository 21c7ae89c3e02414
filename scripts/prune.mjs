// After `npm ci`: removes what packages bring for others, a third of node_modules. Plain JavaScript for Node 20+, on any platform.
import { readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** Removes it below `root`/node_modules; what is not there is no error. */
export function prune(root, { platform, arch } = process) {
  const modules = join(root, 'node_modules');
  const remove = (...path) => rmSync(join(modules, ...path), { recursive: true, force: true });
  // ONNX Runtime of other platforms: a release takes its own from a package of its own (scripts/release/server.ts).
  const binaries = ['onnxruntime-node', 'bin', 'napi-v6'];
  for (const name of namesIn(join(modules, ...binaries)))
    if (name !== platform) remove(...binaries, name);
    else
      for (const other of namesIn(join(modules, ...binaries, name)))
        if (other !== arch) remove(...binaries, name, other);
  // CUDA's, which the package's script fetches where npm runs it: models run on the CPU.
  for (const name of namesIn(join(modules, ...binaries, platform, arch)))
    if (/providers_(cuda|tensorrt)/.test(name)) remove(...binaries, platform, arch, name);
  // The chat page is made of one file of Web Chat.
  const webchat = ['botframework-webchat', 'dist'];
  for (const name of namesIn(join(modules, ...webchat))) if (name !== 'webchat-minimal.js') remove(...webchat, name);
  // Headers for compiling native packages, of which there are none.
  const nodes = ['node', 'node_modules'];
  for (const name of namesIn(join(modules, ...nodes))) if (name.startsWith('node-')) remove(...nodes, name, 'include');
  // AssemblyScript compiles by the library: its nine tools are as much as all of Azure's SDKs.
  remove('binaryen', 'bin');
  removeMaps(modules);
}

/** Source maps of packages: nobody steps through them. */
function removeMaps(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) removeMaps(path);
    else if (/\.[cm]?[jt]s\.map$/.test(entry.name)) rmSync(path);
  }
}

function namesIn(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  prune(join(dirname(fileURLToPath(import.meta.url)), '..'));
