import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BlobServiceClient } from '@azure/storage-blob';
import type { Page } from 'playwright-core';
import { conversationId, turnId, userId } from '../../functions/conversation/identifier.ts';
import { claim, judged, queued } from '../../functions/training/job/job.ts';
import { called, end } from '../../functions/training/job/trial.ts';
import { recipe } from '../../functions/training/recipe.ts';
import type { Attempt, Trial } from '../../functions/training/search/plan.ts';
import { settingsOf } from '../../functions/training/search/settings.ts';
import { pushFake } from '../platform/fake-server.ts';
import { eventually, request, say, unique, usePlatform } from '../platform/fixture.ts';
import { accessible, outside, pictured, refused, staff as signedIn, thrown } from './browser.ts';

delete process.env.REGISTRY_URL;
const fixture = usePlatform({ RELEASE_AGREEMENT: '0', RELEASE_LOSS: '1', RELEASE_LOSS_NONE: '1' }, undefined, {
  slots: true,
});

const staff = (name: string, path: string, more = {}) => signedIn(fixture.platform, name, more, path);
const PHONE = { locale: 'ko-KR', colorScheme: 'dark' as const, viewport: { width: 390, height: 844 } };

/** A trial of a search that has ended, with so many of 200 wrong. */
function trial(attempt: Attempt, wrong: number): Trial {
  const places = Array.from({ length: wrong }, (_, place) => place);
  return { ...attempt, figures: { accuracy: 1 - wrong / 200, auroc: null }, of: 200, wrong: places, seconds: 1 };
}

/** On a phone, nothing is wider than it. */
async function fits(page: Page, what: string): Promise<void> {
  const [wide, there] = await page.evaluate<[number, number]>('[document.documentElement.scrollWidth, innerWidth]');
  assert.ok(wide <= there, `${what}: ${wide} of ${there}`);
}

