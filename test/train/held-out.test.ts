import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import content from '../../functions/bot/intents.json' with { type: 'json' };
import languages from '../../functions/bot/languages.json' with { type: 'json' };
import { readDataset } from '../../functions/training/dataset.ts';
import { words } from '../../inference-container/tasks/ngrams.ts';
import stress from '../data/stress.json' with { type: 'json' };
import { evaluateCommand, run } from './fixture.ts';

/** The sets that the bot's own model is measured on: written by hand, unlike what it is trained on. */
const root = join(import.meta.dirname, '../..');
/** What the model sees of a text: neither case nor punctuation. */
const key = (text: string) => words(text).join(' ') || text.trim();
const trained = new Set(content.flatMap(({ utterances: { en, ko } }) => [...en, ...ko].map(key)));
const intents = new Set(['none', ...content.map(({ name }) => name)]);
const HANGUL = /[가-힣]/;
const LATIN = /[a-z]{2}/i;

for (const language of ['en', 'ko'] as const)
  describe(`held-out/${language}.csv`, async () => {
    const file = join(root, `functions/bot/held-out/${language}.csv`);
    const { splits } = await readDataset(file);
    const rows = splits.train;

    test('at least 300 rows with a text and a known intent, none of them twice', () => {
      assert.ok(rows.length >= 300);
      assert.deepEqual(
        rows.filter(({ text, intent }) => !text.trim() || !intents.has(intent)),
        [],
      );
      const texts = rows.map(({ text }) => key(text));
      assert.deepEqual(
        texts.filter((text, index) => texts.indexOf(text) !== index),
        [],
      );
    });

    test('nothing that the bot is trained on', () => {
      assert.deepEqual(
        rows.map(({ text }) => text).filter((text) => trained.has(key(text))),
        [],
      );
    });

    test('every intent, a tenth out of scope, and lines of both languages', () => {
      const said = new Set(rows.map(({ intent }) => intent));
      assert.deepEqual([...said].sort(), [...intents].sort());
      assert.ok(rows.filter(({ intent }) => intent === 'none').length >= rows.length / 10);
      assert.ok(rows.filter(({ text }) => HANGUL.test(text) && LATIN.test(text)).length >= 10);
      const own = language === 'ko' ? HANGUL : LATIN;
      assert.ok(rows.filter(({ text }) => own.test(text)).length > rows.length * 0.8);
    });

    test('the bot’s model is right in four of five', async () => {
      const models = join(root, '.local/models/intents');
      const { versions } = JSON.parse(await readFile(join(models, 'config.json'), 'utf8'));
      const { code, stdout, stderr } = await run(
        evaluateCommand('--model', join(models, versions.only[0]), '--data', file, '--stress'),
      );
      assert.equal(code, 0, stderr);
      const { accuracyRaw, stress } = JSON.parse(stdout.trimEnd().split('\n').at(-1)!);
      assert.ok(accuracyRaw >= 0.8, `${accuracyRaw}`);
      const of = (manner: string) => stress.find((one: { manner: string }) => one.manner === manner);
      assert.ok(of('opening + X').right >= 0.78, `${of('opening + X').right}`);
      assert.ok(of('X + closing').right >= 0.76, `${of('X + closing').right}`);
      assert.equal(of('as it is').raw, accuracyRaw);
      // What is only encoded or spelled otherwise is the same text.
      for (const manner of ['capitals', 'decomposed (NFD)'])
        if (of(manner).utterances > 0.95 * of('as it is').utterances)
          assert.ok(Math.abs(of(manner).raw - accuracyRaw) < 0.01, manner);
      if (language === 'ko') assert.ok(of('no blanks').raw >= 0.89, `${of('no blanks').raw}`);
    });

    test('the phrases of the stress table are none that the bot is trained with', () => {
      const own = languages.flatMap(({ openings, closings }) => [...openings, ...closings].map(key));
      const phrases = [...stress[language].openings, ...stress[language].closings];
      assert.ok(phrases.length >= 80);
      assert.deepEqual(
        phrases.filter((phrase) => own.includes(key(phrase))),
        [],
      );
    });
  });
