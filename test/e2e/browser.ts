import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after } from 'node:test';
import axe from 'axe-core';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import type { Platform } from '../../scripts/local/platform.ts';
import { root } from '../platform/fixture.ts';

/** What any page asked for outside of this machine, was refused by its policy, or threw. */
export const outside: string[] = [];
export const refused: string[] = [];
export const thrown: string[] = [];

let browser: Browser | undefined;
after(() => browser?.close());

/** One browser for all pages of a test file, closed after it. */
export async function theBrowser(): Promise<Browser> {
  browser ??= await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
    ],
  });
  return browser;
}

export function watch(page: Page): Page {
  page.on('request', (request) => {
    const { hostname, protocol } = new URL(request.url());
    if (protocol.startsWith('http') && !['127.0.0.1', 'localhost'].includes(hostname)) outside.push(request.url());
  });
  page.on('console', (message) => {
    if (/Content Security Policy|Trusted/.test(message.text())) refused.push(message.text());
  });
  page.on('pageerror', (error) => thrown.push(error.message));
  page.setDefaultTimeout(40_000);
  return page;
}

/** Somebody of the staff who has signed in, on a page of the console. */
export async function staff(
  { gateway }: Platform,
  name: string,
  more: Parameters<Browser['newContext']>[0] = {},
  path = 'desk',
): Promise<{ page: Page; context: BrowserContext }> {
  const context = await (await theBrowser()).newContext({
    locale: 'en-US',
    viewport: { width: 1200, height: 800 },
    ...more,
  });
  const page = watch(await context.newPage());
  await page.goto(`${gateway}/console/${path}`);
  await page.locator('.sign-in a').click();
  await page.getByRole('link', { name }).click();
  await page.waitForURL(`**/console/${path}`);
  return { page, context };
}

export async function accessible(page: Page, what: string): Promise<void> {
  // By the browser's own door: the page's policy lets no other script in.
  const violations = await page.evaluate(
    `(() => { ${axe.source}; return axe.run(document).then((r) => r.violations.map(({ id, nodes }) => id + ' ' + nodes.map((n) => n.html).join(' ').slice(0, 300))); })()`,
  );
  assert.deepEqual(violations, [], what);
}

/** Kept for the docs where it is asked for (PICTURES=1). */
export async function pictured(page: Page, name: string): Promise<void> {
  if (!process.env.PICTURES) return;
  await mkdir(join(root, 'docs/pictures'), { recursive: true });
  await page.screenshot({ path: join(root, `docs/pictures/${name}.png`) });
}
