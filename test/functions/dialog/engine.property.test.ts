import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { FlowState } from '../../../functions/conversation/flow.ts';
import { Bot, NONE } from '../../../functions/dialog/bot.ts';
import { type Flow, flow as flowShape, problemsOf, type Step } from '../../../functions/dialog/flow.ts';
import type { ActionRequest } from '../../../functions/skills/skill.ts';
import { content, bot as retailer } from '../../bot.ts';
import { Talk } from '../skills/talk.ts';

/**
 * Random flows with random users: who corrects, changes the mind, asks something in between, says yes to something else, taps
 * twice, whose turn crashes in the middle and runs again, while what the flow looks up changes under it.
 */
const ENTITIES = {
  colour: {
    kind: 'list' as const,
    items: ['crimson', 'turquoise', 'magenta'].map((value) => ({ value, label: { en: value }, synonyms: {} })),
  },
  parcel: { kind: 'choice' as const, code: { prefix: 'PCL-', digits: [5, 6] as [number, number] } },
  count: { kind: 'number' as const, min: 1, max: 50 },
  day: { kind: 'date' as const, min: 0, max: 30 },
  note: { kind: 'text' as const, max: 50 },
};
type Kind = keyof typeof ENTITIES;

const ACTIONS = {
  parcels: { effect: 'none' as const, results: ['options', 'none'] },
  look: { effect: 'none' as const, results: ['fine', 'gone'] },
  destroy: { effect: 'irreversible' as const, results: ['done', 'late'] },
};

const PHRASES = {
  ask: { en: 'Please say it:' },
  show: { en: 'Destroy? [{colour}|{parcel}|{count}|{day}|{note}] costs {price}' },
  shown_also: { en: 'Some words before.' },
  done: { en: 'It is done.' },
  over: { en: 'It is over.' },
};

const collects: Record<Kind, Step> = {
  colour: step({ collect: 'colour', ask: 'ask' }),
  parcel: step({ collect: 'parcel', ask: 'ask', options: 'parcels', results: { none: 'over' } }),
  count: step({ collect: 'count', ask: 'ask', optional: true }),
  day: step({ collect: 'day', ask: 'ask' }),
  note: step({ collect: 'note', ask: 'ask', optional: true }),
};

function step(given: object): Step {
  return flowShape.parse({ steps: [given] }).steps[0]!;
}

const flows = fc
  .record({
    kinds: fc.shuffledSubarray(['colour', 'parcel', 'count', 'day', 'note'] as Kind[], { minLength: 1 }),
    looks: fc.boolean(),
    says: fc.boolean(),
    branches: fc.boolean(),
  })
  .map(({ kinds, looks, says, branches }): Flow => {
    const slots = Object.fromEntries(kinds.map((kind) => [kind, { entity: kind }]));
    const steps = [
      ...kinds.map((kind) => collects[kind]),
      ...(looks ? [{ call: 'look', results: { fine: says ? 'words' : 'question', gone: 'over' } }] : []),
      ...(says ? [{ id: 'words', say: 'shown_also' }] : []),
      { id: 'question', confirm: 'show', declined: 'over' },
      ...(branches ? [{ branch: kinds[0]!, cases: { never: 'over' }, otherwise: 'act' }] : []),
      { id: 'act', call: 'destroy', results: { done: 'done', late: 'over' } },
      { id: 'done', say: 'done', next: 'end' },
      { id: 'over', say: 'over' },
    ];
    return flowShape.parse({ slots, steps });
  });

function botWith(flow: Flow): Bot {
  const intents = [
    ...content.intents.filter(({ flow: other }) => other === undefined),
    { name: 'destroy', flow: 'destroy', utterances: { en: ['destroy it'], ko: ['없애 줘'] } },
  ];
  const flows = { ...content.flows, destroy: flow };
  const entities = { ...content.entities, ...ENTITIES };
  const actions = { ...content.actions, ...ACTIONS };
  return new Bot({ ...content, intents, flows, entities, actions, phrases: { ...content.phrases, ...PHRASES } });
}

