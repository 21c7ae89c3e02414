import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { usePlatform } from '../platform/fixture.ts';
import { accessible, outside, pictured, refused, staff as signedIn, theBrowser, thrown, watch } from './browser.ts';

const fixture = usePlatform();
const staff = (name: string, more: Parameters<Browser['newContext']>[0] = {}) => signedIn(fixture.platform, name, more);

/** A customer in the chat page. */
async function customer(): Promise<{
  page: Page;
  say(text: string): Promise<void>;
  sees(text: string | RegExp): Promise<void>;
}> {
  const page = watch(
    await (await (await theBrowser()).newContext({ locale: 'en-US', viewport: { width: 420, height: 800 } })).newPage(),
  );
  await page.goto(`${fixture.platform.gateway}/chat`);
  const box = page.getByRole('textbox');
  await box.waitFor();
  return {
    page,
    async say(text) {
      await box.fill(text);
      await page.keyboard.press('Enter');
      await page.getByText(text, { exact: true }).first().waitFor();
    },
    async sees(text) {
      // Not what is there for screen readers alone, which comes and goes.
      await page.locator('.webchat__bubble__content', { hasText: text }).last().waitFor();
    },
  };
}

const open = async (page: Page) => {
  // Who has asked last waits longest from now on.
  await page
    .locator('.list section', { hasText: /^(Waiting|대기 중|With colleagues)/ })
    .locator('a.row')
    .last()
    .click();
  await page.locator('.log').waitFor();
};
const box = (page: Page) => page.locator('.composer textarea');

const picture = (color: string) =>
  sharp({ create: { width: 40, height: 30, channels: 3, background: color } })
    .png()
    .toBuffer();

