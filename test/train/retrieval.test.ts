import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import faq from '../../functions/bot/held-out/faq.json' with { type: 'json' };
import { utteranceKey } from '../../functions/dialog/bot.ts';
import { openClassifier } from '../../functions/training/classifier.ts';
import { faqOf } from '../../functions/training/faq.ts';
import { confidenceOf, fitConfidence } from '../../functions/training/retrieval/confidence.ts';
import type { TrainedRetriever } from '../../functions/training/retrieval/metrics.ts';
import { type Entry, trainRetrieval } from '../../functions/training/retrieval/train.ts';
import { content } from '../bot.ts';
import { call, serve, sha256 } from '../inference-container/fixture.ts';
import { sentenceEncoder } from '../inference-container/models.ts';
import { evaluateCommand, manifestOf, refused, run, trainCommand, useFolder, wordTokenizer } from './fixture.ts';

const folder = useFolder();
const own = faqOf(content);
const out = join(folder.path, 'repository/faq/1');
let trained: TrainedRetriever;

const retrain = (to: string, given: Partial<Parameters<typeof trainRetrieval>[0]> = {}) =>
  trainRetrieval({ ...own, out: to, name: 'faq', version: '1', seed: 1, progress: () => undefined, ...given });

before(async () => {
  trained = await retrain(out);
});

describe("the shop's FAQ", () => {
  test('has at least 60 entries, asked in several ways, in each language', () => {
    for (const { tag } of content.languages) {
      const entries = content.faq.filter(({ question, answer }) => question[tag] && answer[tag]);
      assert.ok(entries.length >= 60, tag);
      assert.ok(
        entries.every(({ other_ways }) => (other_ways[tag] ?? []).length >= 3),
        tag,
      );
    }
  });

  test('what it is measured on was written by others, and is trained on nowhere', () => {
    const learned = new Set([...own.entries.flatMap(({ questions }) => questions), ...own.others].map(utteranceKey));
    const asked = [...Object.values(faq.questions), ...Object.values(faq.off_topic)].flatMap((all) =>
      Object.values(all).flat(),
    );
    assert.deepEqual(
      asked.filter((text) => learned.has(utteranceKey(text))),
      [],
    );
    assert.ok(asked.length >= 900);
  });

  test('finds what is asked in words of others, and refuses what nobody answers: the figures that docs/understanding.md says', async () => {
    const { code, stdout, stderr } = await run(
      evaluateCommand('--model', out, '--data', join(import.meta.dirname, '../../functions/bot/held-out/faq.json')),
    );
    assert.equal(code, 0, stderr);
    const { threshold, languages } = JSON.parse(stdout.trimEnd().split('\n').at(-1)!);
    assert.equal(threshold, trained.threshold);
    for (const { language, questions, recallAt1, recallAt3, mrr, right, wrong, refused } of languages) {
      assert.ok(questions >= 260, language);
      assert.ok(recallAt1 >= 0.89, `${language} recall@1 ${recallAt1}`);
      assert.ok(recallAt3 >= 0.95, `${language} recall@3 ${recallAt3}`);
      assert.ok(mrr >= 0.92, `${language} MRR ${mrr}`);
      assert.ok(right >= 0.82 && wrong <= 0.045, `${language} right ${right}, wrong ${wrong}`);
      assert.ok(refused.far >= 0.85 && refused.near >= 0.64, `${language} refused ${JSON.stringify(refused)}`);
    }
    assert.match(stdout, /language {3}questions {2}recall@1 {2}recall@3/);
  });

  test('the threshold refuses the share that bot.json says, of texts that were not trained on', async () => {
    assert.ok(Math.abs(trained.validation.refusal - content.about.faq_refuse) < 0.005);
    const { threshold, metrics, labels, task, golden } = await manifestOf(out);
    assert.deepEqual([task, threshold], ['retrieval', trained.threshold]);
    assert.deepEqual(
      labels,
      content.faq.map(({ name }) => name),
    );
    assert.equal(golden.length, 20);
    assert.equal(metrics.refusal, trained.validation.refusal);
    const report = await readFile(join(out, 'report.md'), 'utf8');
    assert.match(
      report,
      /## Other thresholds[\s\S]*## Taken for another entry[\s\S]*## Of no entry, and taken for one/,
    );
  });
});

