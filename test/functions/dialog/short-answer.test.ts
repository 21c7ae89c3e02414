import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ShortAnswers } from '../../../functions/dialog/short-answer.ts';
import { bot } from '../../bot.ts';

const { shortAnswers } = bot;
const cancelAnswers = bot.answersTo({ yes: 'cancel_yes', no: 'cancel_no', answers: 'order_cancel' });

test('a whole message is an answer, however it is typed', () => {
  const said: Record<string, string[]> = {
    yes: [
      'yes',
      'YES!',
      'Yes please.',
      'yep',
      '네',
      '네!!',
      '넵ㅎㅎ',
      ' 응 ',
      'ㅇㅇ',
      '네~',
      'ｙｅｓ',
      'sure 🙂',
      'i’m sure',
      'yesss',
      '네네네 진행해 주세요',
    ],
    no: ['no', 'No.', 'nope', "don't", 'don’t', '아니요', '아뇨 괜찮아요', 'ㄴㄴ', '아니요ㅠㅠ', 'I changed my mind'],
    stop: ['stop', 'never mind', 'Start over', '그만할래요', '처음부터 다시'],
    again: ['?', 'pardon?', '네?', '뭐라고요?', 'Yes?', 'can you repeat that?'],
    wait: ['wait', 'Hold on!', '잠깐만', '잠깐만요~', 'one moment please'],
  };
  for (const [answer, texts] of Object.entries(said))
    for (const text of texts) assert.equal(shortAnswers.read(text), answer, text);
});

test('a question to one thing has answers of its own, and its buttons are two of them', () => {
  for (const text of ['Yes, cancel it', '네, 취소해 주세요', 'cancel it please']) {
    assert.equal(cancelAnswers.read(text), 'yes', text);
    assert.equal(shortAnswers.read(text), null, text);
  }
  for (const text of ['No, keep it', '아니요, 그대로 둘게요', '취소하지 마세요', 'keep my order'])
    assert.equal(cancelAnswers.read(text), 'no', text);
});

test('nothing within a longer message is an answer', () => {
  for (const text of [
    'ok leave it',
    'yes i changed my mind, leave it as is',
    '네 그냥 둘게요 말고요',
    'ok how much do i get back?',
    'no, i said cancel it!',
    'yes but only the shoes',
    '네 그런데 환불은 언제 되나요?',
    'yes and where is my other order',
    'cancel',
    'x',
    '👍',
    'ok',
    '좋아요',
    'suuure',
    '🙄 네',
    'yes 🙃',
    '"yes"',
    '“네”',
    'yeah right',
    'yes keep it',
    'yes no',
    'no cancel it',
    'yes cancel it?',
    'yes cancel it tomorrow',
    '네 취소 안 할래요',
    '네 취소하지 마세요',
    '',
    '알겠어요',
    '어...',
  ])
    assert.equal(cancelAnswers.read(text), null, text);
});

test('content that says yes and no with the same words is refused', () => {
  const none = { yes: ['ok'], no: ['OK!'], stop: [], again: [], wait: [], skip: [], agree: [], agree_with: [] };
  assert.throws(() => new ShortAnswers(none), /"OK!" is both yes and no/);
});

test('of the answers that another hand wrote, none that is no clear yes is taken for one', () => {
  const given = JSON.parse(readFileSync(join(import.meta.dirname, 'consent-answers.json'), 'utf8')) as Record<
    string,
    { yes: string[]; not: { text: string }[] }
  >;
  for (const { yes, not } of Object.values(given)) {
    assert.ok(yes.length >= 300 && not.length >= 600);
    assert.deepEqual(
      not.filter(({ text }) => cancelAnswers.read(text) === 'yes'),
      [],
    );
    assert.deepEqual(
      yes.filter((text) => ['no', 'stop'].includes(cancelAnswers.read(text) ?? '')),
      [],
    );
  }
});

test('nor is any of the utterances that a third hand wrote as no, correction, question, later or unclear', () => {
  const given = JSON.parse(readFileSync(join(import.meta.dirname, 'consent-utterances.json'), 'utf8')) as {
    name: string;
    utterances: Record<string, string[]>;
  }[];
  for (const { name, utterances } of given)
    for (const text of Object.values(utterances).flat()) {
      const read = cancelAnswers.read(text);
      if (name === 'yes') assert.ok(read !== 'no' && read !== 'stop', text);
      else assert.notEqual(read, 'yes', `${name}: ${text}`);
    }
});
