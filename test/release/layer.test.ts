import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, lstat, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import * as tar from 'tar';
import { packLayer } from '../../functions/releases/layer.ts';
import { pathInside, unpackLayer } from '../../scripts/local/layer.ts';
import { device, file, folder, link, listing, sha256, tarOf, useTemporary } from './tar.ts';

const temporary = useTemporary();

/** Writes files by their paths, in the order that they are given. */
async function write(files: Record<string, string>): Promise<string> {
  const root = temporary.next();
  await mkdir(root);
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  return root;
}

async function pack(folders: Record<string, string>) {
  const out = `${temporary.next()}.tgz`;
  return { ...(await packLayer(folders, createWriteStream(out))), out };
}

async function entriesIn(tgz: string) {
  const entries: {
    path: string;
    mode: number;
    mtime: number;
    uid: number;
    gid: number;
    uname: string;
    type: string;
  }[] = [];
  await tar.t({
    file: tgz,
    onReadEntry: ({ path, mode, mtime, uid, gid, uname, type }) =>
      entries.push({ path, mode: mode!, mtime: mtime!.getTime(), uid: uid!, gid: gid!, uname: uname ?? '', type }),
  });
  return entries;
}

const LONG = `${'d'.repeat(60)}/${'e'.repeat(70)}/${'f'.repeat(120)}.json`;
const FILES = {
  'model.onnx': 'weights',
  'model.json': '{}',
  'sub/a': 'a',
  'sub-b/c': 'c',
  [LONG]: 'long',
  '설명서/읽어 보세요.md': '한국어',
  empty: '',
};

describe('packing', () => {
  test('same files, other times, modes and order: same digest', async () => {
    const one = await write(FILES);
    const two = await write(Object.fromEntries(Object.entries(FILES).reverse()));
    for (const path of Object.keys(FILES)) {
      await utimes(join(two, path), 1, 1_700_000_000 + path.length);
      await chmod(join(two, path), 0o600);
    }
    await chmod(join(two, 'sub'), 0o700);
    const [first, second] = [await pack({ 'models/m/1': one }), await pack({ 'models/m/1': two })];
    assert.equal(second.digest, first.digest);
    assert.equal(second.diffId, first.diffId);
    assert.equal(second.size, first.size);
  });

  test('the digests are those of the bytes', async () => {
    const { out, digest, diffId, size } = await pack({ app: await write(FILES) });
    const bytes = await readFile(out);
    assert.equal(sha256(bytes), digest);
    assert.equal(sha256(gunzipSync(bytes)), diffId);
    assert.equal(bytes.length, size);
  });

  test('another name, content, place or executable bit: another digest', async () => {
    const digests = [
      await pack({ app: await write({ a: '1' }) }),
      await pack({ app: await write({ a: '2' }) }),
      await pack({ app: await write({ b: '1' }) }),
      await pack({ application: await write({ a: '1' }) }),
    ].map(({ diffId }) => diffId);
    const executable = await write({ a: '1' });
    await chmod(join(executable, 'a'), 0o755);
    digests.push((await pack({ app: executable })).diffId);
    assert.equal(new Set(digests).size, digests.length);
  });

  test('entries are sorted by bytes, without times, owners and a leading dot', async () => {
    const { out } = await pack({ 'models/m/1': await write(FILES), app: await write({ z: '', B: '', a: '' }) });
    const entries = await entriesIn(out);
    const paths = entries.map(({ path }) => path);
    assert.deepEqual(
      paths,
      paths.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    );
    assert.deepEqual(paths.slice(0, 4), ['app/', 'app/B', 'app/a', 'app/z']);
    assert.ok(paths.includes('models/') && paths.includes('models/m/'), 'the folders above are there');
    for (const { mtime, uid, gid, uname, mode, type } of entries) {
      assert.deepEqual({ mtime, uid, gid, uname }, { mtime: 0, uid: 0, gid: 0, uname: '' });
      assert.equal(mode & 0o777, type === 'Directory' ? 0o755 : 0o644);
    }
  });

  test('GNU tar and unpackLayer read back what was packed: names over 100 bytes, Korean ones, links', async () => {
    const root = await write(FILES);
    await symlink('model.json', join(root, 'link'));
    await symlink(`sub/${'x'.repeat(150)}`, join(root, '링크'));
    const { out } = await pack({ place: root });
    const [ours, gnu] = [temporary.next(), temporary.next()];
    await mkdir(ours);
    await mkdir(gnu);
    await unpackLayer(createReadStream(out), ours, true);
    assert.equal(spawnSync('tar', ['-xzf', out, '-C', gnu]).status, 0);
    const wanted = await listing(root);
    assert.deepEqual(await listing(join(ours, 'place')), wanted);
    assert.deepEqual(await listing(join(gnu, 'place')), wanted);
  });

  test('any names of files come back, and twice the same', async () => {
    const name = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 60 })
      .filter(
        (text) => !/[/\0\\]/.test(text) && !/^\.\.?$/.test(text) && text.isWellFormed() && !text.startsWith('.wh.'),
      )
      .filter((text) => Buffer.byteLength(text) <= 200);
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(name, { minLength: 1, maxLength: 4 }), async (names) => {
        const files = Object.fromEntries(names.map((one, index) => [one, `content ${index}`]));
        const root = await write(files);
        const [first, again] = [await pack({ p: root }), await pack({ p: root })];
        assert.equal(again.digest, first.digest);
        const back = temporary.next();
        await mkdir(back);
        await unpackLayer(createReadStream(first.out), back, true);
        assert.deepEqual(await listing(join(back, 'p')), await listing(root));
      }),
      { numRuns: 40 },
    );
  });

  test('a model that is a link out of its folder is packed with its content, or refused: never as a link to nowhere', async () => {
    const store = await write({ blob: 'weights' });
    const root = await write({ 'model.json': '{}' });
    await symlink(join(store, 'blob'), join(root, 'model.onnx'));
    const packed = await pack({ models: root }).catch(() => null);
    if (!packed) return;
    const back = temporary.next();
    await mkdir(back);
    await unpackLayer(createReadStream(packed.out), back, true);
    assert.equal(await readFile(join(back, 'models/model.onnx'), 'utf8').catch(() => 'a link to nowhere'), 'weights');
  });

  test('what is neither file, folder nor link is refused by its name', async () => {
    const root = await write({ a: '' });
    const socket = createServer().listen(join(root, 'socket'));
    await once(socket, 'listening');
    await assert.rejects(pack({ app: root }), /socket is neither a file, a folder nor a link/);
    socket.close();
  });

  test('a folder that is not there is an error', async () => {
    await assert.rejects(pack({ app: temporary.next() }), /ENOENT/);
  });
});