describe('the desk in two browsers', () => {
  test('a customer asks for a person, an agent answers; reloads, a crash and a second agent change nothing', async () => {
    const { platform } = fixture;
    const { page, say, sees } = await customer();
    await say('I want to talk to a person');
    await sees(/number 1 in the queue/);

    const mina = await staff('Mina Agent');
    await mina.page.getByText('Waiting', { exact: false }).first().waitFor();
    await accessible(mina.page, 'the list');
    await open(mina.page);
    await mina.page.getByRole('button', { name: 'Take it' }).click();
    await box(mina.page).waitFor();
    await sees('Mina Agent is here and answers you from now on.');

    // A second agent who looks at it can't take it.
    const jun = await staff('Jun Agent');
    await open(jun.page);
    assert.equal(await jun.page.getByRole('button', { name: 'Take it' }).count(), 0);
    await jun.page.getByText('With colleagues').waitFor();
    await mina.page.getByText(/Jun Agent also looking/).waitFor();

    // By the keyboard alone: "/" finds what is written already, Enter takes it, Enter sends it.
    await box(mina.page).focus();
    await mina.page.keyboard.type('/mom');
    await mina.page.getByRole('option', { name: /One moment/ }).waitFor();
    await accessible(mina.page, 'the answers that are written already');
    await mina.page.keyboard.press('Enter');
    await mina.page.keyboard.press('Enter');
    await sees("One moment, please. I'm checking this for you.");
    await say('thank you');
    await mina.page.locator('.said.customer', { hasText: 'thank you' }).waitFor();

    // What was begun to write is there after a reload, and so is what was said.
    await box(mina.page).pressSequentially('Your order');
    await mina.page.waitForTimeout(1_200);
    await mina.page.reload();
    await box(mina.page).waitFor();
    assert.equal(await box(mina.page).inputValue(), 'Your order');
    await mina.page.locator('.said.customer', { hasText: 'thank you' }).waitFor();

    await platform.running.gateway!.kill();
    await box(mina.page).press('End');
    await box(mina.page).pressSequentially(' is on its way.');
    await box(mina.page).press('Enter');
    await platform.startGateway();
    await sees('Your order is on its way.');
    await page.reload();
    const said = page.locator('.webchat__bubble__content', { hasText: 'Your order is on its way.' });
    await said.first().waitFor();
    assert.equal(await said.count(), 1, 'said once');

    await mina.page.getByText('Profile and orders').click();
    await mina.page.getByText('ORD-10021').first().waitFor();
    await mina.page.getByText('Profile and orders').click();
    await page.getByRole('textbox').pressSequentially('I am');
    await mina.page.getByText('The customer is writing').waitFor();
    await page.getByRole('textbox').fill('');

    // A picture each way.
    await page
      .locator('input[type=file]')
      .setInputFiles({ name: 'broken.png', mimeType: 'image/png', buffer: await picture('red') });
    // Reading the file takes the page a moment; until then there is nothing to send.
    await page.locator('.webchat__attachment-icon--checked').waitFor();
    await page.locator('.webchat__send-button, [data-testid="send button"], button[title="Send"]').first().click();
    const shown = mina.page.locator('.said.customer img');
    await shown.waitFor();
    assert.ok(
      await shown.evaluate((image: HTMLImageElement) => image.decode().then(() => image.naturalWidth === 40)),
      'the agent sees it',
    );
    await mina.page
      .locator('.composer input[type=file]')
      .setInputFiles({ name: 'label.png', mimeType: 'image/png', buffer: await picture('blue') });
    const sent = page.locator('img[alt*="label"], img[src*="/api/pictures/"]');
    await sent.first().waitFor();
    assert.ok(
      await sent.first().evaluate((image: HTMLImageElement) => image.decode().then(() => image.naturalWidth === 40)),
      'the customer sees it',
    );

    await mina.page.locator('summary', { hasText: 'Notes' }).click();
    await mina.page.getByLabel(/A note for colleagues/).fill('was very patient');
    await mina.page.getByRole('button', { name: 'Add note' }).click();
    await jun.page.getByText('was very patient').waitFor();
    await accessible(mina.page, 'a conversation');
    await pictured(mina.page, 'desk');

    await mina.page.getByRole('button', { name: 'Close' }).click();
    await mina.page.getByText('Teach the bot this answer').click();
    assert.equal(await mina.page.getByLabel('Question').inputValue(), 'thank you', 'what was asked last is filled in');
    await mina.page.getByLabel('Question').fill('Is my parcel on its way? Call 010-1234-5678');
    await accessible(mina.page, 'the closing dialog');
    await mina.page.getByRole('button', { name: 'Keep' }).click();
    await mina.page.getByText('Kept: who looks after the bot finds it.').waitFor();
    await mina.page.getByRole('button', { name: 'Solved' }).click();
    await sees(/How was it, from 1/);
    await page.getByRole('toolbar').getByRole('button', { name: '5', exact: true }).click();
    await sees('Thank you for telling us.');
    await mina.page.getByText('Closed as Solved').waitFor();
    await mina.page.getByText('★★★★★').waitFor();
    await say('what are your opening hours?');
    await sees(/10:00/);
    assert.ok(!(await page.content()).includes('was very patient'), 'a note is no customer’s');
    for (const { context } of [mina, jun]) await context.close();
  });

  test('is given back to the bot, and taken over from it', async () => {
    const { page, say, sees } = await customer();
    await say('I want to talk to a person');
    await sees(/in the queue/);
    const mina = await staff('Mina Agent');
    await open(mina.page);
    await mina.page.getByRole('button', { name: 'Take it' }).click();
    await mina.page.getByRole('button', { name: 'Give back to the bot' }).click();
    await sees(/back with the bot/);
    await say('what are your opening hours?');
    await sees(/10:00/);
    await mina.page.getByRole('button', { name: 'Take over from the bot' }).click();
    await page.getByText('Mina Agent is here and answers you from now on.').nth(1).waitFor();
    await say('and now?');
    await mina.page.locator('.said.customer', { hasText: 'and now?' }).waitFor();
    await page.waitForTimeout(1_500);
    assert.equal(
      await mina.page.locator('.turn', { hasText: 'and now?' }).locator('.said.bot').count(),
      0,
      'the bot is silent',
    );
    await mina.page.getByRole('button', { name: 'Give back to the bot' }).click();
    await mina.context.close();
  });

  test('by the keyboard alone: found, taken, answered, handed back', async () => {
    const { page, say, sees } = await customer();
    await say('I want to talk to a person');
    await sees(/in the queue/);
    const mina = await staff('Mina Agent');
    const { keyboard } = mina.page;
    await mina.page.locator('.list a.row').first().waitFor();
    /** Tab until what has the focus says this. */
    const tabTo = async (text: string) => {
      for (let count = 0; count < 40; count += 1) {
        await keyboard.press('Tab');
        const focused = await mina.page.evaluate(() => {
          const { activeElement } = document;
          // Not what only holds others.
          if (!activeElement?.matches('a, button, input, textarea, summary')) return '';
          return `${activeElement.textContent} ${activeElement.getAttribute('aria-label') ?? ''}`;
        });
        if (focused.includes(text)) return;
      }
      assert.fail(`no way to "${text}" by the keyboard`);
    };
    await tabTo('directline');
    await keyboard.press('Enter');
    await mina.page.getByRole('button', { name: 'Take it' }).waitFor();
    await tabTo('Take it');
    await keyboard.press('Enter');
    await box(mina.page).waitFor();
    await sees('Mina Agent is here');
    // The box has the focus at once.
    await keyboard.type('With no mouse');
    // The customer sees that somebody writes.
    await page
      .locator('.webchat__typing-indicator, [class*="typing-indicator"], [class*="typingIndicator"]')
      .first()
      .waitFor();
    await keyboard.press('Enter');
    await sees('With no mouse');
    await tabTo('Close');
    await keyboard.press('Enter');
    await tabTo('Solved');
    await keyboard.press('Enter');
    await sees(/How was it, from 1/);
    await mina.context.close();
  });

  test('nothing that a customer writes is markup, nor anything that the staff is called', async () => {
    const { say, sees } = await customer();
    const hostile = [
      '<img src=x onerror=alert(1)>',
      '<script>alert(1)</script>',
      '"><svg onload=alert(1)>',
      '{{constructor}}',
      'javascript:alert(1)',
    ];
    await say('I want to talk to a person');
    await sees(/in the queue/);
    for (const text of hostile) await say(text);
    const mina = await staff('Mina Agent');
    mina.page.on('dialog', () => thrown.push('a dialog'));
    await open(mina.page);
    for (const text of hostile) {
      const said = mina.page.locator('.said.customer .text', { hasText: text });
      await said.waitFor();
      assert.equal(await said.evaluate((element) => element.children.length), 0, text);
    }
    await mina.page.getByRole('button', { name: 'Take it' }).click();
    await mina.page.getByRole('button', { name: 'Close' }).click();
    await mina.page.getByRole('button', { name: 'Customer gone' }).click();
    await mina.context.close();
  });

  test('on a phone, in Korean, in the dark, and with more contrast', async () => {
    const { say, sees } = await customer();
    await say('I want to talk to a person');
    await sees(/in the queue/);
    const phone = await staff('Jun Agent', {
      locale: 'ko-KR',
      viewport: { width: 390, height: 800 },
      colorScheme: 'dark',
      contrast: 'more',
    });
    await phone.page.getByText('대기 중').first().waitFor();
    assert.equal(await phone.page.locator('html').getAttribute('lang'), 'ko');
    await accessible(phone.page, 'the list on a phone');
    await open(phone.page);
    await phone.page.getByRole('button', { name: '상담 시작' }).click();
    await box(phone.page).fill('안녕하세요');
    await box(phone.page).press('Enter');
    await sees('안녕하세요');
    await accessible(phone.page, 'a conversation on a phone');
    const overflow = await phone.page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.equal(overflow, false, 'nothing is cut off');
    await pictured(phone.page, 'desk-phone');
    await phone.page.getByRole('button', { name: '← 대화 목록' }).click();
    await phone.page.locator('.list').waitFor();
    await phone.page.getByRole('button', { name: '로그아웃' }).click();
    await phone.page.getByRole('link', { name: '로그인' }).waitFor();
    await phone.context.close();
  });

  test('who has no role is told so; nobody sees a page of it in a frame; a session holds in its own pages alone', async () => {
    const { platform } = fixture;
    const vera = await staff('Vera Viewer');
    await vera.page.getByText(/your roles do not allow this page/).waitFor();
    const [cookie] = (await vera.context.cookies()).filter(({ name }) => name.endsWith('maru-session'));
    assert.deepEqual([cookie?.httpOnly, cookie?.sameSite], [true, 'Lax']);
    const headers = { cookie: `${cookie!.name}=${cookie!.value}` };
    const post = (more: Record<string, string>) =>
      fetch(`${platform.gateway}/api/admin/sign-out`, { method: 'POST', headers: { ...headers, ...more } });
    assert.equal((await post({})).status, 403);
    assert.equal((await post({ origin: 'https://evil.example' })).status, 403);
    assert.equal((await post({ origin: platform.gateway })).status, 200);
    const changed = { cookie: `${cookie!.name}=${cookie!.value.slice(0, -4)}AAAA` };
    assert.equal((await fetch(`${platform.gateway}/api/admin/me`, { headers: changed })).status, 401);
    const { headers: page } = await fetch(`${platform.gateway}/console/desk`);
    assert.match(page.get('content-security-policy')!, /script-src 'self';.*frame-ancestors 'none'/);
    assert.doesNotMatch(page.get('content-security-policy')!, /unsafe/);
    await vera.context.close();
  });

  test('the first page is small, and is kept by its contents', async () => {
    const context = await (await theBrowser()).newContext();
    const page = watch(await context.newPage());
    let bytes = 0;
    const lasting: string[] = [];
    page.on('response', async (response) => {
      if (!response.url().includes('/console/assets/')) return;
      bytes += Number(response.headers()['content-length'] ?? 0);
      lasting.push(response.headers()['cache-control'] ?? '');
    });
    await page.goto(`${fixture.platform.gateway}/console`);
    await page.locator('.sign-in').waitFor();
    assert.ok(bytes > 5_000 && bytes < 60_000, `${bytes} bytes`);
    assert.ok(lasting.every((one) => one.includes('immutable')));
    assert.equal((await fetch(`${fixture.platform.gateway}/console/assets/main-OLDBUILD.js`)).status, 404);
    await context.close();
  });

  test('no page asked for anything outside, was refused anything, or threw', () => {
    assert.deepEqual({ outside, refused, thrown }, { outside: [], refused: [], thrown: [] });
  });
});
