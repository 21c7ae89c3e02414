import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differences, draftOf, hashesOf, hashOf, itemsOf, merge, type Value } from '../../../functions/content/item.ts';
import type { Content } from '../../../functions/dialog/bot.ts';
import { content } from '../../bot.ts';

const changed = (...entries: [string, Value][]) => new Map<string, Value>(entries);
const item = (id: string) => structuredClone(itemsOf(content).get(id)) as Record<string, never>;
const edited = (given: Content, ...entries: [string, Value][]) => draftOf(given, changed(...entries)).content!;

test('content is its items: without changes it is the same, and each of them stands where it stood', () => {
  const { content: same, problems } = draftOf(content, changed());
  assert.deepEqual(problems, []);
  assert.deepEqual({ ...same, version: '' }, { ...content, version: '' });
  assert.deepEqual(differences(content, same!), []);
  assert.ok(itemsOf(content).size > 100);
});

test('an item is changed, added and removed; the version is what is in it', () => {
  const hours = { ...item('intent.store_hours'), answers: { en: ['Until nine.'], ko: ['아홉 시까지예요.'] } };
  const one = edited(content, ['intent.store_hours', hours]);
  assert.deepEqual(differences(content, one), [
    { item: 'intent.store_hours', before: item('intent.store_hours'), after: hours },
  ]);
  assert.equal(
    one.intents.findIndex(({ name }) => name === 'store_hours'),
    content.intents.findIndex(({ name }) => name === 'store_hours'),
  );
  assert.equal(
    edited(content, ['intent.store_hours', { ...hours }]).version,
    one.version,
    'the same content has the same name',
  );
  const back = edited(one, ['intent.store_hours', item('intent.store_hours')]);
  assert.equal(back.version, edited(content).version);

  const two = edited(content, ['phrase.hello_again', { en: 'Hello again', ko: '또 만났네요' }]);
  assert.deepEqual(
    differences(content, two).map(({ item: id, before }) => [id, before]),
    [['phrase.hello_again', null]],
  );
  const three = edited(two, ['phrase.hello_again', null]);
  assert.equal(three.version, edited(content).version);
});

test('what is wrong is said with its item and where in it', () => {
  const wrong = (id: string, value: Value) =>
    draftOf(content, changed([id, value])).problems.map(({ item: own, path, message }) => `${own} ${path}: ${message}`);
  const hours = item('intent.store_hours');
  assert.match(
    wrong('intent.store_hours', { ...hours, flow: 'no_such_flow' }).join(),
    /intent\.store_hours flow: .*no_such_flow/,
  );
  assert.match(
    wrong('intent.store_hours', { ...hours, colour: 'red' }).join(),
    /intent\.store_hours .*: .*does not know "colour"/,
  );
  assert.match(wrong('phrase.fallback', { en: 'What?' }).join(), /phrase\.fallback .*: "fallback" has no ko/);
  assert.match(wrong('phrase.fallback', null).join(), /part\.phrases|null/);
  assert.match(
    wrong('intent.brand_new', { name: 'brand_new', utterances: { en: ['what are your opening hours?'] } }).join(),
    /intent\.(brand_new|store_hours)/,
  );
  assert.match(wrong('flow.cancel_order', { slots: {}, steps: [] }).join(), /flow\.cancel_order/);
  assert.match(wrong('intent.x y', { name: 'x y', utterances: {} }).join(), /name/);
});

test('a language with nothing in it is none: customers of it would get no answer', () => {
  const wrong = (id: string, value: Value) =>
    draftOf(content, changed([id, value])).problems.map(({ path, message }) => `${path}: ${message}`);
  assert.match(
    wrong('intent.store_hours', { ...item('intent.store_hours'), answers: { en: ['x'], ko: [] } }).join(),
    /answers: .*no answers in ko/,
  );
  assert.match(wrong('phrase.fallback', { en: 'What?', ko: ' ' }).join(), /has no ko/);
  assert.deepEqual(wrong('phrase.fallback', { en: 'What?', ko: '네?' }), []);
});

test('a pattern is not changed where nobody can try it; a folder that was checked may', () => {
  const value = { kind: 'pattern', pattern: '(a+)+$' };
  const tried = draftOf(content, changed(['entity.new_one', { ...value, pattern: 'a+' }]), new Set(['entity.new_one']));
  assert.deepEqual(
    tried.problems.filter(({ message }) => /is changed in the bot/.test(message)),
    [],
  );
  const { problems } = draftOf(content, changed(['entity.new_one', value]));
  assert.match(problems.map(({ message }) => message).join(), /is changed in the bot’s folder/);
});

test('the order of fields is none of a value’s', () => {
  assert.equal(hashOf({ a: 1, b: { c: [1, { d: 2, e: 3 }] } }), hashOf({ b: { c: [1, { e: 3, d: 2 }] }, a: 1 }));
  assert.notEqual(hashOf([1, 2]), hashOf([2, 1]));
  assert.equal(hashOf(undefined), hashOf(null));
});

test('a folder is taken over where the console has not changed the same; where it has, that is left alone', () => {
  const imported = hashesOf(content);
  const hours = (text: string) => ({ ...item('intent.store_hours'), answers: { en: [text], ko: [text] } });
  const phrase = (text: string) => ({ en: text, ko: text });
  const live = edited(content, ['intent.store_hours', hours('console')], ['phrase.apology', phrase('console')]);
  const folder = edited(
    content,
    ['intent.store_hours', hours('folder')],
    ['phrase.apology', phrase('console')],
    ['phrase.flow_waiting', phrase('folder')],
    ['phrase.of_folder', phrase('new')],
  );
  const { changes, conflicts } = merge(folder, live, imported);
  assert.deepEqual([...changes.keys()].sort(), ['phrase.flow_waiting', 'phrase.of_folder']);
  assert.deepEqual(conflicts, ['intent.store_hours']);
  assert.deepEqual(
    merge(content, live, imported),
    { changes: new Map(), conflicts: [] },
    'what the folder has not changed is nothing new',
  );
  // What the folder has dropped goes, unless the console has changed it.
  const without = edited(folder, ['phrase.of_folder', null]);
  assert.deepEqual([...merge(without, folder, hashesOf(folder)).changes], [['phrase.of_folder', null]]);
});
