import assert from 'node:assert/strict';
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { packLayer } from '../../functions/releases/layer.ts';
import { LAYER, pushBlob, pushImage } from '../../functions/releases/push.ts';
import { environment } from '../../inference-container/environment.ts';
import { unpackImage } from '../../scripts/local/image.ts';
import { freePort } from '../../scripts/local/ports.ts';
import { runtime, scratch } from '../../scripts/release/runtime.ts';
import { plus } from '../inference-container/models.ts';
import { useRegistry } from './registry.ts';
import { useTemporary } from './tar.ts';

const repository = join(import.meta.dirname, '../..');
const registry = useRegistry();
const temporary = useTemporary();
const run = promisify(execFile);

/** Whatever a base says: Node's own image is shaped so, and one that somebody made of it says more. */
const ofTheBase = {
  User: 'root',
  Env: ['PATH=/opt/bin:/usr/local/bin', 'NODE_VERSION=24.9.0', 'NODE_OPTIONS=--no-such-option', 'MODEL_DIR=/elsewhere'],
  Entrypoint: ['docker-entrypoint.sh'],
  Cmd: ['node'],
  WorkingDir: '/home/node',
  Labels: { maintainer: 'somebody' },
  Volumes: { '/app': {} },
};

/** Node with the libraries that it and the native packages need, as a base image has them. */
async function pushBase(tag: string): Promise<void> {
  const folder = temporary.next();
  const onnx = join(repository, 'node_modules/onnxruntime-node/bin/napi-v6/linux', process.arch);
  const native = [process.execPath, ...(await readdir(onnx)).map((file) => join(onnx, file))];
  const needed = native.flatMap((file) => {
    const lines = execFileSync('ldd', [file], { encoding: 'utf8' }).split('\n');
    return lines.map((line) => /(?:=> |^\t)(\/\S+) \(/.exec(line)?.[1]).filter((path) => path !== undefined);
  });
  for (const path of new Set(needed)) {
    if (path.startsWith(repository)) continue;
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await cp(path, join(folder, path), { dereference: true });
  }
  await mkdir(join(folder, 'usr/local/bin'), { recursive: true });
  await cp(process.execPath, join(folder, 'usr/local/bin/node'));
  for (const place of ['proc', 'dev', 'tmp']) await mkdir(join(folder, place));
  const file = temporary.next();
  const tops = Object.fromEntries((await readdir(folder)).map((top) => [top, join(folder, top)]));
  const { digest, diffId, size } = await packLayer(tops, createWriteStream(file));
  await pushBlob(registry.it.repository(), digest, () => createReadStream(file));
  await pushImage(
    registry.it.repository(),
    {
      architecture: 'amd64',
      os: 'linux',
      config: ofTheBase,
      rootfs: { type: 'layers', diff_ids: [diffId] },
    },
    [{ mediaType: LAYER, digest, size }],
    {},
    [tag],
  );
}

async function release(...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, ['scripts/release/index.ts', ...args], {
    cwd: repository,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, REGISTRY_URL: registry.it.door.url },
  });
  return stdout;
}

/** Where a container's walls can't be had, a released image can't be started as one. */
const walls = (() => {
  try {
    execFileSync('unshare', ['--mount', 'true'], { stdio: 'ignore' });
    return process.arch === 'x64' ? false : 'releases are for x64';
  } catch {
    return 'needs the rights to mount (root)';
  }
})();

