import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, test } from 'node:test';
import axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import sharp from 'sharp';
import { listen } from '../../scripts/local/listening.ts';
import { root, usePlatform } from '../platform/fixture.ts';

let browser: Browser;
let page: Page;
/** What the page asked for outside of this machine. */
const outside: string[] = [];
/** What its policy refused it. */
const refused: string[] = [];

/** A shop's page that shows the chat, once the platform is there. */
let gateway = '';
let customerToken = '';
let customerTokenOf: (customer: string) => Promise<string>;
const shop = await listen(
  createServer((_, response) => {
    const script = `<script src="${gateway}/chat/embed.js" data-label="Help" data-customer-token="${customerToken}"></script>`;
    response
      .writeHead(200, { 'content-type': 'text/html' })
      .end(`<!doctype html><title>Shop</title><body>${script}</body>`);
  }),
  0,
);

usePlatform({ CHAT_FRAME_ANCESTORS: shop.url }, async (platform) => {
  gateway = platform.gateway;
  customerTokenOf = (customer) => platform.shop.customerToken(customer);
  customerToken = await customerTokenOf('embedded');

  const quiet = [
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ];
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', ...quiet],
  });
  page = await browser.newPage({ viewport: { width: 420, height: 800 }, locale: 'en-US' });
  page.on('request', (request) => {
    const { hostname, protocol } = new URL(request.url());
    if (protocol.startsWith('http') && !['127.0.0.1', 'localhost'].includes(hostname)) outside.push(request.url());
  });
  page.on('console', (message) => {
    if (/Content Security Policy|Trusted/.test(message.text())) refused.push(message.text());
  });
  // "New conversation" asks first.
  page.on('dialog', (dialog) => dialog.accept());
  await page.goto(`${platform.gateway}/chat`);
});

after(async () => {
  await shop.close();
  await browser?.close();
});

const bubbles = () => page.locator('.webchat__bubble__content');
const box = () => page.locator('.webchat__send-box-text-box__input');

async function ask(text: string, expected: RegExp): Promise<void> {
  const before = await bubbles().count();
  await box().fill(text);
  await box().press('Enter');
  await answered(before, expected);
}

async function answered(before: number, expected: RegExp): Promise<void> {
  const bubble = bubbles().filter({ hasText: expected }).nth(-1);
  await bubble.waitFor({ timeout: 15_000 }).catch(async (error: Error) => {
    throw new Error(`instead: ${JSON.stringify((await bubbles().allInnerTexts()).slice(before))}`, { cause: error });
  });
  assert.ok((await bubbles().count()) > before);
}

async function picture(name: string): Promise<void> {
  if (!process.env.PICTURES) return;
  await mkdir(join(root, 'docs/pictures'), { recursive: true });
  await page.screenshot({ path: join(root, `docs/pictures/${name}.png`) });
}

test('the page greets, with what may be asked first, and takes no more than the bot does', async () => {
  await bubbles()
    .filter({ hasText: /I'm Maru's assistant/ })
    .waitFor({ timeout: 20_000 });
  await page.getByRole('toolbar').getByRole('button', { name: 'Track my order' }).waitFor();
  assert.equal(await box().getAttribute('maxlength'), '4000');
  assert.equal(await page.locator('html').getAttribute('lang'), 'en');
  await picture('greeting');
});

test('a question in English and one in Korean get their answers', async () => {
  await ask('what are your opening hours?', /10:00/);
  await ask('배송은 얼마나 걸리나요?', /2.3일/);
});

test('an order is cancelled over several turns, by tapping and typing', async () => {
  await ask('cancel my order', /Which order shall I cancel/);
  const before = await bubbles().count();
  await page.getByRole('toolbar').getByRole('button', { name: 'ORD-10022' }).click();
  await answered(before, /Shall I cancel order ORD-10022/);
  await picture('chat');
  await ask('Yes, cancel it', /ORD-10022 is cancelled/);
});

