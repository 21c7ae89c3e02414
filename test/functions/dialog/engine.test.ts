import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Bot, NONE, NOT } from '../../../functions/dialog/bot.ts';
import { type Flow, flow as flowShape, problemsOf } from '../../../functions/dialog/flow.ts';
import type { ActionResult } from '../../../functions/dialog/value.ts';
import type { ActionRequest } from '../../../functions/skills/skill.ts';
import { botFolder } from '../../../scripts/bot/folder.ts';
import { content } from '../../bot.ts';
import { Shopper, Talk } from '../skills/talk.ts';

/** What a second reader did to the engine: each case is one of its kind. */
const ACTIONS = {
  look: { effect: 'none' as const, results: ['fine', 'fee'] },
  things: { effect: 'none' as const, results: ['options', 'none'] },
  wipe: { effect: 'irreversible' as const, results: ['done'] },
  refund: { effect: 'irreversible' as const, results: ['done'] },
};
const PHRASES = {
  ask: { en: 'Which one?' },
  shall_i: { en: 'Shall I, {price}?' },
  instead: { en: 'The other instead?' },
  costs: { en: 'It costs a fee.' },
  done: { en: 'Done.' },
  over: { en: 'Over.' },
  yes_wipe: { en: 'Yes, wipe {price}' },
};

type Reply = (request: ActionRequest) => ActionResult;

/** A bot with one flow, and what its actions answer. */
function talkTo(given: object, answers: Record<string, Reply>, more: { phrases?: object; entities?: object } = {}) {
  const flow: Flow = flowShape.parse(given);
  const talk = new Talk(botOf(flow, more), acts(answers));
  return { talk, flow, begin: () => talk.say('do it', 'doing', 'en') };
}

function botOf(flow: Flow, { phrases = {}, entities = {} }: { phrases?: object; entities?: object } = {}): Bot {
  return new Bot({
    ...content,
    intents: [
      ...content.intents,
      { name: 'doing', flow: 'doing', utterances: { en: ['do it now'], ko: ['해 줘 봐'] } },
    ],
    flows: { ...content.flows, doing: flow },
    actions: { ...content.actions, ...ACTIONS },
    phrases: { ...content.phrases, ...PHRASES, ...phrases },
    entities: { ...content.entities, ...entities } as never,
  });
}

function acts(answers: Record<string, Reply>) {
  return Object.fromEntries(
    ['look', 'things', 'wipe', 'refund'].map((name) => [
      name,
      async (request: ActionRequest) => answers[name]?.(request) ?? { result: name === 'look' ? 'fine' : 'done' },
    ]),
  );
}

const confirmAndWipe = [
  { call: 'look', results: { fine: 'question', fee: 'words' } },
  { id: 'words', say: 'costs' },
  { id: 'question', confirm: 'shall_i', declined: 'over' },
  { call: 'wipe', results: { done: 'done' } },
  { id: 'done', say: 'done', next: 'end' },
  { id: 'over', say: 'over' },
];

test('a question without its sign is no yes', async () => {
  for (const text of [
    'is that correct',
    'would you confirm that',
    'do i want to confirm it',
    'am i sure',
    'does that cancel it',
  ]) {
    const shopper = new Shopper();
    await shopper.say('cancel ORD-10021', 'order_cancel');
    await shopper.say(text, NONE, 'en');
    assert.deepEqual(shopper.done, [], text);
  }
});

test('a no leads to another question, whose yes is for that one alone', async () => {
  const { talk, flow, begin } = talkTo(
    {
      steps: [
        { id: 'first', confirm: 'shall_i', declined: 'second' },
        { call: 'wipe', results: { done: 'done' } },
        { id: 'second', confirm: 'instead', declined: 'over' },
        { call: 'refund', results: { done: 'done' } },
        { id: 'done', say: 'done', next: 'end' },
        { id: 'over', say: 'over' },
      ],
    },
    {},
  );
  assert.deepEqual(
    problemsOf(flow, ACTIONS).map(({ message }) => message),
    ['no step leads here'].slice(1),
  );
  await begin();
  assert.match((await talk.say('no')).text, /The other instead/);
  assert.equal((await talk.say('yes')).text, 'Done.');
  assert.deepEqual(talk.done, ['refund']);
});

test('what is done after a no is refused where the flow is read', () => {
  const flow = flowShape.parse({
    steps: [
      { confirm: 'shall_i', declined: 'over' },
      { confirm: 'instead', declined: 'act' },
      { id: 'act', call: 'wipe', results: { done: 'over' } },
      { id: 'over', say: 'over' },
    ],
  });
  assert.match(problemsOf(flow, ACTIONS)[0]!.message, /can be reached without a yes/);
});

