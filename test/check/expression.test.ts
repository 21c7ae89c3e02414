import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slow } from '../../scripts/check/expression.ts';
import { expressions } from '../../scripts/check/expressions.ts';

test('no expression of the code takes more time than in proportion to its text: 4,000 and 40,000 characters of its worst', () => {
  const all = expressions();
  assert.ok(all.length > 60);
  const wrong = all.flatMap(({ place, source, flags }) => {
    const why = slow(source, flags);
    return why ? [`${place} ${why.reason}`] : [];
  });
  assert.deepEqual(wrong, []);
});

test('what is slow is found, by analysis or by trial', () => {
  const cases: [string, string][] = [
    ['\\s+$', ''],
    ['[.!?~]+$', ''],
    ['(a+)+$', ''],
    ['^(\\w+\\s?)*$', ''],
    ['(a|a)*$', ''],
    ['<!--[\\s\\S]*?-->', ''],
    ['foo.*bar', ''],
    ['^(a+)\\1$', ''],
    ['\\d+\\s*번', 'u'],
    ['^\\s*(\\d{5,8})\\s*(?:번\\D*|please)?\\s*[.!]*$', 'i'],
  ];
  for (const [source, flags] of cases) assert.ok(slow(source, flags), source);
});

test('what is linear raises no alarm', () => {
  for (const source of ['^[\\w.-]{1,64}$', '(?<![.!?~])[.!?~]+$', '\\b[a-z]{2,5}[\\s-]?\\d+\\b', '^"?(\\d{1,4})"?$'])
    assert.equal(slow(source, ''), null, source);
});