test('products come with their pictures', async () => {
  const before = await bubbles().count();
  await box().fill('do you have running shoes in stock?');
  await box().press('Enter');
  await answered(before, /This is what I found/);
  const card = page.locator('.card').filter({ hasText: 'Running shoes' }).last();
  await card.getByRole('img', { name: 'Running shoes' }).waitFor();
  assert.match((await card.textContent())!, /₩89,000 · 14 in stock/);
  await picture('cards');
});

test('a reload still shows the conversation, and it goes on', async () => {
  const texts = (await bubbles().allInnerTexts()).length;
  await page.reload();
  await bubbles()
    .filter({ hasText: /ORD-10022 is cancelled/ })
    .first()
    .waitFor({ timeout: 15_000 });
  assert.ok((await bubbles().count()) >= texts - 1);
  await ask('how much is delivery?', /3,000/);
});

test('an image is uploaded', async () => {
  const png = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#c33' } })
    .png()
    .toBuffer();
  const before = await bubbles().count();
  await page.locator('input[type=file]').setInputFiles({ name: 'broken.png', mimeType: 'image/png', buffer: png });
  // Reading the file takes the page a moment; until then there is nothing to send.
  await page.locator('.webchat__attachment-icon--checked').waitFor();
  await page.locator('.webchat__send-button, [data-testid="send button"], button[title="Send"]').first().click();
  await answered(before, /received your picture broken\.png/);
});

test('a photograph of a garment: what it looks like, and what the shop has of it', async () => {
  const shirt = await readFile(join(root, 'test/data/pictures/garments/tshirt-print-floor.jpg'));
  const before = await bubbles().count();
  await page.locator('input[type=file]').setInputFiles({ name: 'shirt.jpg', mimeType: 'image/jpeg', buffer: shirt });
  await page.locator('.webchat__attachment-icon--checked').waitFor();
  await page.locator('.webchat__send-button, [data-testid="send button"], button[title="Send"]').first().click();
  await answered(before, /That looks like a T-shirt\./);
  await page.locator('.card').filter({ hasText: 'Cotton T-shirt' }).last().waitFor();
  await picture('picture');
});

test('everything works by keyboard', async () => {
  await page.getByRole('button', { name: 'New conversation' }).focus();
  await page.keyboard.press('Enter');
  await box().waitFor();
  await page.waitForFunction(() => document.querySelectorAll('.webchat__bubble__content').length <= 1);
  await ask('how much is delivery?', /3,000/);
});

test('on a phone nothing is wider than the screen, and nothing came from outside', async () => {
  await page.setViewportSize({ width: 360, height: 640 });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= 360, `${width} px`);
  assert.deepEqual(outside, []);
  assert.deepEqual(refused, [], 'nothing that the page does is against its policy');
});

test('the page speaks the language of who reads it, and is dark where they want it dark', async () => {
  const context = await browser.newContext({
    locale: 'ko-KR',
    colorScheme: 'dark',
    viewport: { width: 420, height: 800 },
  });
  const other = await context.newPage();
  await other.goto(new URL('/chat', page.url()).href);
  await other
    .locator('.webchat__bubble__content')
    .filter({ hasText: '안녕하세요! Maru 챗봇이에요' })
    .waitFor({ timeout: 20_000 });
  assert.equal(await other.locator('html').getAttribute('lang'), 'ko');
  assert.equal(await other.getByRole('button', { name: '새 대화' }).count(), 1);
  const background = await other.locator('main').evaluate((main) => getComputedStyle(main).backgroundColor);
  assert.equal(background, 'rgb(19, 26, 23)');
  if (process.env.PICTURES) await other.screenshot({ path: join(root, 'docs/pictures/dark.png') });
  await context.close();
});

test('another tab goes on with the same conversation', async () => {
  await ask('what are your opening hours?', /10:00/);
  const context = await browser.newContext({ storageState: await page.context().storageState() });
  const tab = await context.newPage();
  await tab.goto(new URL('/chat', page.url()).href);
  await tab.locator('.webchat__bubble__content').filter({ hasText: /10:00/ }).first().waitFor({ timeout: 20_000 });
  await context.close();
});

