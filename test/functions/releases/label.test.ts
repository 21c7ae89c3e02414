import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LABEL, labelOf, releaseOf } from '../../../functions/releases/label.ts';
import type { Image } from '../../../functions/services/registry.ts';

const digest = `sha256:${'0'.repeat(64)}`;

function image(Labels: Record<string, string> | null, Env: string[] | null = []): Image {
  return {
    digest,
    manifest: { schemaVersion: 2, config: { mediaType: '', digest, size: 0 }, layers: [] },
    config: {
      architecture: 'amd64',
      os: 'linux',
      config: { Labels, Env },
      rootfs: { type: 'layers', diff_ids: [] },
    },
  };
}

test('a label is read back, with defaults for what it lacks', () => {
  const label = { models: [{ name: 'intents', version: '1.0.0', checksum: 'sha256:1' }] };
  assert.deepEqual(labelOf(image({ [LABEL]: JSON.stringify(label) })), {
    commit: '',
    models: [{ name: 'intents', version: '1.0.0', checksum: 'sha256:1', metrics: {}, golden: [] }],
  });
});

test('an image without a label, or with one that nobody could follow, has none', () => {
  const model = { name: 'intents', version: '1.0.0', checksum: 'x' };
  const many = Array.from({ length: 1_001 }, () => ({ input: 'a', output: { label: 'b' } }));
  for (const text of [
    'not json',
    '[]',
    'null',
    '{"models":{}}',
    JSON.stringify({ models: [{ ...model, name: '../../etc' }] }),
    JSON.stringify({ models: [{ ...model, version: 'a b' }] }),
    JSON.stringify({ models: [{ ...model, metrics: { accuracy: 'high' } }] }),
    JSON.stringify({ models: [{ ...model, golden: [{ input: 'a', output: 'b' }] }] }),
    JSON.stringify({ models: [{ ...model, golden: many }] }),
    JSON.stringify({ models: Array.from({ length: 65 }, () => model) }),
    `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
  ])
    assert.equal(labelOf(image({ [LABEL]: text })), null, text.slice(0, 80));
  assert.equal(labelOf(image({})), null);
  assert.equal(labelOf(image(null)), null);
});

test('what a slot reports stands in the environment of the image', () => {
  assert.equal(releaseOf(image(null, ['PORT=8080', 'RELEASE=sha256:1=2'])), 'sha256:1=2');
  assert.equal(releaseOf(image(null, ['NO_RELEASE=1'])), undefined);
  assert.equal(releaseOf(image(null, null)), undefined);
});
