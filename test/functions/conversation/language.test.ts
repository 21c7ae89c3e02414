import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Languages } from '../../../functions/conversation/language.ts';
import { bot } from '../../bot.ts';

const { languages } = bot;

test('the language is that of the text; order numbers and signs leave it to the conversation', () => {
  assert.equal(languages.of('배송 status 알려줘', 'en'), 'ko');
  assert.equal(languages.of('my order', 'ko'), 'en');
  assert.equal(languages.of('ORD-10021', 'ko'), 'ko');
  assert.equal(languages.of('???', 'ko'), 'ko');
  assert.equal(languages.of('ORD 10021', 'ko'), 'ko');
  assert.equal(languages.of('where is it', 'ko'), 'en');
});

test('a short token is one of a language where it is known as such, and of every language where it is not', () => {
  for (const text of ['yes', 'no', 'hi', 'thx', 'ty!', 'Bye']) assert.equal(languages.of(text, 'ko'), 'en', text);
  for (const text of ['OK', 'A/S', 'TV', 'XL', 'as']) assert.equal(languages.of(text, 'ko'), 'ko', text);
  for (const text of ['ㅇㅇ', 'ㄴㄴ', '네', 'ㅋㅋ ok']) assert.equal(languages.of(text, 'en'), 'ko', text);
});

test('languages of one script are told apart by their words, and those that share signs by the others', () => {
  const many = new Languages([
    { tag: 'en', name: 'English', scripts: ['Latin'], words: ['where', 'is', 'my', 'the'] },
    { tag: 'de', name: 'Deutsch', scripts: ['Latin'], words: ['wo', 'ist', 'meine', 'ja'] },
    { tag: 'ja', name: '日本語', scripts: ['Hiragana', 'Katakana', 'Han'], words: [] },
    { tag: 'zh', name: '中文', scripts: ['Han'], words: [], fallback: 'ja' },
  ]);
  assert.equal(many.of('wo ist meine Bestellung', 'en'), 'de');
  assert.equal(many.of('where is my order', 'de'), 'en');
  assert.equal(many.of('Bestellung', 'de'), 'de', 'words that none knows leave it as it is');
  assert.equal(many.of('ja', 'en'), 'de');
  assert.equal(many.of('予約したい', 'en'), 'ja');
  assert.equal(many.of('预约', 'zh'), 'zh');
  assert.deepEqual(many.chain('zh'), ['zh', 'ja', 'en']);
});

test('a language tag names the closest language, and one that the bot does not speak its first', () => {
  assert.equal(languages.named('ko-KR'), 'ko');
  assert.equal(languages.named('KO'), 'ko');
  assert.equal(languages.named('en-GB'), 'en');
  assert.equal(languages.named('fr'), 'en');
  assert.equal(languages.named(undefined), null);
});