/** What axe finds wrong with a page: rule and element. */
async function violations(other: Page): Promise<string[]> {
  await other.evaluate(axe.source);
  const { violations: found } = await other.evaluate(
    async () => await (globalThis as unknown as { axe: typeof axe }).axe.run({ resultTypes: ['violations'] } as never),
  );
  return found.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`));
}

for (const colorScheme of ['light', 'dark'] as const)
  for (const [device, viewport] of Object.entries({
    desktop: { width: 1_280, height: 800 },
    phone: { width: 360, height: 640 },
  }))
    test(`nothing keeps anybody out: ${device}, ${colorScheme}`, async () => {
      const context = await browser.newContext({ locale: 'en-US', colorScheme, viewport });
      const other = await context.newPage();
      await other.goto(new URL('/chat', page.url()).href);
      const said = other.locator('.webchat__bubble__content');
      await said.first().waitFor({ timeout: 20_000 });
      assert.deepEqual(await violations(other), [], 'the greeting');
      const input = other.locator('.webchat__send-box-text-box__input');
      for (const [text, reply] of [
        ['cancel my order', /Which order shall I cancel/],
        ['do you have running shoes in stock?', /This is what I found/],
      ] as const) {
        await input.fill(text);
        await input.press('Enter');
        await said.filter({ hasText: reply }).first().waitFor({ timeout: 15_000 });
        assert.deepEqual(await violations(other), [], text);
      }
      await other.locator('#status').evaluate((status: HTMLElement) => {
        status.hidden = false;
        status.textContent = 'No connection.';
      });
      assert.deepEqual(await violations(other), [], 'offline');
      await context.close();
    });

test("on a shop's page a button opens it, and the customer of the shop is one there", async () => {
  const context = await browser.newContext({ locale: 'en-US', viewport: { width: 900, height: 800 } });
  const other = await context.newPage();
  await other.goto(shop.url);
  assert.equal(await other.locator('iframe').count(), 0, 'nothing is loaded before');
  const button = other.getByRole('button', { name: 'Help' });
  await button.focus();
  await other.keyboard.press('Enter');
  const frame = other.frameLocator('iframe[title="Help"]');
  const input = frame.locator('.webchat__send-box-text-box__input');
  await input.waitFor({ timeout: 20_000 });
  assert.equal(await button.getAttribute('aria-expanded'), 'true');
  await input.fill('where is my order ORD-10023?');
  await input.press('Enter');
  await frame
    .locator('.webchat__bubble__content')
    .filter({ hasText: /ORD-10023 .*is on its way/ })
    .first()
    .waitFor({ timeout: 15_000 });
  await button.click();
  assert.equal(await button.getAttribute('aria-expanded'), 'false');
  assert.ok(await other.locator('iframe').isHidden());
  await context.close();
});

test("who signs in at the shop as somebody else does not see the other's conversation", async () => {
  const context = await browser.newContext({ locale: 'en-US' });
  const other = await context.newPage();
  let customer = 'first';
  await other.route('**/session/token', async (route) => {
    const token = await customerTokenOf(customer);
    const headers = {
      'access-control-allow-origin': new URL(page.url()).origin,
      'access-control-allow-credentials': 'true',
    };
    await route.fulfill({ json: { token }, headers });
  });
  const bubble = (text: RegExp) => other.locator('.webchat__bubble__content').filter({ hasText: text });
  await other.goto(new URL('/chat', page.url()).href);
  const input = other.locator('.webchat__send-box-text-box__input');
  await input.fill('what are your opening hours?');
  await input.press('Enter');
  await bubble(/10:00/).first().waitFor({ timeout: 20_000 });
  await other.reload();
  await bubble(/10:00/).first().waitFor({ timeout: 20_000 });
  customer = 'second';
  await other.reload();
  await bubble(/I'm Maru's assistant/)
    .first()
    .waitFor({ timeout: 20_000 });
  assert.equal(await bubble(/10:00/).count(), 0);
  await context.close();
});
