import assert from 'node:assert/strict';
import { test } from 'node:test';
import { desk, Hours } from '../../../functions/dialog/desk.ts';

const hours = {
  monday: [
    ['09:00', '12:00'],
    ['13:00', '24:00'],
  ],
  sunday: [['00:00', '24:00']],
};

test('somebody is at the desk in its hours, by the clock of the business, and not on a holiday', () => {
  const own = new Hours(desk.parse({ hours, holidays: ['2026-12-28'] }), 'Asia/Seoul');
  for (const [time, isOpen] of [
    ['2026-11-30T08:59:59+09:00', false],
    ['2026-11-30T09:00:00+09:00', true],
    ['2026-11-30T12:00:00+09:00', false],
    ['2026-11-30T23:59:59+09:00', true],
    ['2026-12-01T00:00:00+09:00', false],
    // Sunday in Seoul, and still Saturday in London.
    ['2026-11-28T16:00:00Z', true],
    ['2026-12-28T10:00:00+09:00', false],
  ] as const)
    assert.equal(own.isOpen(Date.parse(time)), isOpen, time);
  assert.equal(new Hours(desk.parse({}), 'UTC').isOpen(0), true, 'without hours always');
  assert.equal(new Hours(desk.parse({ hours: {} }), 'UTC').isOpen(0), false);
});

test('hours that end before they begin, and days and times that are none, are refused', () => {
  for (const wrong of [
    { hours: { monday: [['12:00', '09:00']] } },
    { hours: { monday: [['9:00', '12:00']] } },
    { hours: { monday: [['09:00', '25:00']] } },
    { hours: { someday: [] } },
    { holidays: ['2026-02-30'] },
    { canned: [{ name: 'a', text: { en: ' ' } }] },
  ])
    assert.equal(desk.safeParse(wrong).success, false, JSON.stringify(wrong));
});
