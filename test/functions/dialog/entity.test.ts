import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Option } from '../../../functions/conversation/flow.ts';
import { type Entity, entity, find } from '../../../functions/dialog/entity.ts';
import { bot } from '../../bot.ts';

const now = Date.parse('2026-11-27T03:00:00Z');
function found(given: object, text: string, options: Option[] = [], asked = true): string | null {
  const reading = {
    text,
    locale: 'en',
    now,
    timeZone: 'Asia/Seoul',
    chooser: bot.chooser,
    dateWords: undefined,
    asked,
    placed: asked,
    ruledOut: bot.chooser.rulesOut(text, bot.joins.before),
    present: undefined,
  };
  const result = find(entity.parse(given) as Entity, reading, options);
  if (result === null) return null;
  return 'slot' in result ? `${result.kind} ${result.slot.value}` : result.kind;
}

test('numbers and money: within their bounds, and unasked only where nothing else is said', () => {
  const count = { kind: 'number', min: 1, max: 20 };
  assert.equal(found(count, 'three? no, 4 please'), 'one 4');
  assert.equal(found(count, '４'), 'one 4');
  assert.equal(found(count, '2 or 3'), 'unclear');
  for (const text of ['10만원', '1万円', '1.5 million', '5-6', '50%'])
    assert.equal(found(count, text), 'unclear', text);
  assert.equal(found(count, '500'), 'outside 500');
  assert.equal(found(count, 'room 4b'), null);
  assert.equal(found(count, 'i paid 15 for it', [], false), null);
  assert.equal(found({ kind: 'money' }, 'about 1,250,000 won'), 'one 1250000');
});

test('phones, emails and patterns, however they are typed', () => {
  for (const text of ['010-1234-5678', '010 1234 5678', '０１０－１２３４－５６７８', 'call 010.1234.5678 please'])
    assert.equal(found({ kind: 'phone' }, text), 'one 01012345678', text);
  assert.equal(found({ kind: 'phone' }, '+82 10-1234-5678'), 'one +821012345678');
  assert.equal(found({ kind: 'phone' }, '12'), null);
  assert.equal(found({ kind: 'email' }, 'it is kim.lee+shop@mail.example.com.'), 'one kim.lee+shop@mail.example.com');
  assert.equal(found({ kind: 'email' }, 'kim at example'), null);
  assert.equal(found({ kind: 'pattern', pattern: '[A-Z]{2}\\d{4}' }, 'the code is ab1234!'), 'one ab1234');
});

test('a list is chosen by whole names before parts of them, and by near misses only where it was asked', () => {
  const departments = {
    kind: 'list',
    items: [
      { value: 'skin', label: { en: 'Dermatology', ja: '皮膚科' }, synonyms: { en: ['skin doctor'] } },
      { value: 'ear', label: { en: 'ENT', ja: '耳鼻科' }, synonyms: { en: ['ear doctor'] } },
      { value: 'inside', label: { en: 'Internal medicine', ja: '内科' } },
    ],
  };
  assert.equal(found(departments, 'the skin doctor please'), 'one skin');
  assert.equal(found(departments, 'a doctor'), 'unclear');
  assert.equal(found(departments, '来週皮膚科を予約したい'), 'one skin');
  assert.equal(found(departments, '皮膚科じゃなくて内科で'), bot.content.languages.length > 0 ? 'unclear' : null);
  assert.equal(found(departments, 'dermatolgy'), 'one skin');
  assert.equal(found(departments, 'dermatolgy', [], false), null);
  assert.equal(found(departments, 'my knee hurts'), null);
});

test('what may be chosen bounds every kind', () => {
  const times = ['09:00', '09:30'].map((value) => ({ value, names: [] }));
  assert.equal(found({ kind: 'time' }, 'at 9:30', times), 'one 09:30');
  assert.equal(found({ kind: 'time' }, 'at 11pm', times), 'outside 23:00');
  assert.equal(found({ kind: 'time' }, 'the first', times), 'one 09:00');
  assert.equal(found({ kind: 'date', min: 0, max: 30 }, 'in 60 days'), 'outside 2027-01-26');
  for (const text of ['not tomorrow', 'not tomorrow, on monday', '내일 말고 tomorrow'])
    assert.equal(found({ kind: 'date' }, text), 'unclear', text);
  assert.equal(found({ kind: 'text', max: 5 }, 'too long a name'), 'outside too l');
  assert.equal(found({ kind: 'text' }, 'unasked', [], false), null);
});

test('a number with its letters is one of theirs, whoever has it; one of none is told apart', () => {
  const order = { kind: 'choice', code: { prefix: 'ORD-', digits: [5, 8] } };
  for (const text of ['ORD-10021', 'order ord 10021 please', 'ord10021', 'ＯＲＤ－１００２１', 'ORD‑10021 취소'])
    assert.equal(found(order, text, [], false), 'one ORD-10021', text);
  for (const text of ['cancel my order', '10021', '#10021', 'word 12', '20241105에 주문한 거', 'ORD-1234567890'])
    assert.equal(found(order, text, [], false), null, text);
  assert.equal(found(order, '99999', [{ value: 'ORD-10021', names: [] }]), 'unknown');
  assert.equal(found({ kind: 'choice' }, '99999', [{ value: 'A-1', names: [] }]), null);
});
