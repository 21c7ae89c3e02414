import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { byVersion, isVersion } from '../../inference-container/models/version.ts';

test('versions are in the order in which they are released', () => {
  const orders = [
    ['1', '2', '9', '10', '100'],
    ['v1', 'v2', 'v10'],
    ['1.9', '1.10', '1.10.1', '2'],
    ['1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-beta', '1.0.0-beta.2', '1.0.0-beta.11', '1.0.0-rc.1', '1.0.0'],
    ['1.0.0-rc1', '1.0.0-rc2', '1.0.0', '1.0.0.post1', '1.0.1-rc1', '1.0.1'],
    ['1.0.0.dev3', '1.0.0'],
    ['1.0.0rc1', '1.0.0', '1.0.1'],
    ['1.0-rc1', '1.0'],
    ['2-rc1', '2'],
    ['2026-09-30', '2026-10-01', '2026-10-12', '2026-11-27'],
    ['20260930', '20261001'],
    ['1.0.0-0', '1.0.0-1', '1.0.0'],
    ['99999999999999999998', '99999999999999999999', '100000000000000000000'],
    ['old', '0'],
  ];
  for (const order of orders)
    for (const [at, version] of order.entries())
      for (const [other, second] of order.entries())
        assert.equal(Math.sign(byVersion(version, second)), Math.sign(at - other), `${version} ${second}`);
});

test('any versions have one order', () => {
  const version = fc.stringMatching(/^v?\d{1,3}(?:\.\d{1,2}){0,3}(?:[-.]?(?:rc|alpha|post|dev|\d)?[-.]?\d{0,2})?$/);
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      assert.equal(Math.sign(byVersion(a, b)) + Math.sign(byVersion(b, a)), 0);
      assert.equal(byVersion(a, b) === 0, a === b);
      if (byVersion(a, b) < 0 && byVersion(b, c) < 0) assert.ok(byVersion(a, c) < 0, `${a} ${b} ${c}`);
    }),
    { numRuns: 20_000 },
  );
});

test('what names no version', () => {
  for (const name of ['tmp', 'old', 'final', 'latest', '', '.1', 'v', 'version1', '1 2', '1/2', `1${'0'.repeat(64)}`])
    assert.ok(!isVersion(name), name);
  for (const name of ['0', '1', 'v2', 'V3', '1.0.0-rc1', '2026-11-27', '3_a']) assert.ok(isVersion(name), name);
});
