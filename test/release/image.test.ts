import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { beforeEach, describe, test } from 'node:test';
import { type Composed, compose, type NewLayer, withModels } from '../../functions/releases/image.ts';
import { LABEL, labelOf, releaseOf } from '../../functions/releases/label.ts';
import { pushBlob } from '../../functions/releases/push.ts';
import type { Image } from '../../functions/services/registry.ts';
import { scratch } from '../../scripts/release/runtime.ts';
import { useRegistry } from './registry.ts';
import { sha256, useTemporary } from './tar.ts';

const registry = useRegistry();
const temporary = useTemporary();
let serial = 0;
let name = '';
beforeEach(() => {
  // A repository for each test.
  name = `maru/test-${serial++}`;
  registry.it.door.seen = [];
  registry.it.door.rule = () => 'pass';
});

const uploads = () => registry.it.door.seen.filter((line) => /^POST .*\/blobs\/uploads\//.test(line)).length;

async function layer(kind: string, files: Record<string, string>): Promise<NewLayer> {
  const folder = temporary.next();
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  const place = kind === 'server' ? 'app' : `models/${kind.slice('model '.length)}/1.0.0`;
  return { kind, folders: { [place]: folder } };
}

interface Labelled {
  commit?: string;
  models: { name: string; version: string; checksum: string }[];
}
const models = (...names: string[]): Labelled => ({
  models: names.map((one) => ({ name: one, version: '1.0.0', checksum: 'sha256:1' })),
});

async function put(
  current: Image,
  added: NewLayer,
  label: Labelled = models(),
  tags = ['staging'],
): Promise<Composed & { image: Image }> {
  const repository = registry.it.repository(name);
  const composed = await compose(repository, current, [added], label, {
    tags,
    annotations: { 'org.opencontainers.image.version': '1' },
    progress: () => undefined,
  });
  return { ...composed, image: (await repository.image(composed.digest))! };
}

const kinds = ({ manifest }: Image) =>
  manifest.layers.map(({ annotations }) => (annotations as Record<string, string> | undefined)?.['dev.maru.layer']);
const layersOf = ({ manifest }: Image) => manifest.layers.map(({ digest }) => digest);

describe('composing an image', () => {
  test('a server from nothing: what is run, what it says it is, and its label', async () => {
    const server = await layer('server', { 'main.js': 'serve()' });
    const { image, digest, release, uploaded, bytes } = await put(scratch, server, { commit: 'abc', ...models() });
    assert.ok(uploaded);
    assert.equal(image.digest, digest);
    assert.deepEqual(kinds(image), ['server']);
    assert.equal(image.manifest.layers[0]!.size, bytes);
    const { config, rootfs, os, architecture } = image.config;
    assert.deepEqual([os, architecture], ['linux', 'amd64']);
    assert.deepEqual([config?.Entrypoint, config?.Cmd, config?.WorkingDir], [['node'], ['main.js'], '/app']);
    assert.equal(rootfs.diff_ids.length, 1);
    assert.equal(releaseOf(image), release);
    assert.equal(release, sha256(rootfs.diff_ids.join()));
    assert.deepEqual(labelOf(image), { commit: 'abc', models: [] });
    assert.equal(image.manifest.annotations?.['org.opencontainers.image.version'], '1');
    assert.equal(await registry.it.repository(name).resolve('staging'), digest);
  });

  test('the same again: same digest, and nothing is uploaded', async () => {
    const files = { 'main.js': 'serve()' };
    const first = await put(scratch, await layer('server', files), models(), ['staging', 'server']);
    registry.it.door.seen = [];
    const again = await put(scratch, await layer('server', files), models(), ['staging', 'server']);
    assert.equal(again.digest, first.digest);
    assert.equal(again.uploaded, false);
    const onto = await put(first.image, await layer('server', files), models(), ['staging', 'server']);
    assert.equal(onto.digest, first.digest);
    assert.equal(onto.uploaded, false);
    assert.equal(uploads(), 0);
  });

  test('base, server, then models by name, in whatever order they are added', async () => {
    const [server, a, b] = [
      await layer('server', { 'main.js': '1' }),
      await layer('model a', { 'model.onnx': 'a' }),
      await layer('model b', { 'model.onnx': 'b' }),
    ];
    const digests: string[] = [];
    for (const order of [
      [server, a, b],
      [b, server, a],
      [a, b, server],
    ]) {
      let image = scratch;
      for (const added of order) ({ image } = await put(image, added, models('a', 'b')));
      assert.deepEqual(kinds(image), ['server', 'model a', 'model b']);
      digests.push(image.digest);
    }
    assert.equal(new Set(digests).size, 1);
  });

  test('a new version of a model replaces its layer alone, and uploads nothing else', async () => {
    let { image } = await put(scratch, await layer('server', { 'main.js': '1' }));
    for (const one of ['a', 'b'])
      ({ image } = await put(image, await layer(`model ${one}`, { 'model.onnx': one }), models('a', 'b')));
    registry.it.door.seen = [];
    const next = await put(image, await layer('model a', { 'model.onnx': 'a, better' }), models('a', 'b'));
    assert.deepEqual(kinds(next.image), ['server', 'model a', 'model b']);
    const [before, now] = [layersOf(image), layersOf(next.image)];
    assert.deepEqual([now[0], now[2]], [before[0], before[2]]);
    assert.notEqual(now[1], before[1]);
    assert.equal(uploads(), 2, 'its layer and the config');
    assert.notEqual(next.release, releaseOf(image));
    assert.equal(next.image.config.config?.Env?.filter((entry) => entry.startsWith('RELEASE=')).length, 1);
    assert.equal(next.image.config.rootfs.diff_ids.length, 3);
  });

  test('a new server keeps the layers of the models', async () => {
    let { image } = await put(scratch, await layer('server', { 'main.js': '1' }));
    ({ image } = await put(image, await layer('model a', { 'model.onnx': 'a' }), models('a')));
    const next = await put(image, await layer('server', { 'main.js': '2' }), models('a'));
    assert.deepEqual(kinds(next.image), ['server', 'model a']);
    assert.equal(layersOf(next.image)[1], layersOf(image)[1]);
    assert.notEqual(layersOf(next.image)[0], layersOf(image)[0]);
  });

  test('a new server on another base keeps the layers of the models, each once', async () => {
    let { image } = await put(scratch, await layer('server', { 'main.js': '1' }));
    for (const one of ['a', 'b'])
      ({ image } = await put(image, await layer(`model ${one}`, { 'model.onnx': one }), models('a', 'b')));
    const server = await layer('server', { 'main.js': '2' });
    for (const base of [scratch, image]) {
      const next = await put(withModels(base, image), server, models('a', 'b'));
      assert.deepEqual(kinds(next.image), ['server', 'model a', 'model b']);
      assert.deepEqual(layersOf(next.image).slice(1), layersOf(image).slice(1));
    }
  });

  test('layers of a base stay below, in their order, and get OCI names', async () => {
    const repository = registry.it.repository(name);
    const bases = ['base 1', 'base 2'].map((text) => Buffer.from(text));
    for (const bytes of bases) await pushBlob(repository, sha256(bytes), () => Readable.from([bytes]));
    const base: Image = {
      ...scratch,
      manifest: {
        ...scratch.manifest,
        layers: bases.map((bytes) => ({
          mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
          digest: sha256(bytes),
          size: bytes.length,
        })),
      },
      config: {
        ...scratch.config,
        config: { ...scratch.config.config, Env: ['PATH=/usr/bin', 'RELEASE=of-the-base'], Labels: { of: 'the base' } },
        rootfs: { type: 'layers', diff_ids: bases.map((_, index) => sha256(`diff ${index}`)) },
      },
    };
    const { image, release } = await put(base, await layer('server', { 'main.js': '1' }));
    assert.deepEqual(kinds(image), [undefined, undefined, 'server']);
    assert.deepEqual(layersOf(image).slice(0, 2), layersOf(base));
    for (const { mediaType } of image.manifest.layers)
      assert.equal(mediaType, 'application/vnd.oci.image.layer.v1.tar+gzip');
    assert.deepEqual(image.config.config?.Env, ['PATH=/usr/bin', `RELEASE=${release}`]);
    assert.equal(image.config.config?.Labels?.of, 'the base');
    assert.ok(image.config.config?.Labels?.[LABEL]);
  });

  test('an image with another number of diff ids than layers is not extended', async () => {
    const { image } = await put(scratch, await layer('server', { 'main.js': '1' }));
    const broken = { ...image, config: { ...image.config, rootfs: { type: 'layers' as const, diff_ids: [] } } };
    registry.it.door.seen = [];
    await assert.rejects(put(broken, await layer('server', { 'main.js': '2' })), /diff id/);
    assert.equal(uploads(), 0);
  });

  test('progress goes up to the size of the layer', async () => {
    const seen: number[] = [];
    const added = await layer('server', { 'main.js': 'x'.repeat(1_000_000), random: crypto.randomUUID() });
    const { bytes } = await compose(registry.it.repository(name), scratch, [added], models(), {
      tags: ['server'],
      annotations: {},
      progress: (sent, of) => {
        seen.push(sent);
        assert.ok(sent <= of);
      },
    });
    assert.equal(seen.at(-1), bytes);
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => a - b),
    );
  });

  test('an upload that breaks off is begun anew', async () => {
    let broken = 0;
    registry.it.door.rule = ({ method, path }) =>
      // What a registry answers to a chunk that it has already: its first answer was lost.
      method === 'PATCH' && path.includes('/blobs/uploads/') && broken++ === 0
        ? { status: 404, body: '{"errors":[{"code":"BLOB_UPLOAD_INVALID"}]}' }
        : 'pass';
    const { image, uploaded } = await put(scratch, await layer('server', { 'main.js': crypto.randomUUID() }));
    assert.ok(broken > 1);
    assert.ok(uploaded);
    assert.deepEqual(kinds(image), ['server']);
  });

  test('nothing stays in the temporary folder, also where the registry refuses', async () => {
    const drafts = async () =>
      (await readdir(process.env.TMPDIR ?? '/tmp')).filter((entry) => entry.startsWith('maru-layer-'));
    const before = await drafts();
    registry.it.door.rule = ({ method }) => (method === 'POST' ? { status: 403, body: '{}' } : 'pass');
    await assert.rejects(put(scratch, await layer('server', { 'main.js': crypto.randomUUID() })));
    assert.deepEqual(await drafts(), before);
  });
});