test('the same entries and seed give the same bytes', async () => {
  const again = join(folder.path, 'again/faq/1');
  await retrain(again);
  const sums = async (of: string) =>
    await Promise.all((await readdir(of)).sort().map(async (name) => [name, sha256(await readFile(join(of, name)))]));
  assert.deepEqual(await sums(again), await sums(out));
});

test('served, one by one and together, by both protocols, as the trainer runs it', async () => {
  const asked = Object.values(faq.questions)
    .slice(0, 12)
    .flatMap(({ en, ko }) => [en[0]!, ko[0]!]);
  const classifier = await openClassifier(out, await manifestOf(out));
  const expected = await classifier.classify(asked);
  await classifier.close();
  const server = await serve(join(folder.path, 'repository'), { workers: 1 });
  try {
    const { body } = await call(server, 'POST', '/v1/models/faq:predict', { instances: asked });
    for (const [index, { label, score, top }] of body.predictions.entries()) {
      assert.equal(label, expected[index]!.label);
      assert.ok(Math.abs(score - expected[index]!.score) < 1e-6);
      assert.equal(top.length, 5);
      const alone = await call(server, 'POST', '/v2/models/faq/infer', {
        inputs: [{ name: 'text', datatype: 'BYTES', shape: [1], data: [asked[index]] }],
      });
      const column = (name: string) => alone.body.outputs.find((output: { name: string }) => output.name === name).data;
      assert.deepEqual(column('label'), [label]);
      assert.ok(Math.abs(column('score')[0] - score) < 1e-6);
      assert.deepEqual(
        column('top_labels'),
        top.map((one: { label: string }) => one.label),
      );
    }
    const empty = await call(server, 'POST', '/v1/models/faq:predict', { instances: ['', '???', '🎈'] });
    for (const { label } of empty.body.predictions) assert.equal(label, 'none', 'a text of no feature is of no entry');
  } finally {
    await server.stop();
  }
});