const YES = ['yes', 'Yes.', '네', 'ㅇㅇ', 'yes please', 'go ahead'];
const message = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...YES).map((text) => ({ text, intent: 'yes' })) },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom(
        'yes but not now',
        'ok leave it',
        '네?',
        'yes, crimson',
        'no wait',
        'yes PCL-10002',
        '네 근데요',
        'y e s not',
      )
      .chain((text) => fc.constantFrom('yes', 'no', NONE, 'destroy').map((intent) => ({ text, intent }))),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('no', '아니요', 'stop', 'wait', 'pardon?', 'skip')
      .map((text) => ({ text, intent: NONE })),
  },
  {
    weight: 6,
    arbitrary: fc
      .constantFrom(
        'crimson',
        'turquoise',
        'magenta',
        'not crimson, magenta',
        '10001',
        '10002',
        'PCL-10003',
        'PCL-99999',
        '7',
        '49',
        '500',
        'tomorrow',
        'in 3 days',
        '내일',
        '모레',
        'the first',
        'the other one',
      )
      .map((text) => ({ text, intent: NONE })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      { text: 'when are you open?', intent: 'store_hours' },
      { text: 'thanks', intent: 'thanks' },
      { text: 'destroy it', intent: 'destroy' },
      { text: 'destroy the crimson one tomorrow', intent: 'destroy' },
      { text: 'hmm', intent: NONE },
    ),
  },
);
const event = fc.record({
  message,
  /** The price of what is looked at from here on. */
  price: fc.option(fc.constantFrom(100, 200), { nil: undefined, freq: 6 }),
  /** The turn ends before so many of its calls are answered, and runs again. */
  crash: fc.option(fc.nat(3), { nil: undefined, freq: 5 }),
  twice: fc.boolean(),
});

const RUNS = Number(process.env.FUZZ_RUNS ?? 300);
class Crash extends Error {}

test('nothing that is irreversible runs without a clear yes to exactly what was shown last', async () => {
  let destroyed = 0;
  await fc.assert(
    fc.asyncProperty(flows, fc.array(event, { maxLength: 30 }), async (flow, events) => {
      assert.deepEqual(problemsOf(flow, ACTIONS), []);
      const world = { price: 100, left: Number.POSITIVE_INFINITY, done: new Set<string>() };
      let shown: { slots: unknown; price: unknown } | null = null;
      let said = '';
      const act = (name: string) => async (request: ActionRequest) => {
        world.left -= 1;
        if (world.left < 0) throw new Crash();
        if (name === 'parcels')
          return {
            result: 'options',
            options: ['PCL-10001', 'PCL-10002', 'PCL-10003'].map((value) => ({ value, names: [] })),
          };
        if (name === 'look') return { result: 'fine', values: { price: world.price } };
        assert.ok(YES.includes(said), `“${said}” is no clear yes`);
        assert.ok(shown, 'something was shown');
        assert.deepEqual(request.slots, shown.slots, 'what was shown');
        if (shown.price !== undefined) assert.equal(world.price, shown.price, 'as it was shown');
        if (!world.done.has(request.key)) destroyed += 1;
        world.done.add(request.key);
        return { result: 'done' };
      };
      const talk = new Talk(botWith(flow), { parcels: act('parcels'), look: act('look'), destroy: act('destroy') });
      const turn = async (text: string, intent: string, crash: number | undefined) => {
        said = text;
        const before = talk.dialog;
        if (crash !== undefined) {
          world.left = crash;
          await talk.say(text, intent, 'en').catch((error) => {
            if (!(error instanceof Crash)) throw error;
          });
          // Nothing of it was written: the turn runs again from where it stood.
          talk.dialog = before;
        }
        world.left = Number.POSITIVE_INFINITY;
        await talk.say(text, intent, 'en');
        shown = shownBy(talk.dialog.flow);
      };
      await turn('destroy it', 'destroy', undefined);
      for (const { message: heard, price, crash, twice } of events) {
        if (price !== undefined) world.price = price;
        await turn(heard.text, heard.intent, crash);
        if (twice) await turn(heard.text, heard.intent, undefined);
      }
    }),
    { numRuns: RUNS },
  );
  assert.ok(destroyed > RUNS / 60, `only ${destroyed} were confirmed: the users say too little`);
});