describe('reading a registry', () => {
  const repository = () => registry.it.repository(name);

  test('what is not there is undefined, by tag, digest and blob', async () => {
    assert.equal(await repository().resolve('staging'), undefined);
    assert.equal(await repository().image('staging'), undefined);
    assert.equal(await repository().image(sha256('nothing')), undefined);
    assert.equal(await repository().size(sha256('nothing')), undefined);
    await assert.rejects(repository().blob(sha256('nothing')), /404/);
  });

  test('of an index, the image for linux/amd64', async () => {
    const { image } = await put(scratch, await layer('server', { 'main.js': '1' }));
    const entry = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: image.digest, size: 1_000 };
    const index = (platform: object) =>
      Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: 'application/vnd.oci.image.index.v1+json',
          manifests: [{ ...entry, platform }],
        }),
      );
    const push = (bytes: Buffer, tag: string) =>
      repository().content.setManifest(bytes, { tag, mediaType: 'application/vnd.oci.image.index.v1+json' as never });
    await push(index({ os: 'linux', architecture: 'amd64' }), 'index');
    await push(index({ os: 'linux', architecture: 'arm64' }), 'other');
    assert.equal((await repository().image('index'))?.digest, image.digest);
    assert.equal(await repository().image('other'), undefined);
  });

  test('bytes that are not those of the digest are an error, and end nothing but the reading', async () => {
    const { image } = await put(scratch, await layer('server', { 'main.js': '1' }));
    const { digest } = image.manifest.config;
    registry.it.door.rule = ({ method, path }) =>
      method === 'GET' && path.includes(digest) ? { status: 200, body: '{"architecture":"amd64"}' } : 'pass';
    await assert.rejects(repository().image(image.digest), /the registry sent sha256:/);
    registry.it.door.rule = ({ method, path }) =>
      method === 'GET' && path.includes('/manifests/') ? { status: 200, body: '{"schemaVersion":2}' } : 'pass';
    await assert.rejects(repository().image(image.digest));
  });

  test('a config or a manifest is measured as it comes, whatever is said of its size', async () => {
    const { image, digest } = await put(scratch, await layer('server', { 'main.js': '1' }));
    const huge = JSON.stringify({ padding: 'x'.repeat(5_000_000) });
    for (const [path, what] of [
      [`/blobs/${image.manifest.config.digest}`, 'config'],
      ['/manifests/', 'manifest'],
    ] as const) {
      registry.it.door.rule = ({ method, path: asked }) =>
        method === 'GET' && asked.includes(path) ? { status: 200, body: huge } : 'pass';
      await assert.rejects(repository().image(digest), new RegExp(`${what} has more than \\d+ bytes`), what);
    }
  });

  test('a config that is said to be huge is not read', async () => {
    const { image } = await put(scratch, await layer('server', { 'main.js': '1' }));
    const manifest = { ...image.manifest, config: { ...image.manifest.config, size: 5_000_000 } };
    const body = JSON.stringify(manifest);
    registry.it.door.rule = ({ method, path }) =>
      method === 'GET' && path.includes('/manifests/')
        ? {
            status: 200,
            body,
            headers: {
              'content-type': 'application/vnd.oci.image.manifest.v1+json',
              'docker-content-digest': sha256(body),
            },
          }
        : 'pass';
    registry.it.door.seen = [];
    await assert.rejects(repository().image(sha256(body)), /5000000 bytes/);
    assert.ok(!registry.it.door.seen.some((line) => line.includes('/blobs/')));
  });
});
