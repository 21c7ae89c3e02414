import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import sharp from 'sharp';
import { type Classifier, openPictures } from '../../functions/training/image/classifier.ts';
import { root } from '../../scripts/build/bundle.ts';

/** The model of garments that the retailer's bot brings, held against pictures by another hand (test/data/pictures). */
const models = join(root, 'functions/bot/models/garments');
const folder = join(models, readdirSync(models)[0]!);
const pictures = join(root, 'test/data/pictures');
let model: Classifier;
before(async () => {
  model = await openPictures(folder);
});
after(() => model?.close());

const of = (place: string) =>
  readdirSync(join(pictures, place))
    .filter((name) => /\.(png|jpg)$/.test(name))
    .sort();
const read = (place: string, name: string) => readFileSync(join(pictures, place, name));

test('of 200 pictures that are no garment nine in ten are refused; blank ones and noise always', async () => {
  const names = of('none');
  const taken: string[] = [];
  for (const name of names) {
    const { label, score } = await model.classify(read('none', name));
    if (label !== 'none') taken.push(`${name} ${label} ${score.toFixed(2)}`);
  }
  assert.equal(names.length, 200);
  assert.ok(taken.length <= 20, `${taken.length} are taken for garments:\n${taken.join('\n')}`);
  const plain = taken.filter((name) => Number(name.slice(0, 3)) <= 28);
  assert.deepEqual(plain, [], 'blank and noise');
});

/** Labels that would do, by the beginning of a file's name. */
const SENSIBLE: Record<string, string[]> = {
  tshirt: ['T-shirt/top', 'Shirt'],
  trouser: ['Trouser'],
  pullover: ['Pullover', 'Shirt', 'Coat'],
  dress: ['Dress'],
  coat: ['Coat'],
  sandal: ['Sandal', 'Sneaker'],
  shirt: ['Shirt', 'Coat', 'Pullover'],
  sneaker: ['Sneaker', 'Sandal', 'Ankle boot'],
  bag: ['Bag'],
  boot: ['Ankle boot'],
};

test('photographs of garments are answered sensibly, or asked about: turned by their EXIF, in a corner, in the dark', async () => {
  const wrong: string[] = [];
  let right = 0;
  for (const name of of('garments')) {
    const { label, score } = await model.classify(read('garments', name));
    const sensible = SENSIBLE[name.split('-')[0]!]!;
    if (sensible.includes(label)) right += 1;
    else if (label !== 'none') wrong.push(`${name} ${label} ${score.toFixed(2)}`);
  }
  assert.ok(right >= 18, `${right} of 25 are right`);
  assert.ok(wrong.length <= 2, `wrong: ${wrong.join(', ')}`);
});

test('one of 12 megapixels that was taken on its side is the same as a small one that stands', async () => {
  const small = read('garments', 'tshirt-white-sheet.jpg');
  const large = await sharp(small)
    .resize({ width: 4_000, height: 3_000, fit: 'cover' })
    .rotate(90)
    .withMetadata({ orientation: 8 })
    .jpeg()
    .toBuffer();
  const { label } = await model.classify(large);
  assert.equal(label, (await model.classify(small)).label);
});

test('pictures of all shapes and kinds are answered or refused, and none takes it down', async () => {
  const plain = sharp({ create: { width: 200, height: 200, channels: 3, background: '#a33' } });
  const pixel = await sharp({ create: { width: 1, height: 1, channels: 3, background: '#fff' } })
    .png()
    .toBuffer();
  const cmyk = await plain.clone().toColourspace('cmyk').jpeg().toBuffer();
  const line = await sharp({ create: { width: 9_000, height: 1, channels: 3, background: '#fff' } })
    .png()
    .toBuffer();
  const clear = await sharp({
    create: { width: 60, height: 60, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } },
  })
    .png()
    .toBuffer();
  for (const bytes of [pixel, cmyk, line, clear]) assert.equal((await model.classify(bytes)).label, 'none');
  const wide = await sharp({ create: { width: 16_385, height: 2, channels: 3, background: '#fff' } })
    .png()
    .toBuffer();
  await assert.rejects(model.classify(wide), /more than 16384 pixels on a side/);
  const moving = await sharp(
    Buffer.concat([await plain.clone().raw().toBuffer(), await plain.clone().raw().toBuffer()]),
    {
      raw: { width: 200, height: 400, channels: 3, pageHeight: 200 },
    },
  )
    .webp({ loop: 0, delay: [100, 100] })
    .toBuffer();
  assert.equal((await model.classify(moving)).label, 'none', 'its first picture is looked at');
  await assert.rejects(model.classify(Buffer.from('GIF89a')), /not a picture|must be PNG/);
  await assert.rejects(model.classify(Buffer.alloc(0)), /no bytes/);
});