test('what was said before the question is part of what is confirmed', async () => {
  let result = 'fine';
  const { talk, begin } = talkTo({ steps: confirmAndWipe }, { look: () => ({ result }) });
  await begin();
  result = 'fee';
  assert.match((await talk.say('yes')).text, /It costs a fee\.[\s\S]*Shall I/);
  assert.deepEqual(talk.done, []);
});

test('a yes that was written before the question was there answers nothing', async () => {
  let price = 100;
  const { talk, begin } = talkTo({ steps: confirmAndWipe }, { look: () => ({ result: 'fine', values: { price } }) });
  await begin();
  price = 900;
  talk.acceptedAt = talk.now + 10;
  assert.match((await talk.say('yes')).text, /Shall I, 900/);
  // The second of a double tap.
  await talk.say('yes');
  assert.deepEqual(talk.done, []);
  talk.acceptedAt = 0;
  await talk.say('yes');
  assert.deepEqual(talk.done, ['wipe']);
});

test('a bot that was edited in between asks again', async () => {
  for (const phrases of [{ shall_i: { en: 'Shall I delete your account, {price}?' } }, {}]) {
    const { talk, flow, begin } = talkTo({ steps: confirmAndWipe }, {});
    await begin();
    const edited = Object.keys(phrases).length > 0 ? flow : { ...flow, description: 'another' };
    talk.bot = botOf(edited, { phrases });
    assert.match((await talk.say('yes')).text, /Shall I/);
    assert.deepEqual(talk.done, []);
  }
});

test('what actions say is not kept from look to look, and never grows without end', async () => {
  let count = 0;
  const { talk, begin } = talkTo(
    { steps: confirmAndWipe },
    {
      look: () => {
        count += 1;
        return { result: 'fine', values: { price: count, [`v${count}`]: 'x'.repeat(900) } };
      },
    },
  );
  await begin();
  for (let turn = 0; turn < 20; turn += 1) await talk.say('yes');
  assert.ok(JSON.stringify(talk.dialog).length < 5_000);
  const much = talkTo(
    { steps: confirmAndWipe },
    {
      look: () => ({
        result: 'fine',
        values: Object.fromEntries(
          Array.from({ length: 30 }, (_, index) => [`v${index}`, { list: Array(30).fill('x'.repeat(1_000)) }]),
        ),
      }),
    },
  );
  await assert.rejects(much.begin(), /too much to keep/);
  const many = botOf(flowShape.parse({ steps: confirmAndWipe }), { phrases: { done: { en: '{a}'.repeat(30) } } });
  assert.ok(many.say('en', 'done', { a: 'x'.repeat(1_000) }).length <= 4_001);
});

test('a name takes no button, no stop, no denial and no other wish', async () => {
  const note = { entities: { note: { kind: 'text', max: 60 } } };
  const flow = { slots: { note: { entity: 'note' } }, steps: [{ collect: 'note', ask: 'ask' }, ...confirmAndWipe] };
  for (const [text, intent] of [
    ['Talk to a person', 'person'],
    ['i want to talk to somebody real', 'person'],
    ['what are your opening hours please', 'store_hours'],
    ['no', 'no'],
    ['I do not want that', NOT],
    ['stop', NONE],
  ] as const) {
    const { talk, begin } = talkTo(flow, {}, note);
    await begin();
    await talk.say(text, intent, 'en');
    assert.equal(talk.dialog.flow?.slots.note, undefined, text);
  }
  const { talk, begin } = talkTo(flow, {}, note);
  await begin();
  await talk.say('Kim Minji');
  assert.equal(talk.dialog.flow?.slots.note?.value, 'Kim Minji');
});

test('another wish that names a thing does not change what is being done', async () => {
  for (const [text, intent] of [
    ['where is my order ORD-10022', 'order_status'],
    ['I want to talk to a person about ORD-10022', 'person'],
  ] as const) {
    const shopper = new Shopper();
    await shopper.say('cancel ORD-10021', 'order_cancel');
    const { text: said } = await shopper.say(text, intent);
    assert.ok(!said.includes('Shall I cancel order ORD-10022'), `${text}: ${said}`);
  }
});

const people = {
  adults: { kind: 'number', min: 1, max: 9 },
  colour: {
    kind: 'list',
    items: ['crimson', 'turquoise', 'magenta'].map((value) => ({ value, label: { en: value }, synonyms: {} })),
  },
  day: { kind: 'date' },
  phone: { kind: 'phone' },
};

