import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { readMoment } from '../../../functions/dialog/date.ts';
import { botFolder } from '../../../scripts/bot/folder.ts';
import { content } from '../../bot.ts';

/** A Friday, noon in Seoul and Tokyo. */
const now = Date.parse('2026-11-27T03:00:00Z');
const all = [...content.languages, ...botFolder(join(import.meta.dirname, '../../../examples/clinic')).languages];

function read(tag: string, text: string, at = now): string {
  const words = all.find((language) => language.tag === tag)?.dates;
  const { date, time } = readMoment(text, { now: at, timeZone: 'Asia/Seoul' }, tag, words);
  return [date, time].filter(Boolean).join(' ');
}

test('days and times as people say them, in three languages', () => {
  const said: Record<string, Record<string, string>> = {
    en: {
      tomorrow: '2026-11-28',
      'next monday at 3pm': '2026-11-30 15:00',
      'Dec 3rd': '2026-12-03',
      'the day after tomorrow': '2026-11-29',
      '9:30': '09:30',
      'half past ten': '',
      'hello there': '',
    },
    ko: {
      내일: '2026-11-28',
      '모레 오후 3시': '2026-11-29 15:00',
      '다음 주 월요일이요': '2026-11-30',
      '이번주 토요일': '2026-11-28',
      '12월 3일 10시 반': '2026-12-03 10:30',
      '１２월３일': '2026-12-03',
      '3일 뒤': '2026-11-30',
      금요일: '2026-12-04',
      '오전 12시': '00:00',
      '배송 언제 와요': '',
    },
    ja: {
      明日: '2026-11-28',
      明後日の午後3時半: '2026-11-29 15:30',
      来週の月曜: '2026-11-30',
      '12月3日の15時': '2026-12-03 15:00',
      あさって10時: '2026-11-29 10:00',
      '3日後': '2026-11-30',
      こんにちは: '',
    },
  };
  for (const [tag, texts] of Object.entries(said))
    for (const [text, expected] of Object.entries(texts)) assert.equal(read(tag, text), expected, `${tag}: ${text}`);
});

test('today is where the bot is, and a day that is over is next year', () => {
  // Already Saturday in Seoul.
  const late = Date.parse('2026-11-27T15:30:00Z');
  assert.equal(read('ko', '내일', late), '2026-11-29');
  assert.equal(read('ko', '1월 5일'), '2027-01-05');
  assert.equal(read('ko', '2027년 11월 28일'), '2027-11-28');
  assert.equal(read('ko', '100일 뒤'), '2027-03-07');
  assert.equal(read('ko', '31일'), '2026-12-31', 'November has none');
  assert.equal(read('ko', '안내 일정 좀요'), '', 'no day is named');
  assert.equal(read('en-GB', '5/12'), '2026-12-05');
  assert.equal(read('ko', '2월 30일'), '');
  assert.equal(read('ko', '25시'), '');
});
