import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Rejected } from '../../../functions/services/failure.ts';
import { pathTo } from '../../../functions/services/path.ts';
import { hostileId } from '../hostile.ts';

const base = 'http://shop.example/api/customers';

test('segments are encoded, each for itself', () => {
  assert.equal(pathTo('shop', base, 'demo', 'orders'), `${base}/demo/orders`);
  assert.equal(pathTo('shop', base, 'kim@example.com', '한글 1'), `${base}/kim%40example.com/%ED%95%9C%EA%B8%80%201`);
  assert.equal(pathTo('shop', base, 'a?b#c'), `${base}/a%3Fb%23c`);
  assert.equal(pathTo('shop', base, '100%'), `${base}/100%25`);
});

test('dot segments, separators and control characters are refused, however they are encoded', () => {
  for (const segment of [
    '',
    '.',
    '..',
    '%2e',
    '%2E%2e',
    '%252e%252e',
    '%25252e.',
    '..;',
    '.;x',
    'a/b',
    'a%2fb',
    'a%255Cb',
    'a\\b',
    'a\0',
    'a\nb',
    '\ud800',
  ])
    assert.throws(() => pathTo('shop', base, 'demo', segment, 'orders'), Rejected, JSON.stringify(segment));
});

test('what is let through is one segment below the base, for every reader of addresses', () => {
  fc.assert(
    fc.property(hostileId, (segment) => {
      let url: URL;
      try {
        url = new URL(pathTo('shop', base, segment, 'orders'));
      } catch (error) {
        assert.ok(error instanceof Rejected);
        assert.ok(!error.message.includes(segment) || segment.length < 3, 'the id is not in the message');
        return;
      }
      const parts = url.pathname.split('/');
      assert.deepEqual([...parts.slice(0, 3), parts.length, parts[4]], ['', 'api', 'customers', 5, 'orders']);
      assert.equal(decodeURIComponent(parts[3]!), segment);
      assert.equal(url.search + url.hash, '');
    }),
    { numRuns: 1_000 },
  );
});
