import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { Bot } from '../../functions/dialog/bot.ts';
import { serveBot } from '../../functions/services/bot.ts';
import { botFolder, RETAILER } from '../bot/folder.ts';
import { buildFunctions } from '../build/functions.ts';
import { Store } from '../local/cosmos/store.ts';
import { COSMOS_DATABASE, deployContainers } from '../local/cosmos.ts';
import { startPlatform } from '../local/platform.ts';
import { freePorts } from '../local/ports.ts';
import { fillCallLog } from './call-log.ts';
import { countOperations } from './operations.ts';
import { machine, percentile } from './report.ts';

const HELP = `npm run bench:console: how soon each page of the console answers over a long call log, and what it asks of the database

  --turns 200000   logged turns, over 90 days
  --look           keeps it open afterwards, to look at in a browser
  --write          into docs/benchmarks/console.md
  --pictures       of each page, at a desk and on a phone, into docs/pictures

The aim: each page's first answer under 1,000 ms, and under 20 reads for the page of figures however long the log is.
`;
const { values } = parseArgs({
  options: {
    turns: { type: 'string', default: '200000' },
    look: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    pictures: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const DAYS = 90;
const AIM_MS = 1_000;
const AIM_READS = 20;
const AIM_REVIEW_MS = 300;
const REVIEWS = 100;
const turns = Number(values.turns);
const root = join(import.meta.dirname, '../..');
const folder = await mkdtemp(join(tmpdir(), 'maru-console-'));

await buildFunctions();
const bot = new Bot(botFolder(RETAILER));
serveBot(bot);
console.log(`Writing ${turns.toLocaleString('en')} turns …`);
const now = Date.now();
const store = new Store(join(folder, 'cosmos.db'));
deployContainers(store, COSMOS_DATABASE);
fillCallLog(store, bot, turns, DAYS, now);
store.close();
const platform = await startPlatform({ ports: await freePorts(), folder, models: null, keep: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
});
try {
  console.log('Counting statistics …');
  Object.assign(process.env, platform.settings);
  const counting = performance.now();
  const { countStatistics } = await import('../../functions/services/statistics.ts');
  let hours = 0;
  for (let counted = 1; counted > 0; hours += counted) counted = await countStatistics(Date.now());
  console.log(`${hours} hours in ${((performance.now() - counting) / 1_000).toFixed(0)} s`);

  const token = await platform.entra.token(['admin'], { name: 'Bench' });
  const headers = { authorization: `Bearer ${token}` };
  const day = (ago: number) => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);
  const get = async (path: string) => {
    const answer = await fetch(`${platform.gateway}/api/admin/${path}`, { headers });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
    return JSON.parse(text);
  };
  const some = await get('turns');
  const pages: [name: string, path: string][] = [
    ['today', 'today'],
    ['28 days', `today?from=${day(28)}&to=${day(1)}`],
    ['90 days', `today?from=${day(89)}&to=${day(0)}`],
    ['conversations', 'turns'],
    ['… their second page', `turns?after=${some.next}`],
    ['… of one intent', 'turns?intent=store_hours'],
    ['… thumbs down', 'turns?feedback=down'],
    ['… not understood', 'turns?outcome=not_understood'],
    ['… with a word', 'turns?text=refund'],
    ['… with a word that nobody wrote', 'turns?text=zzzzzz'],
    ['one conversation', `conversations/${some.turns[0].conversationId}`],
    ['bot', 'content'],
    ['an intent', 'content/items/intent.store_hours'],
    ['what would change', 'content/effect'],
    ['versions', 'content/versions'],
    ['incidents', 'incidents?open=true'],
    ['releases', 'releases'],
    ['audit', 'audit'],
  ];
  const rows: string[][] = [];
  let missed = false;
  const counted = countOperations(platform.cosmos.server);
  for (const [name, path] of pages) {
    // The database's stand-in and the gateway are one process each; the second answer is what everybody gets who looks within seconds.
    counted.clear();
    const started = performance.now();
    await get(path);
    const first = performance.now() - started;
    const asked = [...counted.values()].filter(({ operation }) => operation !== 'plan');
    const reads = asked.reduce((sum, { count }) => sum + count, 0);
    const units = asked.reduce((sum, one) => sum + one.units, 0);
    missed ||= first > AIM_MS || (path.startsWith('today') && reads >= AIM_READS);
    rows.push([name, first.toFixed(0), String(reads), units.toFixed(0)]);
  }
  const context = await browser.newContext({ locale: 'en-US' });
  const page = await context.newPage();
  await page.goto(`${platform.gateway}/console`);
  await page.locator('.sign-in a').click();
  await page.getByRole('link', { name: 'Ada Admin' }).click();
  await page.locator('.tiles').waitFor();
  const opened: string[][] = [];
  for (const [name, path, there] of [
    ['today', 'today', '.tiles'],
    ['conversations', 'conversations', '.turns li'],
    ['bot', 'bot/intent.store_hours', 'textarea'],
    ['incidents', 'incidents', '.cards li'],
    ['people and data', 'people', 'form'],
  ] as const) {
    const started = performance.now();
    await page.goto(`${platform.gateway}/console/${path}`);
    await page.locator(there).first().waitFor();
    const took = performance.now() - started;
    missed ||= took > AIM_MS;
    opened.push([name, took.toFixed(0)]);
  }
  // A hundred decisions by the keyboard, with the time of each request as the browser sees it.
  const reviewing: number[] = [];
  page.on('requestfinished', (request) => {
    if (request.url().includes('/api/admin/review')) reviewing.push(request.timing().responseEnd);
  });
  await page.goto(`${platform.gateway}/console/review`);
  await page.locator('.utterance').waitFor();
  const began = performance.now();
  for (let count = 1; count <= REVIEWS; count += 1) {
    await page.locator('.utterance').waitFor();
    await page.keyboard.press(['1', 'o', 's', '2'][count % 4]!);
    await page.getByText(`· ${count} done`).waitFor();
  }
  const reviewed = (performance.now() - began) / 1_000;
  const p95 = percentile(reviewing, 0.95);
  missed ||= p95 > AIM_REVIEW_MS;
  const table = [
    '| page | first answer ms | reads | request units |',
    '| --- | --: | --: | --: |',
    ...rows.map((row) => `| ${row.join(' | ')} |`),
    '',
    '| opened in a browser | ms until it shows something |',
    '| --- | --: |',
    ...opened.map((row) => `| ${row.join(' | ')} |`),
    '',
    `A hundred texts reviewed by the keyboard in ${reviewed.toFixed(0)} s; ${reviewing.length} requests, p95 ${p95.toFixed(0)} ms (the aim is ${AIM_REVIEW_MS}).`,
  ].join('\n');
  console.log(`\n${table}\n`);
  if (values.write) {
    await mkdir(join(root, 'docs/benchmarks'), { recursive: true });
    const page = `# The console over a long call log\n\n\`npm run bench:console -- --write\`, on ${machine()}: ${turns.toLocaleString('en')} logged turns over ${DAYS} days, everything on this machine. Reads are\nrequests of the database; request units are estimated (scripts/local/cosmos/request-units.ts). The aims are ${AIM_MS.toLocaleString('en')} ms, and fewer than\n${AIM_READS} reads for the figures.\n\n${table}\n`;
    await writeFile(join(root, 'docs/benchmarks/console.md'), page);
  }
  if (values.pictures) await takePictures(some.turns[3].conversationId);
  if (missed) {
    console.error('An aim was missed.');
    process.exitCode = 1;
  }
  if (values.look) {
    console.log(`Open ${platform.gateway}/console · Ctrl-C ends it`);
    await new Promise((resolve) => process.once('SIGINT', resolve));
  }
} finally {
  await browser.close();
  await platform.stop();
  await rm(folder, { recursive: true, force: true });
}
process.exit();

/** In English and by day at a desk, in Korean and in the dark on a phone. */
async function takePictures(conversation: string): Promise<void> {
  const pages = [
    'today',
    'conversations',
    `conversations/${conversation}`,
    'incidents',
    'people',
    'bot/intent.store_hours',
    'bot/flow.order_cancel',
  ];
  for (const [suffix, more] of [
    ['', { locale: 'en-US', viewport: { width: 1280, height: 900 } }],
    ['-phone', { locale: 'ko-KR', viewport: { width: 390, height: 844 }, colorScheme: 'dark' as const }],
  ] as const) {
    const context = await browser.newContext({ timezoneId: 'Asia/Seoul', ...more });
    const page = await context.newPage();
    await page.goto(`${platform.gateway}/console`);
    await page.locator('.sign-in a').click();
    await page.getByRole('link', { name: 'Ada Admin' }).click();
    for (const path of pages) {
      await page.goto(`${platform.gateway}/console/${path}`);
      await page.locator('main').waitFor();
      // Until charts are drawn and lists are there.
      await page.waitForTimeout(1_000);
      const name = path.startsWith('conversations/')
        ? 'conversation'
        : path.replace('bot/intent.store_hours', 'bot').replace('bot/flow.order_cancel', 'flow');
      await page.screenshot({ path: join(root, `docs/pictures/console-${name}${suffix}.png`) });
    }
    await context.close();
  }
}
