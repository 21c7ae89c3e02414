import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { addressOf } from '../../../functions/http/limits.ts';

before(() => {
  Object.assign(process.env, {
    COSMOS_ENDPOINT: 'http://127.0.0.1:9',
    STORAGE_CONNECTION: 'unused',
    INFERENCE_URL: 'http://127.0.0.1:9',
    SHOP_URL: 'http://127.0.0.1:9',
  });
});

const address = (forwarded: string | null) =>
  addressOf({ headers: new Headers(forwarded === null ? {} : { 'x-forwarded-for': forwarded }) as never });

test("the caller's address is what our own proxy added last, without its port", () => {
  assert.equal(address('198.51.100.7:51234'), '198.51.100.7');
  assert.equal(address('203.0.113.9, 198.51.100.7:51234'), '198.51.100.7');
  assert.equal(address('198.51.100.7'), '198.51.100.7');
  assert.equal(address('::ffff:198.51.100.7'), '198.51.100.7');
});

test('of IPv6 the network counts, because a subscriber has all of it', () => {
  assert.equal(address('[2001:db8:1:2:3:4:5:6]:443'), '2001:db8:1:2::/64');
  assert.equal(address('2001:db8:1:2::6'), '2001:db8:1:2::/64');
  assert.equal(address('2001:DB8:0001:2:ffff::1'), '2001:db8:1:2::/64');
  assert.equal(address('2001:db8::1'), '2001:db8:0:0::/64');
  assert.notEqual(address('2001:db8:1:3::6'), address('2001:db8:1:2::6'));
});

test('what is no address is none', () => {
  for (const forwarded of [null, '', 'unknown', 'x:y:z', '999.1.1.1', '[::', ',', 'a'.repeat(10_000)])
    assert.equal(address(forwarded), '', String(forwarded).slice(0, 20));
});