describe('the console in a browser', () => {
  test('from the figures to a conversation that went wrong, to its turn', async () => {
    const { platform } = fixture;
    const id = unique('e2e');
    for (const text of ['what are your opening hours?', 'asdfgh', 'where is my order MR-1001'])
      await say(platform, id, text);
    const { page } = await staff('Ada Admin', 'today');
    const tile = (name: string) => page.locator('.tile', { has: page.getByText(name, { exact: true }) });
    await eventually(async () => {
      await page.reload();
      await page.locator('.tiles').waitFor();
      return (await tile('Messages').textContent())!.includes('3');
    }, 40);
    assert.match((await tile('Not understood').textContent())!, /1/);
    await page.getByText('As a table').click();
    await page.locator('.scroll table').waitFor();
    await accessible(page, 'today');
    await page.getByRole('link', { name: 'Not understood' }).click();
    await page.waitForURL('**/console/conversations?**outcome=not_understood');
    const row = page.locator('.turns a', { hasText: 'asdfgh' });
    await row.waitFor();
    await accessible(page, 'conversations');
    await row.click();
    await page.waitForURL(`**/console/conversations/${conversationId('api', id)}?turn=**`);
    const turn = page.locator('.known li[aria-current]');
    await turn.getByText('Not understood').waitFor();
    assert.match((await turn.textContent())!, /asdfgh[\s\S]*Skill[\s\S]*fallback/);
    await page.locator('.known li', { hasText: 'store hours' }).first().waitFor();
    await accessible(page, 'a conversation');
    // The address alone leads there, too.
    await page.reload();
    await page.locator('.known li[aria-current]').waitFor();
  });

  test('filters stand in the address, and a search by keyboard alone finds', async () => {
    const { page } = await staff('Vera Viewer', 'conversations');
    await page.locator('.turns li').first().waitFor();
    assert.equal(await page.getByRole('link', { name: 'CSV' }).count(), 0, 'who only looks takes no file');
    await page.getByLabel('Text').focus();
    await page.keyboard.type('opening');
    await page.keyboard.press('Enter');
    await page.waitForURL('**?text=opening');
    await page.getByText('1 messages').waitFor();
    await page.getByText('More filters').click();
    await page.getByLabel('Score from %').fill('100');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByText('Nothing fits these filters.').waitFor();
    await page.getByRole('link', { name: 'Clear' }).click();
    await page.locator('.turns li').first().waitFor();
  });

  test('a bad answer is found, corrected as a draft, seen in what would change, published, and answered rightly', async () => {
    const { platform } = fixture;
    const { page } = await staff('Ada Admin', 'conversations');
    await page.getByLabel('Text').fill('opening hours');
    await page.keyboard.press('Enter');
    await page.locator('.turns a').first().click();
    await page.locator('.facts-of', { hasText: 'store hours' }).first().waitFor();
    await page.getByRole('link', { name: 'Bot', exact: true }).click();
    await page.getByRole('searchbox').fill('store hours');
    await page.getByRole('link', { name: 'store hours' }).click();
    const answers = page.locator('fieldset', { hasText: 'Answers, a line each' }).getByLabel(/^English/);
    await answers.waitFor();
    await accessible(page, 'an intent');
    await answers.fill('');
    await page.getByLabel('To correct').getByText('has no answers in en').waitFor();
    await answers.fill('From the console: until nine in the evening.');
    await page.getByLabel('To correct').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Save draft' }).click();
    await page.getByText('Draft saved').waitFor();
    assert.match((await say(platform, unique('e2e'), 'what are your opening hours?')).body.replies[0].text, /10:00/);

    await page.getByRole('link', { name: 'Drafts and versions 1' }).click();
    await page.getByRole('button', { name: 'What would change' }).click();
    const row = page.locator('tbody tr', { hasText: 'what are your opening hours?' }).first();
    await row.waitFor();
    assert.match((await row.textContent())!, /10:00.*From the console: until nine/);
    await accessible(page, 'drafts');
    await pictured(page, 'console-drafts');
    await page.getByRole('link', { name: 'Try it' }).first().click();
    await page.getByLabel('Say something').fill('what are your opening hours?');
    await page.keyboard.press('Enter');
    await page.locator('.said.bot', { hasText: 'From the console' }).waitFor();
    await accessible(page, 'trying it');
    await page.getByRole('link', { name: /Drafts and versions/ }).click();
    await page.getByLabel('What is it for?').fill('new hours');
    await page.getByRole('button', { name: 'Publish (1)' }).click();
    await page.getByText('Live as version 1').waitFor();
    await eventually(async () =>
      (await say(platform, unique('e2e'), 'what are your opening hours?')).body.replies[0].text.startsWith(
        'From the console',
      ),
    );
    await page.locator('summary', { hasText: 'new hours' }).click();
    await page.locator('ins', { hasText: 'From the console' }).waitFor();
  });

  test('a hundred texts are reviewed by the keyboard alone, without a page load, and one is taken back', async () => {
    const { platform } = fixture;
    const container = platform.cosmos.client.database('maru').container('turns');
    const now = Date.now();
    const seed = async (at: number) => {
      const answered = {
        answeredAt: now - at,
        acceptedAt: now - at,
        channel: 'api',
        customerId: null,
        attempts: 0,
        retryAt: 0,
      };
      const said = {
        text: `how about thing number ${at}`,
        attachments: [],
        locale: 'en',
        replies: [{ text: 'Sorry?' }],
      };
      const top = [
        { intent: 'gift_wrap', score: 0.4 },
        { intent: 'coupons', score: 0.3 },
      ];
      const understanding = { intent: 'none', score: 0.4, top, model: { name: 'intents', version: '1' } };
      await container.items.create({
        ...answered,
        ...said,
        understanding,
        id: turnId(`seed-${at}`),
        givenId: `seed-${at}`,
        conversationId: conversationId('api', `seed-${at}`),
        userId: userId('api', `seed-${at}`),
        fingerprint: '',
        traceparent: '',
        ordinal: 1,
        outcome: 'answered',
        skill: 'fallback',
        logged: true,
        deliveredAt: null,
        timings: {},
      });
    };
    await Promise.all(Array.from({ length: 110 }, (_, at) => seed(at)));
    const { page } = await staff('Eddie Editor', 'review');
    const text = page.locator('.utterance');
    await text.waitFor({ timeout: 40_000 });
    await accessible(page, 'review');
    await pictured(page, 'console-review');
    let loads = 0;
    page.on('framenavigated', () => {
      loads += 1;
    });
    for (let count = 1; count <= 100; count += 1) {
      await text.waitFor();
      const before = await text.textContent();
      const way = count % 5;
      if (way === 0) {
        await page.keyboard.press('i');
        await page.keyboard.type('store hours');
        await page.keyboard.press('Enter');
      } else await page.keyboard.press(['', '1', 'o', 's', '2'][way]!);
      await page.getByText(`· ${count} done`).waitFor();
      await text.filter({ hasNotText: before! }).or(page.getByText('Nothing needs a look.')).first().waitFor();
    }
    assert.equal(loads, 0);
    assert.equal(await page.locator('.problem').count(), 0);
    await page.keyboard.press('u');
    await page.getByText('· 99 done').waitFor();
    await page.getByRole('link', { name: 'Bot', exact: true }).click();
    await page.getByRole('link', { name: 'coupons changed' }).click();
    const utterances = page.locator('fieldset', { hasText: 'What customers say' }).getByLabel(/^English/);
    await eventually(async () => (await utterances.inputValue()).includes('how about thing number'));
    // What the others do not expect to find.
    for (const item of ['coupons', 'gift_wrap', 'store_hours', 'none']) {
      const token = await platform.entra.token(['editor']);
      const headers = { authorization: `Bearer ${token}` };
      await request(platform, 'DELETE', `/api/admin/content/items/intent.${item}`, undefined, headers);
    }
  });

  test('an intent with a flow is added: the flow is drawn, talked to before it is live, and begun by what a customer taps', async () => {
    const { page } = await staff('Eddie Editor', 'bot');
    await page.getByRole('button', { name: 'Flows', exact: true }).click();
    await page.getByLabel('Name of a new one').fill('gift wrap order');
    await page.getByRole('button', { name: 'Add' }).click();
    const json = page.getByLabel('JSON');
    await json.waitFor();
    await json.fill('{ "slots": {}, "steps": [ { "say": ');
    await page.locator('label.json .late').waitFor();
    await json.fill('{ "slots": {}, "steps": [ { "id": "told", "say": "gift_told" } ] }');
    await page.getByText('there is no phrase "gift_told"').waitFor();
    await page.locator('.flow .step', { hasText: 'gift_told' }).waitFor();
    await accessible(page, 'a flow');
    await page.getByRole('button', { name: 'Save draft' }).click();
    await page.getByText('Draft saved').waitFor();
    const add = async (kind: string, name: string, fill: () => Promise<void>) => {
      await page.getByRole('button', { name: kind, exact: true }).click();
      await page.getByLabel('Name of a new one').fill(name);
      await page.getByRole('button', { name: 'Add' }).click();
      await page.locator('h2.title', { hasText: name.replaceAll('_', ' ') }).waitFor();
      await fill();
      await page.getByRole('button', { name: 'Save draft' }).click();
      await page.getByText('Draft saved').waitFor();
    };
    await add('Phrases', 'gift_told', async () => {
      await page.getByLabel('English').fill('We wrap it in green paper.');
      await page.getByLabel('한국어').fill('초록 포장지로 포장해 드려요.');
    });
    await add('Intents', 'gift_in_green', async () => {
      const utterances = page.locator('fieldset', { hasText: 'What customers say' });
      await utterances.getByLabel(/^English/).fill('Please wrap it in green');
      await utterances.getByLabel(/^한국어/).fill('초록색으로 포장해 주세요');
      await page.getByLabel('Begins the flow').selectOption('gift_wrap_order');
    });
    await page.getByRole('link', { name: 'Drafts and versions 3' }).click();
    await page.getByRole('button', { name: 'Publish (3)' }).waitFor();
    assert.equal(await page.locator('.problems li').count(), 0);
    await page.getByRole('link', { name: 'Try it' }).first().click();
    await page.getByLabel('Say something').fill('Please wrap it in green');
    await page.keyboard.press('Enter');
    await page.locator('.said.bot', { hasText: 'green paper' }).waitFor();
  });

  test('an incident is acknowledged; a customer\u2019s text in it is text', async () => {
    const { platform } = fixture;
    await platform.cosmos.client.database('maru').container('incidents').items.create({
      id: 'poison.e2e',
      kind: 'poison_message',
      conversationId: null,
      turnId: null,
      userId: null,
      reason: '<img src=x onerror=alert(1)> a wake-up in turns failed five times',
      acceptedAt: Date.now(),
      at: Date.now(),
    });
    const vera = await staff('Vera Viewer', 'incidents');
    await vera.page.getByText('a wake-up in turns failed').waitFor();
    assert.equal(await vera.page.getByRole('button', { name: 'Acknowledge' }).count(), 0);
    const { page } = await staff('Rita Releaser', 'incidents');
    await page.getByText('<img src=x').waitFor();
    await accessible(page, 'incidents');
    await page.getByRole('button', { name: 'Acknowledge' }).click();
    await page.getByText('No incidents.').waitFor();
    await page.getByLabel('Only open ones').uncheck();
    await page.getByText(/seen to by Rita Releaser/).waitFor();
    // One of which something can be tried again.
    const id = unique('poison');
    await say(platform, id, 'what are your opening hours?');
    await platform.cosmos.client
      .database('maru')
      .container('incidents')
      .items.create({
        id: 'poison.again',
        kind: 'poison_message',
        conversationId: conversationId('api', id),
        turnId: null,
        userId: null,
        reason: 'a wake-up in call-log failed five times',
        acceptedAt: Date.now(),
        at: Date.now(),
      });
    const card = page.locator('.card', { hasText: 'a wake-up in call-log' });
    await card.getByRole('button', { name: 'Try again' }).click({ timeout: 30_000 });
    await card.getByText(/tried again by Rita Releaser/).waitFor();
  });

  test('somebody is erased only after the id was written once more, and the audit log says by whom', async () => {
    const { platform } = fixture;
    const id = unique('forget');
    await say(platform, id, 'what are your opening hours?');
    const { page } = await staff('Ada Admin', 'people');
    await page.getByLabel('Id', { exact: true }).fill(`user-of-${id}`);
    await page.getByRole('button', { name: 'Erase' }).click();
    const dialog = page.getByRole('dialog');
    assert.ok(await dialog.getByRole('button', { name: 'Erase' }).isDisabled());
    await dialog.getByLabel('Write the id once more').fill('something else');
    assert.ok(await dialog.getByRole('button', { name: 'Erase' }).isDisabled());
    await accessible(page, 'the dialog that asks again');
    await dialog.getByLabel('Write the id once more').fill(`user-of-${id}`);
    await dialog.getByRole('button', { name: 'Erase' }).click();
    await page.getByText(/^Erased: 1/).waitFor();
    await page.locator('tr', { hasText: 'erased a user' }).first().waitFor();
    assert.match((await page.locator('tr', { hasText: 'erased a user' }).first().textContent())!, /Ada Admin/);
    await accessible(page, 'people and data');
    assert.equal((await request(platform, 'GET', `/api/users/user-of-${id}/export`)).status, 404);
  });

  test('a release goes live and is rolled back, by who may; the reason stands where it may not be', async () => {
    const { platform } = fixture;
    const vera = await staff('Vera Viewer', 'releases');
    const { page } = await staff('Rita Releaser', 'releases');
    await page.getByText('The staging slot runs no release').waitFor();
    assert.ok(await page.getByRole('button', { name: 'Make it live' }).isDisabled());
    const answers = { 'what are your opening hours?': 'store_hours' };
    const digest = await pushFake(platform.settings.REGISTRY_URL!, { answers, golden: answers });
    await page.locator('.cards .card .line', { hasText: 'ready' }).waitFor({ timeout: 60_000 });
    assert.equal(await vera.page.getByRole('button', { name: 'Make it live' }).count(), 0);
    await accessible(page, 'releases');
    // First in shadow, and back: nothing else may be done with it meanwhile.
    await page.getByRole('button', { name: 'Ramp it' }).click();
    const ramp = page.getByRole('region', { name: 'Ramp' });
    await ramp.getByText('It is asked, and not answered with.').waitFor();
    await page
      .getByText(/A ramp is under way, at 0%/)
      .first()
      .waitFor();
    await accessible(page, 'a ramp');
    await ramp.getByRole('button', { name: 'Back to nobody' }).click();
    await ramp.getByRole('button', { name: 'Yes: what is live answers everybody' }).click();
    await ramp.getByText('stopped by Rita Releaser', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Make it live' }).and(page.locator(':enabled')).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Make it live' }).click();
    await page.locator('.cards .card .line', { hasText: 'live' }).waitFor({ timeout: 60_000 });
    await page.getByText(/Make it live · Rita Releaser .* done/).waitFor();
    assert.ok((await platform.appService!.production) && digest);
    await pictured(page, 'console-releases');
    await page.getByRole('button', { name: 'Roll back' }).and(page.locator(':enabled')).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Roll back' }).click();
    await page.locator('.cards .card .line', { hasText: 'rolled back' }).waitFor({ timeout: 60_000 });
    const { page: ada } = await staff('Ada Admin', 'people');
    await ada.locator('tr', { hasText: 'rolled a release back' }).first().waitFor();
    assert.match((await ada.locator('tr', { hasText: 'made a release live' }).first().textContent())!, /Rita Releaser/);
  });

  test('a training that waits for a person: why, its curve, what is taken for what, and who may let it go on', async () => {
    const { platform } = fixture;
    const queuedAt = Date.now() - 90_000;
    const report = {
      threshold: 0.5,
      confusion: [
        { text: 'do you wrap gifts', intent: 'gift_wrap', label: 'gift_wrap', score: 0.97 },
        { text: 'can it be a present', intent: 'gift_wrap', label: 'gift_card', score: 0.71 },
        { text: 'a card for my mum', intent: 'gift_card', label: 'gift_card', score: 0.9 },
      ],
      judged: [{ text: 'wrap it nicely', intent: 'gift_wrap', before: 'gift_wrap', after: 'gift_card' }],
    };
    const trained = judged(
      claim(queued({ by: null, why: 'changes', changes: 21, content: 'c' }, queuedAt), 'worker', queuedAt, 60_000)!,
      [],
      {
        intents: null,
        faq: null,
        worse: [{ intent: 'gift_wrap', of: 10, before: 9, after: 5 }],
        log: { compared: 40, changed: 3 },
        ece: 0.04,
        reasons: ['of 10 utterances of “gift_wrap” 5 are right, and 9 are with what is live'],
        mayPass: true,
      },
      queuedAt + 60_000,
    );
    const losses = [0.1, 0.4, 0.7, 1].map((share) => ({ share, loss: 3 - 2 * share }));
    const database = platform.cosmos.client.database('maru');
    const [first, longer] = [
      trial({ index: 0, rung: 0, settings: {} }, 40),
      trial({ index: 1, rung: 0, settings: { epochs: 24 } }, 20),
    ];
    const present = { ...settingsOf(recipe), epochs: 16 };
    const figures = { accuracy: 0.8, auroc: null };
    const search = {
      ...{ trials: 2, seconds: 60, until: 0, present, done: 2, expected: 2 },
      found: { settings: { epochs: 24 }, before: figures, after: { accuracy: 0.9, auroc: null } },
    };
    await database.container('trainings').items.create({ ...trained, losses, search });
    for (const one of [first, longer])
      await database.container('trials').items.create(end(called(trained.id, one, queuedAt), 'worker', one, queuedAt));
    await BlobServiceClient.fromConnectionString(platform.azurite.connection)
      .getContainerClient('trainings')
      .getBlockBlobClient(`${trained.id}/report.json`)
      .uploadData(Buffer.from(JSON.stringify(report)));

    const { page: eddie } = await staff('Eddie Editor', 'training');
    await eddie.getByText('waits for a person').first().waitFor();
    assert.equal(await eddie.getByRole('button', { name: 'Stage it all the same' }).count(), 0, 'a releaser does');
    const { page } = await staff('Ada Admin', 'training');
    await page.getByText(/5 are right, and 9 are with what is live/).waitFor();
    await page.getByText(/80% → 90%.*epochs 24/).waitFor();
    await page.getByText('Try settings first').click();
    assert.equal(await page.getByRole('button', { name: 'Search, then train' }).isDisabled(), true);
    await page.getByRole('img', { name: /Loss 1\.00/ }).waitFor();
    await accessible(page, 'training');
    await page.getByRole('link', { name: 'Report' }).click();
    await page.getByRole('button', { name: 'gift_wrap → gift_card: 1' }).click();
    await page.getByText('can it be a present').waitFor();
    await page.getByText('wrap it nicely').waitFor();
    const effect = page.getByRole('region', { name: 'What each setting does' }).locator('tr', { hasText: 'epochs' });
    assert.match((await effect.textContent())!, /16 → 24\+10\.020 \/ 200better/);
    await page.getByText('Trials (2)').click();
    await page.getByText('the recipe as it is').waitFor();
    await accessible(page, 'the report of a training');
    await page.getByRole('navigation').getByRole('link', { name: 'Training' }).click();
    await page.getByRole('button', { name: 'Stage it all the same' }).click();
    await page.getByText('judged', { exact: true }).first().waitFor();
    await page.getByRole('button', { name: 'End it' }).click();
    await page.getByText('ended', { exact: true }).first().waitFor();
    assert.equal(await page.getByRole('button', { name: 'Train now' }).isDisabled(), true, 'nothing trains here');
    const { page: audit } = await staff('Ada Admin', 'people');
    await audit.locator('tr', { hasText: 'let a training go on' }).first().waitFor();
    await audit.locator('tr', { hasText: 'ended a training' }).first().waitFor();
  });

  test('each page on a phone, in Korean and in the dark', async () => {
    const { page } = await staff('Ada Admin', 'today', PHONE);
    await page.locator('.tiles').waitFor();
    await fits(page, 'today');
    await accessible(page, 'today on a phone');
    for (const [path, there] of [
      ['conversations', '.turns li'],
      ['incidents', '.filters'],
      ['training', '.cards li'],
      ['releases', '.cards li'],
      ['people', 'form'],
      ['bot', '.list li'],
      ['bot/flow.order_cancel', '.title'],
    ] as const) {
      await page.goto(`${fixture.platform.gateway}/console/${path}`);
      await page.locator(there).first().waitFor();
      await fits(page, path);
      await accessible(page, `${path} on a phone`);
    }
    await page.goto(`${fixture.platform.gateway}/console/conversations`);
    await page.locator('.turns a').first().click();
    await page.locator('.known li').first().waitFor();
    await fits(page, 'a conversation');
  });

  test('who has no right to a page is told which role it takes', async () => {
    const { page } = await staff('Vera Viewer', 'people');
    await page.getByText(/Ask an admin for the role “admin”/).waitFor();
    assert.equal(await page.getByRole('link', { name: 'People and data' }).count(), 0);
  });

  test('no page asked anybody outside, was refused by its policy, or threw', () => {
    assert.deepEqual([outside, refused, thrown], [[], [], []]);
  });
});