/** What an open question shows. */
function shownBy(state: FlowState | null) {
  if (state?.step !== 'question') return null;
  const slots = Object.entries(state.slots).flatMap(([name, slot]) => (slot ? [[name, slot.value]] : []));
  return { slots: Object.fromEntries(slots), price: state.values.price };
}

test('a yes of before is no yes to what comes back: the last answer to a question is the only one', async () => {
  const flow = flowShape.parse({
    slots: { colour: { entity: 'colour' } },
    steps: [
      { collect: 'colour', ask: 'ask' },
      { call: 'look', results: { fine: 'question', gone: 'over' } },
      { id: 'question', confirm: 'show', declined: 'over' },
      { call: 'destroy', results: { done: 'done', late: 'over' } },
      { id: 'done', say: 'done', next: 'end' },
      { id: 'over', say: 'over' },
    ],
  });
  let price = 100;
  let destroyed = 0;
  const talk = new Talk(botWith(flow), {
    look: async () => ({ result: 'fine', values: { price } }),
    destroy: async () => {
      destroyed += 1;
      return { result: 'done' };
    },
  });
  await talk.say('destroy the crimson one', 'destroy', 'en');
  price = 200;
  assert.match((await talk.say('yes', 'yes', 'en')).text, /costs 200/, 'it is another by now, and shown again');
  price = 100;
  const { text } = await talk.say('no', 'no', 'en');
  assert.equal(destroyed, 0, 'who says no has agreed to nothing');
  assert.match(text, /costs 100/);
  assert.match((await talk.say('no', 'no', 'en')).text, /It is over/);
  assert.equal(destroyed, 0);
});

test('every flow ends, whoever says what is not understood', async () => {
  await fc.assert(
    fc.asyncProperty(
      flows,
      fc.array(message, { maxLength: 8 }),
      fc.constantFrom('hmm', 'blah blah', '글쎄요 몰라요', '10001 or 10002'),
      async (flow, first, unclear) => {
        const options = ['PCL-10001', 'PCL-10002'].map((value) => ({ value, names: [] }));
        const talk = new Talk(botWith(flow), {
          parcels: async () => ({ result: 'options', options }),
          look: async () => ({ result: 'fine', values: { price: 1 } }),
          destroy: async () => ({ result: 'done' }),
        });
        await talk.say('destroy it', 'destroy', 'en');
        for (const { text, intent } of first) await talk.say(text, intent, 'en');
        let turns = 0;
        // A note takes anything, once; each other question is asked three times.
        while (talk.dialog.flow !== null && !talk.dialog.handover) {
          await talk.say(unclear, NONE, 'en');
          turns += 1;
          assert.ok(turns <= 3 * flow.steps.length, 'it goes on and on');
        }
      },
    ),
    { numRuns: RUNS },
  );
});

test('the document of a flow is bounded, and nothing but JSON', async () => {
  await fc.assert(
    fc.asyncProperty(flows, fc.array(message, { maxLength: 20 }), async (flow, messages) => {
      const talk = new Talk(botWith(flow), {
        parcels: async () => ({ result: 'none' }),
        look: async () => ({ result: 'gone' }),
        destroy: async () => ({ result: 'late' }),
      });
      await talk.say('destroy it', 'destroy', 'en');
      for (const { text, intent } of messages) {
        await talk.say(text.repeat(40).slice(0, 4_000), intent, 'en');
        const kept = JSON.stringify(talk.dialog);
        assert.deepEqual(JSON.parse(kept), talk.dialog);
        assert.ok(kept.length < 20_000);
      }
    }),
    { numRuns: Math.ceil(RUNS / 3) },
  );
});

test('an answer of another bot or an older one goes nowhere', async () => {
  const talk = new Talk(retailer, {});
  for (const [flow, at] of [
    ['no_such_flow', 'question'],
    ['order_cancel', 'no_such_step'],
  ] as const) {
    const state = {
      flow,
      step: at,
      slots: {},
      options: {},
      values: {},
      tries: 0,
      shown: 'x',
      confirmed: {},
      declined: {},
      askedAt: 0,
    };
    talk.dialog = { flow: { ...state, updatedAt: talk.now }, paused: [], misses: 0, handover: null };
    const { skill } = await talk.say('yes', 'yes');
    assert.equal(skill, 'answer');
    assert.equal(talk.dialog.flow, null);
  }
});
