import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { call, infer, readBinary, refused, useServer, withBinary, writeModel } from './fixture.ts';
import * as models from './models.ts';

/** The task image-classification: pictures in, the likeliest label out. The models answer the mean of each colour. */
const labels = ['red', 'green', 'blue'];
const manifest = (preprocessing: object) => ({
  manifest: {
    task: 'image-classification',
    labels,
    threshold: 0.4,
    preprocessing: { kind: 'image', width: 8, height: 8, ...preprocessing },
  },
});
const server = useServer(async (folder) => {
  await writeModel(folder, 'colour', '1', models.meanColour('nchw'), manifest({}));
  await writeModel(folder, 'last', '1', models.meanColour('nhwc'), manifest({ layout: 'nhwc' }));
  const scaled = manifest({ mean: [0.5, 0, 0], std: [0.25, 1, 2] });
  await writeModel(folder, 'scaled', '1', models.meanColour('nchw'), scaled);
  await writeModel(folder, 'top', '1', models.colourOfTop(), manifest({}));
  await writeModel(folder, 'filled', '1', models.meanColour('nchw'), manifest({ fit: 'fill' }));
  await writeModel(folder, 'slow', '1', models.slow());
});

type Format = 'png' | 'jpeg' | 'webp' | 'gif' | 'tiff' | 'avif';
const paint = (r: number, g: number, b: number, width = 32, height = 32, channels: 3 | 4 = 3, alpha = 1) =>
  sharp({ create: { width, height, channels, background: { r, g, b, alpha } } });
const picture = (r: number, g: number, b: number, format: Format = 'png') => paint(r, g, b).toFormat(format).toBuffer();

const predict = (model: string, ...pictures: Uint8Array[]) =>
  call(server.it, 'POST', `/v1/models/${model}:predict`, {
    instances: pictures.map((bytes) => ({ b64: Buffer.from(bytes).toString('base64') })),
  });

interface Prediction {
  label: string;
  score: number;
  top: { label: string; score: number }[];
}

async function predictions(model: string, ...pictures: Uint8Array[]): Promise<Prediction[]> {
  const { status, body, text } = await predict(model, ...pictures);
  assert.equal(status, 200, text);
  return body.predictions;
}

/** The mean of each colour, as the model saw the picture. */
async function seen(model: string, bytes: Uint8Array): Promise<number[]> {
  const [prediction] = await predictions(model, bytes);
  return labels.map((label) => prediction!.top.find((entry) => entry.label === label)!.score);
}

function near(came: number[], expected: number[], most = 0.02): void {
  for (const [at, value] of expected.entries())
    assert.ok(Math.abs(came[at]! - value) <= most, `[${came}] is not about [${expected}]`);
}

for (const format of ['png', 'jpeg', 'webp'] as const)
  test(`a picture as ${format} is seen in its colours`, async () => {
    near(await seen('colour', await picture(255, 51, 0, format)), [1, 0.2, 0]);
    const [blue] = await predictions('colour', await picture(0, 0, 255, format));
    assert.equal(blue!.label, 'blue');
    assert.ok(blue!.score > 0.95);
  });

test('both layouts are filled, and mean and std taken off channel by channel', async () => {
  const bytes = await picture(255, 102, 51);
  near(await seen('last', bytes), [1, 0.4, 0.2]);
  near(await seen('scaled', bytes), [2, 0.4, 0.1]);
});

test('below the threshold nothing is claimed', async () => {
  const [grey] = await predictions('colour', await picture(64, 64, 64));
  assert.equal(grey!.label, 'none');
});

test('grey, transparent, 16-bit, palette and CMYK pictures are seen as people see them', async () => {
  const grey = await paint(128, 128, 128).toColourspace('b-w').png().toBuffer();
  near(await seen('colour', grey), [0.5, 0.5, 0.5], 0.05);
  const clear = await paint(0, 0, 0, 32, 32, 4, 0).png().toBuffer();
  near(await seen('colour', clear), [1, 1, 1]);
  const deep = await paint(255, 0, 128).toColourspace('rgb16').png().toBuffer();
  near(await seen('colour', deep), [1, 0, 0.5]);
  near(await seen('colour', await paint(255, 0, 128).png({ palette: true }).toBuffer()), [1, 0, 0.5]);
  const cmyk = await paint(255, 255, 255).toColourspace('cmyk').jpeg().toBuffer();
  near(await seen('colour', cmyk), [1, 1, 1], 0.05);
});

test('a picture that is lying on its side (EXIF) is put upright', async () => {
  const left = await paint(255, 0, 0, 32, 64).png().toBuffer();
  const halves = await paint(0, 0, 255, 64, 64)
    .composite([{ input: left, left: 0, top: 0 }])
    .png()
    .toBuffer();
  near(await seen('top', halves), [0.5, 0, 0.5], 0.1);
  // Turned a quarter, what was left is on top.
  const turned = await sharp(halves).withMetadata({ orientation: 6 }).jpeg({ quality: 95 }).toBuffer();
  near(await seen('top', turned), [1, 0, 0], 0.1);
});

