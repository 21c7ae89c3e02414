import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Option } from '../../../functions/conversation/flow.ts';
import { bot } from '../../bot.ts';

const options: Option[] = [
  { value: 'ORD-10021', names: ['Running shoes', '러닝화'] },
  { value: 'ORD-10022', names: ['Rice cooker', '전기밥솥'] },
  { value: 'ORD-10023', names: ['Winter jacket', '겨울 재킷'] },
];
const chosen = (text: string, more: { asked?: boolean; present?: string } = { asked: true }) => {
  const choice = bot.chooser.choose(text, options, more);
  return choice?.kind === 'one' ? choice.value : (choice?.kind ?? null);
};

test('an option is chosen by its number, however that is typed', () => {
  for (const text of [
    'ORD-10022',
    'ord10022',
    'ORD 10022',
    '10022',
    '#10022',
    'no. 10022',
    'number 10022 please',
    'cancel 10022',
    '１００２２',
    '10022이에요',
    '10022요',
    '10022번이요',
    '주문번호는 10022 입니다',
    'ORD‑10022',
    '10022​',
    'sorry, i meant 10022',
  ])
    assert.equal(chosen(text), 'ORD-10022', text);
});

test('by its place, where the bot has just asked', () => {
  for (const text of [
    '2',
    '2번',
    '2번이요',
    'no. 2',
    'the second',
    'the second one please',
    '2nd',
    '두 번째',
    '두번째요',
    '두 번째 거요',
    '둘째',
  ])
    assert.equal(chosen(text), 'ORD-10022', text);
  for (const text of ['the last one', 'last', '마지막이요', '마지막 거']) assert.equal(chosen(text), 'ORD-10023', text);
  for (const text of ['2', 'the second', '두 번째']) assert.equal(chosen(text, {}), null, `${text}: nobody asked`);
  assert.equal(chosen('4'), null, 'there is no fourth');
});

test('by what it is, or a part of that', () => {
  for (const text of [
    'the rice cooker',
    'rice cooker',
    'cooker please',
    '전기밥솥',
    '밥솥이요',
    '전기 밥솥 주문이요',
    '밥솥으로 해주세요',
  ])
    assert.equal(chosen(text), 'ORD-10022', text);
  for (const text of ['and the jacket?', '재킷은요?', 'the winter one']) assert.equal(chosen(text), 'ORD-10023', text);
});

test('the other one is the other of two', () => {
  const two = options.slice(0, 2);
  for (const text of ['the other one', 'the other', '다른 거요', '다른 주문'])
    assert.deepEqual(
      bot.chooser.choose(text, two, { present: 'ORD-10021' }),
      { kind: 'one', value: 'ORD-10022' },
      text,
    );
  assert.equal(chosen('the other one', { present: 'ORD-10021' }), null, 'of three it says nothing');
});

test('what names several, or rules one out, is not clear', () => {
  for (const text of [
    '10021 or 10022',
    'not 10022',
    '10022 말고',
    '10022 말고 10021이요',
    'anything but the jacket',
    '재킷 말고요',
    'not the second',
    'the shoes and the jacket',
  ])
    assert.equal(chosen(text), 'unclear', text);
});

test('a number that none of them has is told apart from prices, dates and phones where nobody asked', () => {
  assert.equal(chosen('99999'), 'unknown');
  for (const text of [
    '15000원 결제했는데',
    '20241105에 주문한 거',
    '우편번호 06236이에요',
    '010-1234-5678',
    'room 12',
    'cancel my order',
  ])
    assert.equal(chosen(text, {}), null, text);
});

test('what speaks of none of them chooses none', () => {
  for (const text of [
    'what?',
    'where is my money',
    '배송 언제 와요',
    '',
    '👍',
    'i want a person',
    '잘 모르겠어요',
    'x',
  ])
    assert.equal(chosen(text), null, text);
});
