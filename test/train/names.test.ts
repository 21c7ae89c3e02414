import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { names } from '../../functions/training/messages.ts';
import { csv, trainQuickly, useFolder } from './fixture.ts';

const folder = useFolder();

/** The name of an intent is an utterance of it, where there are few. */
const few = (intents: string[], count = 5) =>
  intents.flatMap((intent) => Array.from({ length: count }, (_, index) => ({ text: `${intent} ${index}`, intent })));

test('names are spoken as words, in any manner of writing them', () => {
  assert.deepEqual(names(few(['order_status', 'orderCancel', 'return-item', 'faq.wool', '주문_조회'])), [
    { text: 'order status', intent: 'order_status' },
    { text: 'order cancel', intent: 'orderCancel' },
    { text: 'return item', intent: 'return-item' },
    { text: 'faq wool', intent: 'faq.wool' },
    { text: '주문 조회', intent: '주문_조회' },
  ]);
});

test('a number is no name, nor are what nobody knows and what is denied', () => {
  assert.deepEqual(names(few(['17', 'a1', 'none', 'not'])), []);
});

test('where a name is an utterance already, or there are twenty utterances an intent, it adds nothing', () => {
  assert.deepEqual(names([...few(['refund']), { text: 'Refund', intent: 'refund' }]), []);
  assert.deepEqual(names(few(['refund', 'order_status'], 20)), []);
  assert.equal(names(few(['refund', 'order_status'], 19)).length, 2);
});

test('what is served has learned every utterance, those that were held out too, and the names', async () => {
  const rows = ['zebra_question', 'walrus_question'].flatMap((intent, kind) =>
    Array.from({ length: 6 }, (_, index) => [`${['please', 'maybe'][kind]} unique${kind}${index}`, intent]),
  );
  const out = join(folder.path, 'all/intents/1.0.0');
  await trainQuickly(await folder.write('all.csv', csv(rows)), out);
  const { subwords } = JSON.parse(await readFile(join(out, 'vocabulary.json'), 'utf8'));
  for (const word of ['zebra', 'walrus', ...rows.map(([text]) => text!.split(' ')[1])])
    assert.ok(subwords.includes(`w ${word}`), word);
});