describe('a released server on a base with settings of its own', { skip: walls }, () => {
  let root = '';
  let config: Record<string, unknown> = {};
  let child: ChildProcess;
  let url = '';
  let said = '';

  before(async () => {
    await pushBase('node-24');
    await release('--server', '--base', 'node-24');
    const model = join(temporary.next(), 'plus/1');
    await mkdir(model, { recursive: true });
    await writeFile(join(model, 'model.onnx'), plus(1));
    await writeFile(join(model, 'model.json'), JSON.stringify({ name: 'plus', version: '1' }));
    await release(model);
    const digest = await registry.it.repository().resolve('staging');
    const unpacked = await unpackImage(registry.it.repository(), digest!, temporary.next());
    root = unpacked.root;
    // Unpacked for whoever runs the platform on this machine alone.
    await chmod(root, 0o755);
    config = unpacked.config.config ?? {};
    const { Env, Entrypoint, Cmd, WorkingDir, User } = config as typeof runtime;
    const [user, group] = User.split(':');
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    // Files read-only, /tmp in memory, as a web app for containers or a cluster with a read-only root has it.
    const mounts = [
      '/usr/bin/mount --bind "$0" "$0"',
      '/usr/bin/mount --rbind /dev "$0/dev" && /usr/bin/mount -t proc proc "$0/proc"',
      '/usr/bin/mount -t tmpfs -o mode=1777 tmpfs "$0/tmp"',
      '/usr/bin/mount -o remount,bind,ro "$0"',
      'exec /usr/bin/unshare --root="$0" "$@"',
    ].join(' && ');
    child = spawn(
      '/usr/bin/unshare',
      ['--mount', '/bin/sh', '-c', mounts, root, `--wd=${WorkingDir}`, `--setgid=${group}`, `--setuid=${user}`].concat(
        '--',
        Entrypoint,
        Cmd,
      ),
      {
        // Nothing but what the image says, and the port of this test.
        env: Object.fromEntries([...Env, `PORT=${port}`].map((entry) => entry.split(/=(.*)/s).slice(0, 2))),
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (bytes) => {
        said += bytes;
      });
    for (let tries = 0; ; tries += 1) {
      const answer = await fetch(`${url}/v2/health/ready`).catch(() => null);
      if (answer?.ok) break;
      assert.equal(child.exitCode, null, `it ended by itself:\n${said}`);
      assert.ok(tries < 600, `it is not ready:\n${said}`);
      await new Promise((done) => setTimeout(done, 50));
    }
  });
  after(() => child?.kill('SIGKILL'));

  test('says how it is run by itself: of the base only where programs are', () => {
    const { Labels, Env, ...said } = config as { Labels: object; Env: string[] };
    const { Env: own, ...others } = runtime;
    assert.deepEqual(said, others);
    assert.deepEqual(
      Env.filter((entry) => !entry.startsWith('RELEASE=')),
      [ofTheBase.Env[0], ...own],
    );
    assert.deepEqual(Object.keys(Labels), ['dev.maru.release']);
  });

  test('started exactly so, as its user and with read-only files, it answers and says its release', async () => {
    const answer = await fetch(`${url}/v2/models/plus/infer`, {
      method: 'POST',
      body: JSON.stringify({ inputs: [{ name: 'x', datatype: 'INT64', shape: [2], data: [41, 1] }] }),
    });
    const { outputs } = (await answer.json()) as { outputs: { data: number[] }[] };
    assert.deepEqual(outputs[0]?.data, [42, 2]);
    const { release } = (await (await fetch(`${url}/v2`)).json()) as { release: string };
    assert.ok((config.Env as string[]).includes(`RELEASE=${release}`));
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
    assert.match(status, /^Uid:\s+1000\s+1000/m);
    assert.match(await readFile(`/proc/${child.pid}/mounts`, 'utf8'), /^\S+ \/ \S+ ro\b/m);
  });

  test('has the files of no other platform', async () => {
    const binaries = join(root, 'app/node_modules/onnxruntime-node/bin/napi-v6');
    assert.deepEqual(await readdir(binaries), ['linux']);
    assert.deepEqual(await readdir(join(binaries, 'linux')), ['x64']);
    const images = (await readdir(join(root, 'app/node_modules/@img'))).filter((name) => name.startsWith('sharp-'));
    assert.deepEqual(images.sort(), ['sharp-libvips-linux-x64', 'sharp-linux-x64']);
  });

  test('ends when it is asked to', async () => {
    const ended = new Promise<number | null>((done) => child.once('exit', done));
    child.kill('SIGTERM');
    assert.equal(await ended, 0);
  });
});

describe('the Dockerfile', () => {
  const lines = readFile(join(repository, 'inference-container/Dockerfile'), 'utf8').then((text) =>
    text
      .replaceAll('\\\n', ' ')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#')),
  );
  const stages = async () => {
    const all = await lines;
    const second = all.findLastIndex((line) => line.startsWith('FROM '));
    return { build: all.slice(0, second), image: all.slice(second) };
  };
  const after = (all: string[], word: string) =>
    all.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));

  test('makes an image that says of itself what a released one says', async () => {
    const { image } = await stages();
    assert.deepEqual(after(image, 'ENV').join(' ').split(' '), runtime.Env);
    assert.deepEqual(after(image, 'WORKDIR'), [runtime.WorkingDir]);
    assert.deepEqual(after(image, 'USER'), [runtime.User]);
    assert.deepEqual(after(image, 'EXPOSE'), Object.keys(runtime.ExposedPorts));
    assert.deepEqual(after(image, 'ENTRYPOINT'), [JSON.stringify(runtime.Entrypoint)]);
    assert.deepEqual(after(image, 'CMD').at(-1), JSON.stringify(runtime.Cmd));
    for (const [name, value] of Object.entries(environment)) assert.ok(runtime.Env.includes(`${name}=${value}`));
    assert.deepEqual(scratch.config.config?.Env, runtime.Env);
  });

  test('has everything in its build stage that the build reads', async () => {
    const { build } = await stages();
    const folder = temporary.next();
    const ignored = (await readFile(join(repository, '.dockerignore'), 'utf8')).split('\n');
    for (const copied of after(build, 'COPY')) {
      const names = copied.split(' ');
      const into = join(folder, names.pop()!);
      for (const name of names) {
        const listed = ignored.some(
          (line) => line === `!${name}` || (line.startsWith('!') && name.startsWith(`${line.slice(1)}/`)),
        );
        assert.ok(listed, `.dockerignore lets ${name} through`);
        const file = names.length > 1 || into.endsWith('/') || !name.includes('/') ? join(into, basename(name)) : into;
        await cp(join(repository, name), name.includes('.') ? file : into, { recursive: true });
      }
    }
    // npm says what it would install: a flag too many, and what bundles the server is not among it.
    const [, flags] = /&& npm install ([^"&]+?)\s+"esbuild@/.exec(
      build.find((line) => line.startsWith('RUN npm ci'))!,
    )!;
    const { version } = JSON.parse(await readFile(join(repository, 'node_modules/esbuild/package.json'), 'utf8'));
    const { stdout } = await run(
      'npm',
      ['install', ...flags!.trim().split(/\s+/), '--dry-run', '--json', `esbuild@${version}`],
      { cwd: folder },
    );
    assert.match(stdout, /^add esbuild /m, `npm install ${flags} adds nothing`);
    await run('ln', ['-s', join(repository, 'node_modules'), join(folder, 'node_modules')]);
    const last = build.findLast((line) => line.startsWith('RUN node '))!;
    const script = /--eval "(.+)"$/.exec(last)![1]!.replace("'/app'", JSON.stringify(join(folder, 'app')));
    await run(process.execPath, ['--input-type=module', '--eval', script], { cwd: folder });
    assert.ok((await readdir(join(folder, 'app'))).includes('main.js'));
    assert.deepEqual(await readdir(join(folder, 'app/node_modules/onnxruntime-node/bin/napi-v6/linux')), [
      process.arch,
    ]);
  });
});