describe('a small FAQ', () => {
  const entry = (name: string, ...questions: string[]): Entry => ({ name, questions, answers: [`All about ${name}.`] });
  const small = [
    entry('parking', 'where can i park', 'is there a car park', 'parking for my car'),
    entry('wifi', 'is there wifi', 'wireless internet password'),
    entry('dogs', 'may i bring my dog'),
  ];
  const others = ['hello', 'goodbye', 'where is my order', 'cancel my order', 'what is the weather', 'tell me a joke'];

  test('of two entries up, one of them with one question, is learned', async () => {
    const to = join(folder.path, 'small/faq/1');
    await retrain(to, { entries: small, others });
    const classifier = await openClassifier(to, await manifestOf(to));
    const asked = ['can i park my car', 'wifi password', 'my dog'];
    const answers = await classifier.classify(asked);
    await classifier.close();
    assert.deepEqual(
      answers.map(({ top }) => top[0]!.label),
      ['parking', 'wifi', 'dogs'],
    );
    for (const { top } of answers) assert.ok(top[0]!.score > top[1]!.score);
  });

  test('however much is to be refused, what is surer than all of it is answered; most entries may have one question', async () => {
    const to = join(folder.path, 'strict/faq/1');
    const mixed = [
      ...small,
      ...Array.from({ length: 12 }, (_, index) => entry(`e${index}`, `question number ${index}`)),
    ];
    for (const refuse of [0.5, 0.9, 0.999]) {
      const { threshold, validation } = await retrain(to, { entries: mixed, others, refuse });
      assert.ok(threshold > 0 && threshold < 1, `${refuse}: ${threshold}`);
      assert.ok(validation.refusal >= 0.5 && Number.isFinite(validation.recallAt1), JSON.stringify(validation));
    }
  });

  test('one entry, or too many, is said', async () => {
    const to = join(folder.path, 'refused/faq/1');
    await assert.rejects(retrain(to, { entries: small.slice(0, 1), others }), /at least 2 entries/);
    const single = small.map(({ name, questions }) => entry(name, questions[0]!));
    await assert.rejects(retrain(to, { entries: single, others }), /give at least two entries another way to ask/);
    await assert.rejects(
      retrain(to, { entries: small, others: others.slice(0, 3) }),
      /at least 5 utterances of intents, and here are 3/,
    );
    const many = Array.from({ length: 2_001 }, (_, index) => entry(`e${index}`, `question ${index}`));
    await assert.rejects(retrain(to, { entries: many, others }), /may have 2000 entries, and here are 2001/);
  });

  test('an encoder knows what shares no letter, and goes along in the package', async () => {
    // Three meanings, each spelled in two ways that have nothing in common.
    const words = ['丙', '丁', '戊', '己', '庚', '辛'];
    const table = Float32Array.from({ length: (4 + words.length) * 4 }, (_, at) => {
      const [row, column] = [Math.floor(at / 4), at % 4];
      return row < 4 ? Number(column === 3) : Number(column === Math.floor((row - 4) / 2));
    });
    await folder.write('meanings/model.onnx', sentenceEncoder(table, 4));
    await folder.write('meanings/tokenizer.json', wordTokenizer(words));
    const entries = [0, 2, 4].map((at) => ({
      name: `m${at}`,
      questions: [words[at]!, words[at]!],
      answers: [words[at]!],
    }));
    const to = join(folder.path, 'encoded/repository/faq/1');
    await retrain(to, { entries, others, encoders: [join(folder.path, 'meanings')] });
    assert.ok((await readdir(to)).includes('encoder_0.tokenizer.json'));
    const server = await serve(join(folder.path, 'encoded/repository'), { workers: 1 });
    try {
      const instances = [1, 3, 5].map((at) => words[at]!);
      const { body } = await call(server, 'POST', '/v1/models/faq:predict', { instances });
      assert.deepEqual(
        body.predictions.map(({ top }: { top: { label: string }[] }) => top[0]!.label),
        ['m0', 'm2', 'm4'],
      );
    } finally {
      await server.stop();
    }
  });
});

describe('the score', () => {
  const found = Array.from({ length: 400 }, (_, index) => {
    const margin = Math.sin(index * 12.9898) * 2;
    const ahead = 1 + Math.cos(index * 78.233);
    const syllabic = index % 2;
    const chance = confidenceOf({ slope: 2, lead: 1, syllabic: 1.5, shift: -1 }, { margin, ahead, syllabic });
    // Both outcomes, as often as the chance says.
    return [true, false].map((right) => ({ margin, ahead, syllabic, right, weight: right ? chance : 1 - chance }));
  }).flat();

  test('is the chance to be right: what made the outcomes is found again', () => {
    const { slope, lead, syllabic, shift } = fitConfidence(found);
    for (const [value, expected] of [
      [slope, 2],
      [lead, 1],
      [syllabic, 1.5],
      [shift, -1],
    ] as const)
      assert.ok(Math.abs(value - expected) < 0.15, `${value} for ${expected}`);
  });

  test('never falls with the margin, whatever the outcomes say', () => {
    const { slope, lead } = fitConfidence(found.map((one) => ({ ...one, margin: -one.margin, ahead: -one.ahead })));
    assert.deepEqual([slope, lead], [0, 0]);
  });
});

test('the command says what it does not know', async () => {
  const cases: [string[], RegExp][] = [
    [['--task', 'video'], /--task must be text-classification, retrieval or image/],
    [['--task', 'retrieval', '--data', 'x.csv'], /--task retrieval is trained on a bot/],
  ];
  for (const [args, said] of cases)
    refused(await run(trainCommand(...args, '--out', join(folder.path, 'x/faq/1'))), said);
  const data = await folder.write('other.json', { questions: { an_entry_of_nobody: { en: ['what?'] } } });
  refused(await run(evaluateCommand('--model', out, '--data', data)), /does not know: an_entry_of_nobody/);
  const wrong = await folder.write('wrong.json', { test: [] });
  refused(await run(evaluateCommand('--model', out, '--data', wrong)), /has no questions/);
});
