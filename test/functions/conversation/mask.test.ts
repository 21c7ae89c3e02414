import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mask } from '../../../functions/conversation/mask.ts';
import { bot } from '../../bot.ts';

const masked = (text: string) => mask(text, bot.personalDetails);

test('cards, phones, emails and id numbers are masked, however they are written', () => {
  const cases: Record<string, string> = {
    'my card is 4111 1111 1111 1111 ok': 'my card is [card] ok',
    '4111-1111-1111-1111 and 5500000000000004.': '[card] and [card].',
    'card:4111.1111.1111.1111': 'card:[card]',
    '4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1': '[card]',
    '378282246310005': '[card]',
    '5500\u200b0000\u200b0000\u200b0004': '[card]',
    '４１１１ １１１１ １１１１ １１１１': '[card]',
    '٤١١١ ١١١١ ١١١١ ١١١١': '[card]',
    '주민번호 900101-1234567 입니다': '주민번호 [id number] 입니다',
    '9001011234568': '[id number]',
    'my ssn is 123-45-6789': 'my ssn is [id number]',
    '제 번호는 010-1234-5678이에요': '제 번호는 [phone]이에요',
    '０１０－１２３４－５６７８': '[phone]',
    '010 1234 5678': '[phone]',
    '010.1234.5678': '[phone]',
    '01012345678': '[phone]',
    '02-123-4567': '[phone]',
    '+82 10-1234-5678': '[phone]',
    'call +44 20 7946 0958': 'call [phone]',
    '415-555-2671 please': '[phone] please',
    'mail kim.lee+1@naver.com으로': 'mail [email]으로',
    'KIM@EXAMPLE.CO.KR.': '[email].',
    'kim＠example.com': '[email]',
    'a@example.com,b@example.com': '[email],[email]',
    'order 10021, phone 010-1234-5678': 'order 10021, phone [phone]',
    '10021 01012345678': '10021 [phone]',
    '10000 4111 1111 1111 1111': '10000 [card]',
    '2. 4111 1111 1111 1111': '2. [card]',
    '2. 010-1234-5678': '2. [phone]',
    'ORD-10021 4111 1111 1111 1111': 'ORD-10021 [card]',
    '4111,1111,1111,1111': '[card]',
    '4111|1111|1111|1111': '[card]',
    '4111    1111    1111    1111': '[card]',
    '010~1234~5678': '[phone]',
    'call 07700 900123': 'call [phone]',
    'kim@한국.kr 입니다': '[email] 입니다',
    "o'brien@example.com": '[email]',
  };
  for (const [text, wanted] of Object.entries(cases)) assert.equal(masked(text), wanted);
});

test('what a shop talks about stays', () => {
  for (const text of [
    'where is my order ORD-10021?',
    '주문번호 10021, 10022',
    '1,290,000원',
    '2026-11-26 10:30',
    '송장번호 123456789012',
    '4111111111111112',
    'ORD-21234567',
    '주문 21234567',
    '20261126',
    '2 1000 2000',
    '8801234567893',
    '1,000,000원 2,000,000원',
    '3개 2개 10 20 30',
    'a@b',
    '@maru hello',
    '러닝화 265 있나요',
    '5.5 inch x 10.25',
    '',
  ])
    assert.equal(masked(text), text);
});

test('nothing but the details changes, and masking twice changes nothing more', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      const once = masked(text);
      assert.equal(masked(once), once);
      if (!/\p{Nd}/u.test(text) && !/[@＠﹫]/.test(text)) assert.equal(once, text);
    }),
    { numRuns: 1_000 },
  );
});

test('time grows in proportion to the text, whatever it is made of', () => {
  const time = (text: string) => {
    const runs = [1, 2, 3].map(() => {
      const from = process.threadCpuUsage();
      masked(text);
      const { user, system } = process.threadCpuUsage(from);
      return user + system;
    });
    return Math.min(...runs);
  };
  for (const unit of ['1', '1 ', '1-', '@', 'a@', 'a.', '+1', '1111 ', '. ', '()', 'a@a.', '가1 ']) {
    const text = (length: number) => unit.repeat(length / unit.length);
    const [short, long] = [time(text(4_000)), time(text(40_000))];
    assert.ok(long < 60 * Math.max(short, 1_000), `${unit}: ${short} and ${long} µs`);
  }
});