test('what answers one question answers no other', async () => {
  const numbers = talkTo(
    {
      slots: { adults: { entity: 'adults' }, children: { entity: 'adults' }, colour: { entity: 'colour' } },
      steps: [
        { collect: 'colour', ask: 'ask' },
        { collect: 'adults', ask: 'ask' },
        { collect: 'children', ask: 'ask' },
        ...confirmAndWipe,
      ],
    },
    {},
    { entities: people },
  );
  await numbers.begin();
  await numbers.talk.say('magenta');
  await numbers.talk.say('2');
  const values = () => Object.entries(numbers.talk.dialog.flow!.slots).map(([name, slot]) => `${name} ${slot?.value}`);
  assert.deepEqual(values(), ['colour magenta', 'adults 2'], 'neither the second colour nor two children');
  const phones = talkTo(
    {
      slots: { day: { entity: 'day' }, phone: { entity: 'phone' } },
      steps: [{ collect: 'day', ask: 'ask' }, { collect: 'phone', ask: 'ask' }, ...confirmAndWipe],
    },
    {},
    { entities: people },
  );
  await phones.talk.say('do it on 2026-12-03', 'doing', 'en');
  assert.deepEqual(phones.talk.dialog.flow!.step, 'step_2', 'a day is no phone');
  await phones.talk.say('010-1234-5678');
  assert.equal(phones.talk.dialog.flow!.slots.day?.value, '2026-12-03', 'and a phone no day');
});

const things = (...labels: string[]) => ({
  result: 'options',
  options: labels.map((label, index) => ({ value: `T-${index}`, names: [], label })),
});
const choosing = {
  slots: { thing: { entity: 'thing' } },
  steps: [{ collect: 'thing', ask: 'ask', options: 'things', results: { none: 'over' } }, ...confirmAndWipe],
};
const thing = { entities: { thing: { kind: 'choice' } } };

test('what a button says is that, and a longer name is not the shorter in it', async () => {
  const { talk, begin } = talkTo(choosing, { things: () => things('Galaxy Phone', 'Galaxy Phone Pro') }, thing);
  await begin();
  await talk.say('Galaxy Phone Pro');
  assert.equal(talk.dialog.flow?.slots.thing?.value, 'T-1');
  const button = talkTo(
    { steps: confirmAndWipe.map((step) => ('confirm' in step ? { ...step, yes: 'yes_wipe' } : step)) },
    { look: () => ({ result: 'fine', values: { price: 7 } }) },
  );
  await button.begin();
  await button.talk.say('Yes, wipe 7');
  assert.deepEqual(button.talk.done, ['wipe']);
});

test('a place counts in what is listed', async () => {
  const shopper = new Shopper();
  shopper.orders[0]!.status = 'shipped';
  await shopper.say('cancel my order', 'order_cancel');
  assert.match((await shopper.say('the first one')).text, /Shall I cancel order ORD-10022/);
});

test('what was said at once is held against what may be chosen', async () => {
  const clinic = new Bot(botFolder(join(import.meta.dirname, '../../../examples/clinic')));
  const times = ['09:00', '09:30'].map((value) => ({ value, names: [], label: { time: value } }));
  const talk = new Talk(clinic, { free_times: async () => ({ result: 'options', options: times }) });
  const { text } = await talk.say('book ENT for tomorrow at 3:00 am', 'appointment_book', 'en');
  assert.match(text, /3:00\s?AM is not free[\s\S]*Which one suits you/);
  const closed = new Talk(clinic, { free_times: async () => ({ result: 'closed' }) });
  assert.match((await closed.say('book ENT for tomorrow at 9:30', 'appointment_book', 'en')).text, /We are closed/);
});

test('what is not to be had is said at the confirmation too', async () => {
  const { talk, begin } = talkTo(
    { slots: { adults: { entity: 'adults' } }, steps: [{ collect: 'adults', ask: 'ask' }, ...confirmAndWipe] },
    {},
    { entities: people },
  );
  await begin();
  await talk.say('2');
  assert.match((await talk.say('40')).text, /I can't take 40 here[\s\S]*yes or no/);
  assert.deepEqual(talk.done, []);
});

test('two looks of one turn are two, and what is done twice has one key', async () => {
  const keys: string[] = [];
  const { talk, begin } = talkTo(
    { steps: confirmAndWipe },
    {
      wipe: ({ key }) => {
        keys.push(key);
        return { result: 'done' };
      },
    },
  );
  await begin();
  const before = talk.dialog;
  await talk.say('yes');
  talk.dialog = before;
  talk.again();
  await talk.say('yes');
  assert.equal(keys.length, 2);
  assert.equal(new Set(keys).size, 1, 'a turn that runs twice does nothing twice');
});

test('flows that wait for others come back one after the other', async () => {
  const shopper = new Shopper();
  await shopper.say('cancel ORD-10021', 'order_cancel');
  const { text } = await shopper.say('and where are they, all of my orders?', 'order_status');
  assert.match(text, /Which order do you mean/);
  const status = await shopper.say('10023');
  assert.match(status.text, /is on its way[\s\S]*Back to cancelling order ORD-10021/);
  await shopper.say('yes');
  assert.deepEqual(shopper.cancelled, ['ORD-10021']);
});

test('a phrase that the bot no longer has is nothing, not an error', () => {
  const bot = botOf(flowShape.parse({ steps: confirmAndWipe }));
  assert.equal(bot.write('en', { phrase: 'no_such_phrase' }), '');
});
