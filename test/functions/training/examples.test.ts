import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changesBetween, examplesOf, type Label } from '../../../functions/training/job/examples.ts';
import { bot } from '../../bot.ts';

/** What is learned from, and what judges: of the published content, drafts and labels. */
const INTENT = 'gift_wrap';
const content = {
  ...bot.content,
  intents: bot.content.intents
    .filter(({ name }) => [INTENT, 'store_hours'].includes(name))
    .map((intent) => ({ ...intent, utterances: { en: [`the first of ${intent.name}`] } })),
};
const label = (text: string, more: Partial<Label> = {}): Label => ({
  text,
  locale: 'en',
  intent: INTENT,
  trains: true,
  ...more,
});
const drafted = (...texts: string[]) => new Map([[INTENT, { en: ['the first of gift_wrap', ...texts] }]]);
const learned = ({ content: { intents } }: ReturnType<typeof examplesOf>) =>
  intents.find(({ name }) => name === INTENT)!.utterances.en;
const FIRST = 'the first of gift_wrap';

test('a label is learned from while somebody has it in a draft, or it is published', () => {
  const text = 'could you put a ribbon around it';
  assert.deepEqual(learned(examplesOf(content, drafted(text), [label(text)])), [FIRST, text]);
  assert.deepEqual(learned(examplesOf(content, drafted(), [label(text)])), [FIRST], 'an editor has taken it out');
  assert.deepEqual(learned(examplesOf(content, new Map(), [label(text)])), [FIRST], 'the draft was discarded');
  assert.deepEqual(
    learned(examplesOf(content, drafted('something a person wrote'), [])),
    [FIRST],
    'a draft is no label',
  );
});

test('labels of an intent that the content does not have wait for its publication', () => {
  const { judges, taught } = examplesOf(content, new Map(), [label('x y z', { intent: 'new_one', trains: false })]);
  assert.deepEqual(judges, []);
  assert.equal(changesBetween(examplesOf(content, new Map(), []).taught, taught), 0);
});

test('what judges is never learned from, nor what is nearly the same', () => {
  const judge = label('please wrap my parcel as a present', { trains: false });
  const near = 'please wrap my parcels as a present';
  const far = 'do you have wrapping paper';
  const found = examplesOf(content, drafted(near, far), [judge, label(near), label(far)]);
  assert.deepEqual(learned(found), [FIRST, far]);
  assert.deepEqual(found.judges.map(({ text }) => text).sort(), [judge.text, near].sort());

  // When the draft is published, it is the same.
  const published = {
    ...content,
    intents: content.intents.map((intent) =>
      intent.name === INTENT ? { ...intent, utterances: { en: [FIRST, near, far] } } : intent,
    ),
  };
  const after = examplesOf(published, new Map(), [judge, label(near), label(far)]);
  assert.deepEqual(learned(after), [FIRST, far]);
  assert.deepEqual(after.judges.map(({ text }) => text).sort(), [judge.text, near].sort());
  // What somebody thought of by themselves is learned from; then it is the other that can't judge any more.
  const own = examplesOf(published, new Map(), [judge]);
  assert.deepEqual(learned(own), [FIRST, near, far]);
  assert.deepEqual(own.judges, []);
});

test('what is held out, or is learned as what is not wanted, neither teaches nor judges', () => {
  const text = 'can you put it into a nice box';
  const held = examplesOf(content, drafted(text), [label(text), label(`${text}!`, { trains: false })], [text]);
  assert.deepEqual([learned(held), held.judges], [[FIRST], []]);
  const denied = {
    ...content,
    intents: content.intents.map((intent) => ({ ...intent, not: { en: ['no wrapping for me please'] } })),
  };
  const judge = label('no wrapping for me, please', { trains: false, intent: 'none' });
  assert.deepEqual(examplesOf(denied, new Map(), [judge]).judges, []);
});

test('each thing that is taught counts once, whatever way it came', () => {
  const before = examplesOf(content, new Map(), []).taught;
  const text = 'could you put a ribbon around it';
  const labelled = examplesOf(content, drafted(text), [label(text), label('a box with a bow', { trains: false })]);
  assert.equal(changesBetween(before, labelled.taught), 2, 'one to learn, and one to judge');
  const published = {
    ...content,
    intents: content.intents.map((intent) =>
      intent.name === INTENT ? { ...intent, utterances: { en: [FIRST, text] } } : intent,
    ),
  };
  const after = examplesOf(published, new Map(), [label(text), label('a box with a bow', { trains: false })]);
  assert.equal(changesBetween(labelled.taught, after.taught), 0, 'its publication is nothing new');
  assert.equal(changesBetween(after.taught, before), 2, 'what is gone counts too');
});
