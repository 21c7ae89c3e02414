import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Page } from 'playwright-core';
import { request, root, usePlatform } from '../platform/fixture.ts';
import { accessible, outside, pictured, refused, theBrowser, thrown, watch } from './browser.ts';

/** The page where pictures are tried: drawn, chosen, by keyboard, on a phone, in both languages. */
let gateway = '';
const fixture = usePlatform({}, async (platform) => {
  gateway = platform.gateway;
  page = await open();
});
const garment = (name: string) => join(root, 'test/data/pictures/garments', name);
let page: Page;

async function open(more = {}): Promise<Page> {
  const context = await (await theBrowser()).newContext({
    locale: 'en-US',
    viewport: { width: 1000, height: 700 },
    ...more,
  });
  const opened = watch(await context.newPage());
  await opened.goto(`${gateway}/pictures`);
  return opened;
}
const answer = (of: Page) => of.locator('#answer');
const says = (of: Page, text: string | RegExp) => answer(of).filter({ hasText: text }).waitFor();

after(() => {
  assert.deepEqual([outside, refused, thrown], [[], [], []], 'no page asks elsewhere, breaks its policy, or throws');
});

test('a photograph is shown, and what it looks like is said with scores', async () => {
  await says(page, 'Nothing yet');
  await accessible(page, 'the page of pictures');
  await page.locator('#file').setInputFiles(garment('trouser-flat-sheet.jpg'));
  await says(page, 'That looks like trousers.');
  const scores = await page.locator('#scores li').allInnerTexts();
  assert.equal(scores.length, 5);
  assert.match(scores[0]!, /^trousers\s+\d+%$/);
  await accessible(page, 'the page of pictures with scores');
  await pictured(page, 'pictures');
});

test('while one draws it is said what it looks like so far; cleared, nothing', async () => {
  await page.getByRole('button', { name: 'Clear' }).click();
  await says(page, 'Nothing yet');
  const box = (await page.locator('#paper').boundingBox())!;
  const at = (x: number, y: number) => [box.x + x * box.width, box.y + y * box.height] as const;
  // Trousers: an outline, as a child would draw them.
  const outline: [number, number][] = [
    ...[0.3, 0.7, 0.75, 0.56, 0.5, 0.44, 0.25, 0.3].map((x, place): [number, number] => [
      x,
      [0.1, 0.1, 0.9, 0.9, 0.35, 0.9, 0.9, 0.1][place]!,
    ]),
  ];
  const [start, next, ...rest] = outline;
  await page.mouse.move(...at(...start!));
  await page.mouse.down();
  const asked = page.waitForResponse((response) => response.url().endsWith('/api/pictures'));
  await page.mouse.move(...at(...next!), { steps: 5 });
  assert.equal((await asked).status(), 200, 'while it is drawn');
  for (const point of rest) await page.mouse.move(...at(...point), { steps: 5 });
  await page.mouse.up();
  await says(page, 'That looks like trousers.');
});

test('what is no picture is said; what is nothing that it knows, too', async () => {
  await page
    .locator('#file')
    .setInputFiles({ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('no picture') });
  await says(page, 'I can’t read this as a picture.');
  await page.locator('#file').setInputFiles(join(root, 'test/data/pictures/none/001-black.png'));
  await says(page, 'That is nothing I know.');
});

test('by keyboard: the arrows move the pen, the space bar puts it down', async () => {
  await page.getByRole('button', { name: 'Clear' }).press('Enter');
  await page.locator('#paper').focus();
  await page.keyboard.press(' ');
  await page.getByText('The pen is down').waitFor();
  for (let step = 0; step < 8; step += 1) await page.keyboard.press('ArrowDown');
  const inked = await page.locator('#paper').evaluate((paper: HTMLCanvasElement) => {
    const { data } = paper.getContext('2d')!.getImageData(0, 0, paper.width, paper.height);
    return data.filter((value, index) => index % 4 === 0 && value < 128).length;
  });
  assert.ok(inked > 300, `${inked}`);
  await page
    .locator('#scores li')
    .first()
    .waitFor({ state: 'attached' })
    .catch(() => undefined);
});

test('on a phone, in Korean and in the dark', async () => {
  const phone = await open({ locale: 'ko-KR', colorScheme: 'dark', viewport: { width: 390, height: 844 } });
  await says(phone, '아직 아무것도 없어요');
  assert.equal(await phone.evaluate(() => document.documentElement.lang), 'ko');
  const wide = await phone.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(wide <= 0, `${wide} pixels too wide`);
  await phone.locator('#file').setInputFiles(garment('tshirt-white-sheet.jpg'));
  await says(phone, '사진은 티셔츠처럼 보여요.');
  await accessible(phone, 'the page of pictures on a phone');
  await pictured(phone, 'pictures-phone');
});

test('whoever asks without the page: what is no picture, and what is too large, is refused', async () => {
  const post = async (body: Uint8Array<ArrayBuffer>, type = 'image/png') =>
    await fetch(`${fixture.platform.gateway}/api/pictures`, {
      method: 'POST',
      headers: { 'content-type': type },
      body,
    });
  const right = await post(new Uint8Array(readFileSync(garment('bag-white.jpg'))), 'image/jpeg');
  assert.equal(right.status, 200);
  const { label, score, top } = (await right.json()) as { label: string; score: number; top: unknown[] };
  assert.ok(label && score > 0 && top.length === 5);
  assert.equal((await post(new TextEncoder().encode('no picture'))).status, 415);
  assert.equal((await post(new Uint8Array(1_100_000))).status, 413);
  const unknown = await request(fixture.platform, 'GET', '/pictures/..%2Fchat.js');
  assert.equal(unknown.status, 404);
});