test('a picture of another shape is cut to its middle, or squeezed, as the manifest says', async () => {
  const wide = await paint(255, 0, 0, 96, 32).png().toBuffer();
  const middle = await paint(0, 0, 255, 32, 32).png().toBuffer();
  const striped = await sharp(wide)
    .composite([{ input: middle, left: 32, top: 0 }])
    .png()
    .toBuffer();
  near(await seen('colour', striped), [0, 0, 1], 0.1);
  near(await seen('filled', striped), [2 / 3, 0, 1 / 3], 0.1);
});

test('V2 takes the bytes as they are, and base64 in JSON', async () => {
  const bytes = await picture(0, 255, 0);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  const part = Buffer.concat([length, bytes, length, bytes]);
  const input = { name: 'image', datatype: 'BYTES', shape: [2], parameters: { binary_data_size: part.length } };
  const outputs = [{ name: 'label', parameters: { binary_data: false } }, { name: 'score' }];
  const [body, headers] = withBinary({ inputs: [input], outputs }, part);
  const answer = await call(server.it, 'POST', '/v2/models/colour/infer', body, headers);
  assert.equal(answer.status, 200, answer.text);
  const { json } = readBinary(answer);
  assert.deepEqual(json.outputs[0]!.data, ['green', 'green']);
  const text = { name: 'image', datatype: 'BYTES', shape: [1], data: [bytes.toString('base64')] };
  assert.deepEqual((await infer(server.it, 'colour', [text])).body.outputs[0].data, ['green']);
});

test('a plain string is base64 as well', async () => {
  const instances = [(await picture(0, 255, 0)).toString('base64')];
  const { body } = await call(server.it, 'POST', '/v1/models/colour:predict', { instances });
  assert.equal(body.predictions[0].label, 'green');
});

test('what is not a picture of the three kinds is refused, and it is said which they are', async () => {
  for (const bytes of [
    Buffer.from('no picture'),
    Buffer.alloc(1_000),
    Buffer.from('%PDF-1.7\n'),
    Buffer.from([0x89, 0x50]),
  ])
    refused(await predict('colour', bytes), 400, /picture/);
  const svg = Buffer.from(
    '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>',
  );
  refused(await predict('colour', svg), 400, /PNG.*JPEG.*WebP/);
  refused(await predict('colour', await picture(1, 2, 3, 'gif')), 400, /PNG.*JPEG.*WebP/);
  refused(await predict('colour', await picture(1, 2, 3, 'tiff')), 400, /PNG.*JPEG.*WebP/);
});

test('what is not base64 is refused', async () => {
  for (const instance of ['not base64!', 7, null, [1], {}, { b64: 7 }, { b64: '' }, '']) {
    const answer = await call(server.it, 'POST', '/v1/models/colour:predict', { instances: [instance] });
    refused(answer, 400);
  }
});

test('a picture that ends in the middle is refused', async () => {
  const noise = await sharp({
    create: {
      width: 64,
      height: 64,
      channels: 3,
      background: '#000',
      noise: { type: 'gaussian', mean: 128, sigma: 60 },
    },
  })
    .png()
    .toBuffer();
  for (const format of ['png', 'jpeg', 'webp'] as const) {
    const whole = await sharp(noise).toFormat(format).toBuffer();
    assert.equal((await predict('colour', whole)).status, 200);
    refused(await predict('colour', whole.subarray(0, whole.length / 2)), 400, /picture/);
  }
});

test('a picture 50,000 pixels wide is refused, and so is one that would unpack to gigabytes', async () => {
  refused(await predict('colour', await paint(255, 0, 0, 50_000, 1).png().toBuffer()), 400, /pixel/);
  refused(await predict('colour', await paint(255, 0, 0, 1, 50_000).png().toBuffer()), 400, /pixel/);
  // A PNG whose head says 16,000 × 16,000; nothing of it is there.
  const bomb = Buffer.from(await paint(255, 0, 0, 16, 16).png().toBuffer());
  bomb.writeUInt32BE(16_000, 16);
  bomb.writeUInt32BE(16_000, 20);
  bomb.writeUInt32BE(crc32(bomb.subarray(12, 29)), 29);
  refused(await predict('colour', bomb), 400);
});

test('a bad picture among good ones is named, and harms no other request', async () => {
  const [red, green] = [await picture(255, 0, 0), await picture(0, 255, 0)];
  refused(await predict('colour', red, Buffer.from('no picture'), green), 400, /1/);
  const slow = infer(server.it, 'slow', [{ name: 'x', datatype: 'INT64', shape: [1], data: [150] }]);
  await sleep(30);
  const held = infer(server.it, 'slow', [{ name: 'x', datatype: 'INT64', shape: [1], data: [150] }]);
  await sleep(30);
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, at) => predict('colour', [red, Buffer.from('no picture'), green][at % 3]!)),
  );
  for (const [at, answer] of answers.entries())
    if (at % 3 === 1) refused(answer, 400);
    else assert.equal(answer.body.predictions[0].label, at % 3 === 0 ? 'red' : 'green');
  await Promise.all([slow, held]);
});

/** As PNG wants it behind every chunk. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