describe('unpacking', () => {
  /** Unpacks layers one over the other; gives what is there then. */
  async function unpacked(...layers: Buffer[]): Promise<{ root: string; files: string[] }> {
    const root = join(temporary.next(), 'root');
    await mkdir(root, { recursive: true });
    for (const layer of layers) await unpackLayer(Readable.from([layer]), root, false);
    return { root, files: await listing(root) };
  }
  const base = tarOf([folder('app'), file('app/a'), file('app/b'), folder('app/d'), file('app/d/x'), file('etc')]);

  test('a layer lies over the one below', async () => {
    const { files } = await unpacked(base, tarOf([file('app/a', 'new'), file('app/n/e/w')]));
    assert.deepEqual(files, [
      'app',
      'app/a = new',
      'app/b = app/b',
      'app/d',
      'app/d/x = app/d/x',
      'app/n',
      'app/n/e',
      'app/n/e/w = app/n/e/w',
      'etc = etc',
    ]);
  });

  test('a whiteout hides what is below, and not what its own layer writes, in whatever order', async () => {
    for (const entries of [
      [file('app/.wh.a', ''), file('app/.wh.d', ''), file('app/d/new')],
      [file('app/d/new'), file('app/.wh.d', ''), file('app/.wh.a', '')],
    ]) {
      const { files } = await unpacked(base, tarOf(entries));
      assert.deepEqual(files, ['app', 'app/b = app/b', 'app/d', 'app/d/new = app/d/new', 'etc = etc']);
    }
  });

  test('an opaque folder hides all that is below it', async () => {
    for (const entries of [
      [file('app/d/.wh..wh..opq', ''), file('app/d/z')],
      [file('app/d/z'), file('app/d/.wh..wh..opq', '')],
    ]) {
      const { files } = await unpacked(base, tarOf(entries));
      assert.deepEqual(files, ['app', 'app/a = app/a', 'app/b = app/b', 'app/d', 'app/d/z = app/d/z', 'etc = etc']);
    }
  });

  test('a whiteout of what is not there, and of a whole tree', async () => {
    assert.deepEqual((await unpacked(base, tarOf([file('.wh.nothing', ''), file('.wh.app', '')]))).files, [
      'etc = etc',
    ]);
  });

  test('a file becomes a folder, and a folder a file', async () => {
    const { files } = await unpacked(base, tarOf([folder('etc'), file('etc/in'), file('app/d', 'a file now')]));
    assert.deepEqual(files, ['app', 'app/a = app/a', 'app/b = app/b', 'app/d = a file now', 'etc', 'etc/in = etc/in']);
  });

  test('a whiteout that names the folder above is refused, and removes nothing', async () => {
    for (const name of ['app/.wh...', '.wh..', 'app/.wh.', '.wh...']) {
      const root = join(temporary.next(), 'root');
      await mkdir(root, { recursive: true });
      await unpackLayer(Readable.from([base]), root, false);
      await unpackLayer(Readable.from([tarOf([file(name, '')])]), root, false).catch((error: Error) =>
        assert.match(error.message, /refused|outside/),
      );
      assert.ok((await listing(root)).includes('etc = etc'), name);
      assert.ok((await listing(root)).includes('app/b = app/b'), name);
    }
  });

  /** Puts layers below a folder with a neighbour, which must stay as it is. */
  async function attack(...layers: Buffer[]): Promise<Error | undefined> {
    // Deep enough that a link may climb and still find the neighbour.
    const around = join(temporary.next(), 'a/b/c');
    const root = join(around, 'root');
    await mkdir(join(around, 'neighbour'), { recursive: true });
    await mkdir(root);
    await writeFile(join(around, 'neighbour/secret'), 'untouched');
    let refused: Error | undefined;
    for (const layer of layers)
      await unpackLayer(Readable.from([layer]), root, false).catch((error: Error) => {
        refused = error;
      });
    assert.deepEqual(await readdir(around), ['neighbour', 'root']);
    assert.deepEqual(await listing(join(around, 'neighbour')), ['secret = untouched']);
    assert.equal((await stat(join(around, 'neighbour/secret'))).nlink, 1, 'no hard link into the image');
    return refused;
  }

  test('paths that leave the image are refused', async () => {
    for (const path of ['../neighbour/secret', 'app/../../neighbour/secret', '../evil', 'a/b/../../../evil'])
      assert.match((await attack(tarOf([file(path, 'evil')])))?.message ?? '', /refused/, path);
    assert.match((await attack(tarOf([folder('../neighbour/d')])))?.message ?? '', /refused/);
    assert.match((await attack(tarOf([link('../neighbour/l', 'x')])))?.message ?? '', /refused/);
  });

  test('absolute paths land inside of the image', async () => {
    const { files } = await unpacked(tarOf([folder('/opt'), file('/opt/x', 'in')]));
    assert.deepEqual(files, ['opt', 'opt/x = in']);
  });

  test('absolute links point into the image', async () => {
    const { files } = await unpacked(tarOf([folder('usr'), file('usr/sh'), folder('bin'), link('bin/sh', '/usr/sh')]));
    assert.deepEqual(files, ['bin', 'bin/sh -> ../usr/sh', 'usr', 'usr/sh = usr/sh']);
  });

  test('nothing is written through a link that leaves the image, of this layer or of one below', async () => {
    for (const target of ['../neighbour', '../../neighbour', '/../neighbour', '..']) {
      const out = link('out', target);
      await attack(tarOf([out, file('out/secret', 'evil'), file('out/neighbour/secret', 'evil')]));
      await attack(tarOf([out]), tarOf([file('out/secret', 'evil'), file('out/neighbour/secret', 'evil')]));
      await attack(tarOf([out]), tarOf([folder('out'), file('out/secret', 'evil')]));
      await attack(tarOf([folder('a'), link('a/out', `../${target}`), file('a/out/secret', 'evil')]));
    }
  });

  test('no whiteout removes through a link that leaves the image', async () => {
    for (const target of ['../neighbour', '/../neighbour']) {
      await attack(tarOf([link('out', target)]), tarOf([file('out/.wh.secret', '')]));
      await attack(tarOf([link('out', target)]), tarOf([file('out/.wh..wh..opq', '')]));
      await attack(tarOf([link('out', target), file('out/.wh.secret', '')]));
      await attack(tarOf([file('../neighbour/.wh.secret', '')]));
      await attack(tarOf([file('../.wh.neighbour', '')]));
    }
  });

  test('no hard link takes a file from outside', async () => {
    for (const target of ['../neighbour/secret', '/../neighbour/secret', '/etc/passwd']) {
      await attack(tarOf([link('stolen', target, 'Link')]));
      await attack(tarOf([link('l', '..'), link('stolen', 'l/neighbour/secret', 'Link')]));
      await attack(tarOf([link('l', target), link('stolen', 'l', 'Link'), file('stolen', 'evil')]));
    }
  });

  test('a chain of links, each within bounds, leads nowhere outside', async () => {
    // Each link alone stays inside as text; together they climb out.
    const chain = (last: string) => [
      folder('d'),
      folder('d/e'),
      folder('d/e/f'),
      link('down', 'd/e/f'),
      link('up', 'down/../../..'),
      link('out', `up/${last}`),
      link('far', 'down/../../../../neighbour'),
      link('d/e/f/back', '../../../../neighbour'),
      link('moved', 'd/e/f/back', 'Link'),
    ];
    for (const last of ['..', '../neighbour', '../../c/neighbour'])
      for (const name of ['out', 'far', 'd/e/f/back', 'down/back', 'moved', 'up/../neighbour']) {
        await attack(tarOf([...chain(last), file(`${name}/secret`, 'evil')]));
        await attack(tarOf(chain(last)), tarOf([file(name, 'evil'), file(`${name}/secret`, 'evil')]));
        await attack(tarOf(chain(last)), tarOf([folder(`${name}/secret`), file(`${name}/secret`, 'evil')]));
        await attack(tarOf(chain(last)), tarOf([file(`${name}/.wh.secret`, ''), file(`${name}/.wh..wh..opq`, '')]));
        await attack(tarOf([...chain(last), link('stolen', `${name}/secret`, 'Link')]));
      }
  });

  test('any tree of folders, files, links and whiteouts touches nothing outside', async () => {
    const part = fc.constantFrom('a', 'b', 'c', '..', 'neighbour', 'secret', '.wh.a', '.wh.neighbour', '.wh..wh..opq');
    const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
    const target = fc.oneof(
      path,
      path.map((text) => `/${text}`),
      path.map((text) => `../../${text}`),
    );
    const entry = fc.oneof(
      path.map((where) => file(where, 'evil')),
      path.map(folder),
      fc.tuple(path, target).map(([where, to]) => link(where, to)),
      fc.tuple(path, target).map(([where, to]) => link(where, to, 'Link')),
    );
    const layers = fc.array(fc.array(entry, { maxLength: 12 }), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(layers, async (all) => void (await attack(...all.map(tarOf)))),
      { numRuns: Number(process.env.FUZZ_RUNS ?? 300) },
    );
  });

  test('what an image maps is found inside of it, whatever links it leads through', async () => {
    const { root } = await unpacked(
      tarOf([folder('app'), file('app/main.js'), link('current', '/app'), link('out', '../../../etc/passwd')]),
    );
    assert.equal(pathInside(root, '/current/main.js'), join(root, 'app/main.js'));
    assert.equal(pathInside(root, '/out'), null);
    assert.equal(pathInside(root, '/../../etc/passwd'), null);
  });

  test('of a mode only what is executable is taken: no setuid, setgid or sticky bit', async () => {
    const { root } = await unpacked(
      tarOf([
        { ...file('suid'), mode: 0o4755 },
        { ...file('sgid'), mode: 0o2644 },
        { ...folder('sticky'), mode: 0o7777 },
        { ...file('open'), mode: 0o666 },
      ]),
    );
    const modes = await Promise.all(['suid', 'sgid', 'sticky', 'open'].map((name) => lstat(join(root, name))));
    assert.deepEqual(
      modes.map(({ mode }) => (mode & 0o7777).toString(8)),
      ['755', '644', '755', '644'],
    );
  });

  test('a layer of too many bytes or entries is refused, also where it is small until it is unpacked', async () => {
    const root = temporary.next();
    await mkdir(root);
    const limits = { bytes: 1_000_000, entries: 20 };
    const bomb = gzipSync(tarOf([file('zeros', '0'.repeat(2_000_000))]));
    assert.ok(bomb.length < 10_000);
    await assert.rejects(unpackLayer(Readable.from([bomb]), root, true, limits), /more than 1000000 bytes/);
    const many = tarOf(Array.from({ length: 30 }, (_, index) => file(`f${index}`)));
    await assert.rejects(unpackLayer(Readable.from([many]), root, false, limits), /more than 20 entries/);
    const folders = tarOf([file(Array.from({ length: 3_000 }, () => 'd').join('/'))]);
    await assert.rejects(unpackLayer(Readable.from([folders]), root, false, limits));
  });

  test('folders that no entry names count too', async () => {
    const root = temporary.next();
    await mkdir(root);
    const deep = (name: string) => file(`${name}/${Array.from({ length: 15 }, () => 'd').join('/')}/f`);
    const layer = tarOf([deep('a'), deep('b')]);
    await assert.rejects(
      unpackLayer(Readable.from([layer]), root, false, { bytes: 1_000_000, entries: 20 }),
      /too many folders/,
    );
  });

  test('a layer that is compressed twice is refused, in pieces of any size', async () => {
    const root = temporary.next();
    await mkdir(root);
    const once = gzipSync(tarOf([file('a')]));
    const zstd = zstdCompressSync(tarOf([file('a')]));
    const refused = /compressed more than once/;
    await assert.rejects(unpackLayer(Readable.from([gzipSync(once)]), root, true), refused);
    await assert.rejects(unpackLayer(Readable.from([zstd]), root, false), refused);
    await assert.rejects(
      unpackLayer(Readable.from([...once].map((byte) => Buffer.from([byte]))), root, false),
      refused,
    );
    assert.deepEqual(await readdir(root), []);
  });

  test('devices and pipes are left out', async () => {
    const { files } = await unpacked(tarOf([device('null', 'CharacterDevice'), device('p', 'FIFO'), file('a')]));
    assert.deepEqual(files, ['a = a']);
  });

  test('what is executable stays so, and nothing else is', async () => {
    const app = await write({ run: '#!', data: '' });
    await chmod(join(app, 'run'), 0o700);
    const { out } = await pack({ app });
    const root = temporary.next();
    await mkdir(root);
    await unpackLayer(createReadStream(out), root, true);
    assert.equal((await lstat(join(root, 'app/run'))).mode & 0o7777, 0o755);
    assert.equal((await lstat(join(root, 'app/data'))).mode & 0o7777, 0o644);
  });

  test('what is no layer is refused: garbage, bad gzip, cut off anywhere', async () => {
    const root = temporary.next();
    await mkdir(root);
    const unpack = (bytes: Buffer, gzipped: boolean) => unpackLayer(Readable.from([bytes]), root, gzipped);
    await assert.rejects(unpack(Buffer.from('not a tar at all'.repeat(100)), false));
    await assert.rejects(unpack(Buffer.from('not gzip'), true));
    const plain = tarOf([file('big', 'y'.repeat(50_000)), file('last')]);
    const packed = gzipSync(plain);
    for (const share of [0.01, 0.3, 0.5, 0.99])
      await assert.rejects(unpack(packed.subarray(0, packed.length * share), true), `gzip at ${share}`);
    for (const share of [0.1, 0.5, 0.95])
      await assert.rejects(unpack(plain.subarray(0, plain.length * share), false), `tar at ${share}`);
    const flipped = Buffer.from(packed);
    flipped[flipped.length - 6]! ^= 0xff;
    await assert.rejects(unpack(flipped, true), 'a wrong checksum');
  });

  test('a stream that breaks off is an error, and not the end', async () => {
    const bytes = tarOf([file('a', 'y'.repeat(5_000))]);
    const root = temporary.next();
    await mkdir(root);
    const broken = Readable.from(
      (async function* () {
        yield bytes.subarray(0, 2_000);
        throw new Error('the registry hung up');
      })(),
    );
    await assert.rejects(unpackLayer(broken, root, false), /hung up/);
  });

  test('a layer in pieces of any size is unpacked the same', async () => {
    const bytes = tarOf([file('a', 'x'.repeat(3_000)), file(`${'n'.repeat(150)}`, 'long'), folder('d')]);
    const { files: wanted } = await unpacked(bytes);
    for (const size of [1, 100, 511, 513, 1_024]) {
      const root = temporary.next();
      await mkdir(root);
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
        bytes.subarray(index * size, (index + 1) * size),
      );
      await unpackLayer(Readable.from(pieces), root, false);
      assert.deepEqual(await listing(root), wanted, String(size));
    }
  });
});
