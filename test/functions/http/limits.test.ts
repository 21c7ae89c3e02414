import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { addressOf, limitAnonymous, limitPictures, limitRefused } from '../../../functions/http/limits.ts';
import { Problem } from '../../../functions/http/problem.ts';

before(() => {
  Object.assign(process.env, {
    COSMOS_ENDPOINT: 'http://127.0.0.1:9',
    STORAGE_CONNECTION: 'unused',
    INFERENCE_URL: 'http://127.0.0.1:9',
    SHOP_URL: 'http://127.0.0.1:9',
    RATE_ADDRESS: '5',
    RATE_ANONYMOUS: '20',
    RATE_PICTURES: '7',
    TRUSTED_PROXIES: '2',
  });
});

const from = (forwarded: string | null) =>
  ({ headers: new Headers(forwarded === null ? {} : { 'x-forwarded-for': forwarded }) }) as never;
/** Behind two proxies of ours: the second adds the first. */
const address = (forwarded: string | null) => addressOf(from(forwarded === null ? null : `${forwarded}, 192.0.2.1`));

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
    assert.equal(address(forwarded), 'unknown', String(forwarded).slice(0, 20));
});

test('who came past one of our proxies is known by what is there, and not let through unseen', () => {
  assert.equal(addressOf(from('198.51.100.7')), '198.51.100.7');
});

const tries = async (work: () => Promise<void>, times: number) => {
  let taken = 0;
  for (let time = 0; time < times; time += 1)
    await work().then(
      () => {
        taken += 1;
      },
      (error) => {
        assert.ok(error instanceof Problem);
        assert.equal(error.code, 'too_many_requests');
        assert.ok(Number(error.extra.headers!['retry-after']) >= 1);
      },
    );
  return taken;
};

test("one address has its share and no more; what is refused to it is not taken from the others'", async () => {
  const ask = (host: number) => () => limitAnonymous(from(`198.51.100.${host}, 192.0.2.1`));
  assert.equal(await tries(ask(1), 100), 5);
  assert.equal(await tries(ask(2), 5), 5);
  assert.equal(await tries(ask(3), 5), 5);
  assert.equal(await tries(ask(4), 5), 5);
  assert.equal(await tries(ask(5), 5), 0, 'all of them together have used up what there is');
});

test('refused credentials are counted by address, and those of whom none is known together', async () => {
  const refuse = (forwarded: string) => () => limitRefused(from(forwarded));
  assert.equal(await tries(refuse('203.0.113.1, 192.0.2.1'), 20), 5);
  assert.equal(await tries(refuse('203.0.113.2, 192.0.2.1'), 5), 5);
  assert.equal(await tries(refuse(''), 20), 5);
});

test('pictures that are tried have a limit for everybody together, and take nothing from the messages', async () => {
  assert.equal(await tries(limitPictures, 20), 7);
});
