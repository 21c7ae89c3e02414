import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Subwords } from '../../inference-container/tasks/ngrams.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function megabytes(): number {
  collect();
  return process.memoryUsage().heapUsed / 1024 / 1024;
}

test('words that never come again, of whatever length and of long texts, take no more memory than is set aside for them', () => {
  const subwords = new Subwords(['c wor', 'c ort']);
  const before = megabytes();
  for (let text = 0; text < 2_000; text += 1) {
    // Parts of a text, as a tokenizer takes them.
    const whole = Array.from({ length: 100 }, (_, word) => `word${text}x${word}`.padEnd(12 + (word % 60), 'y')).join(
      ' ',
    );
    for (const word of whole.split(' ')) subwords.word(word);
  }
  const grown = megabytes() - before;
  assert.ok(grown < 20, `${grown.toFixed(0)} MB`);
  assert.deepEqual(subwords.word('word'), subwords.word('word'));
});
