import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { openClassifier } from '../../functions/training/classifier.ts';
import { DatasetError, type Example, NONE, readDataset } from '../../functions/training/dataset.ts';
import { openPictures } from '../../functions/training/image/classifier.ts';
import { readPictures } from '../../functions/training/image/dataset.ts';
import { figures } from '../../functions/training/metrics.ts';
import { retrievalFigures } from '../../functions/training/retrieval/metrics.ts';
import { type Manifest, manifest } from '../../inference-container/models/manifest.ts';
import type { Classification } from '../../inference-container/tasks/classification.ts';
import { faqHeldOut } from '../bot/held-out.ts';
import { said } from './command.ts';
import { stressed } from './stress.ts';

const HELP = `npm run evaluate -- --model <folder> --data <file>: a packaged model against what is labelled

  --data <file>       as for training; of a file with splits, its test and oos_test. For a model of a FAQ (task retrieval): questions
                      {questions: {entry: {language: [...]}}, off_topic: {kind: {language: [...]}}}. For one of pictures: as --task image is trained on
  --compare <folder>  another package: prints what changed, utterance by utterance
  --stress            also as people write: openings, closings, typos, no blanks, capitals, the other keyboard, romanised …

Ends with one line of JSON, so that a script can compare two models.
`;

/** Of the changes to the utterances. */
const SEED = 1;

try {
  await evaluate();
} catch (error) {
  console.error(said(error));
  process.exit(1);
}

async function evaluate(): Promise<void> {
  const { values } = parseArgs({
    options: {
      model: { type: 'string' },
      data: { type: 'string' },
      compare: { type: 'string' },
      stress: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const { model, data } = values;
  if (values.help || !model || !data) {
    console.log(HELP);
    process.exit(values.help ? 0 : 1);
  }
  const { task } = await described(model);
  if (task === 'retrieval') return await evaluateRetrieval(model, data);
  if (task === 'image-classification') return await evaluatePictures(model, data);
  const examples = await read(data);
  const measured = await measure(model, examples);
  const { json } = measured;
  const rows: [string, string][] = [
    ['accuracy without a threshold', percent(json.accuracyRaw)],
    ['in-scope accuracy', percent(json.inScopeAccuracy)],
    ['out-of-scope recall', percent(json.oosRecall)],
    ['out-of-scope AUROC', percent(json.oosAuroc)],
    ['macro F1', percent(json.macroF1)],
    ['calibration error', percent(json.ece)],
    ['one utterance', `${json.microsPerUtterance} µs`],
    ['package', `${(json.bytes / 1e6).toFixed(2)} MB`],
  ];
  console.log(`${examples.length} utterances of ${data}\n`);
  for (const [name, value] of rows) console.log(`  ${name.padEnd(30)} ${value.padStart(10)}`);
  if (values.compare) compare(values.compare, examples, measured, await measure(values.compare, examples));
  const stress = values.stress ? await underStress(model, examples) : undefined;
  console.log(`\n${JSON.stringify({ ...json, ...(stress && { stress }) })}`);
}

/** Accuracy, refusal and calibration of a model of pictures, on the test split where there is one. */
async function evaluatePictures(folder: string, source: string): Promise<void> {
  const { preprocessing, labels, threshold } = await described(folder);
  if (preprocessing?.kind !== 'image') throw new DatasetError(`${folder} says nothing of how a picture is read`);
  const dataset = await readPictures(source, { preprocessing, names: labels, progress: () => undefined });
  const strangers = dataset.labels.filter((label) => !labels.includes(label));
  if (strangers.length > 0)
    throw new DatasetError(`${source} has classes that the model does not know: ${strangers.slice(0, 5).join(', ')}`);
  const { side, channels } = dataset;
  const size = side * side * channels;
  const model = await openPictures(folder);
  const judged = async (pixels: Uint8Array) => {
    const answers: { label: string; score: number }[] = [];
    for (let from = 0; from < pixels.length; from += size) {
      const raw = { width: side, height: side, channels };
      // One of the network's own size is taken as it is.
      const png = await sharp(pixels.subarray(from, from + size), { raw })
        .png({ compressionLevel: 0 })
        .toBuffer();
      answers.push((await model.classify(png)).top[0]!);
    }
    return answers;
  };
  try {
    const split = dataset.test?.() ?? dataset.train;
    const inside = (await judged(split.pixels)).map((answer, row) => ({
      ...answer,
      intent: dataset.labels[split.labels[row]!]!,
    }));
    const found = figures(inside, await judged(dataset.outside), threshold);
    console.log(`${inside.length} pictures of ${source}${dataset.test ? ' (its test split)' : ''}\n`);
    for (const line of dataset.dropped) console.log(`  left out: ${line}`);
    for (const [name, value] of [
      ['accuracy without a threshold', found.accuracyRaw],
      ['over the threshold', found.inScopeAccuracy],
      ['refused of none', found.oosRecall],
      ['macro F1', found.macroF1],
      ['calibration error', found.ece],
    ] as const)
      console.log(`  ${name.padEnd(30)} ${percent(value).padStart(10)}`);
    console.log(`\n${JSON.stringify({ pictures: inside.length, threshold, ...found })}`);
  } finally {
    await model.close();
  }
}

/** Recall, mean reciprocal rank and refusal of a model that finds a question's entry, by language. */
async function evaluateRetrieval(folder: string, file: string): Promise<void> {
  const text = await readFile(file, 'utf8').catch(() => {
    throw new DatasetError(`${file} can't be read`);
  });
  const { data } = faqHeldOut.safeParse(parsed(text));
  if (!data) throw new DatasetError(`${file} has no questions: {questions: {entry: {language: [...]}}, off_topic: …}`);
  const { classifier, description } = await opened(folder);
  const known = new Set(description.labels);
  const strangers = Object.keys(data.questions).filter((entry) => !known.has(entry));
  if (strangers.length > 0)
    throw new DatasetError(
      `${file} asks for entries that the model does not know: ${strangers.slice(0, 5).join(', ')}`,
    );
  const languages = new Set(
    [...Object.values(data.questions), ...Object.values(data.off_topic)].flatMap((all) => Object.keys(all)),
  );
  const rows: Record<string, unknown>[] = [];
  console.log(
    `  ${['language', 'questions', 'recall@1', 'recall@3', 'MRR', 'right', 'wrong'].map((head, at) => (at === 0 ? head.padEnd(10) : head.padStart(10))).join('')}  refused`,
  );
  for (const language of languages) {
    const asked = Object.entries(data.questions).flatMap(([entry, all]) =>
      (all[language] ?? []).map((question) => ({ question, entry })),
    );
    const answers = await classifier.classify(asked.map(({ question }) => question));
    const judged = answers.map(({ top, score }, index) => {
      const place = top.findIndex(({ label }) => label === asked[index]!.entry);
      // Behind those that are answered there is no place: counted as none.
      return { rank: place < 0 ? Number.POSITIVE_INFINITY : place + 1, score };
    });
    const { recallAt1, recallAt3, mrr, answered, wrong } = retrievalFigures(judged, description.threshold);
    const refused: Record<string, number> = {};
    for (const [kind, all] of Object.entries(data.off_topic)) {
      const texts = all[language] ?? [];
      const said = await classifier.classify(texts);
      refused[kind] = round(said.filter(({ score }) => score < description.threshold).length / texts.length);
    }
    const shares = [recallAt1, recallAt3].map(percent);
    console.log(
      `  ${language.padEnd(10)}${[String(asked.length), ...shares, mrr.toFixed(3), percent(answered), percent(wrong)].map((cell) => cell.padStart(10)).join('')}  ${Object.entries(
        refused,
      )
        .map(([kind, share]) => `${kind} ${percent(share)}`)
        .join(', ')}`,
    );
    rows.push({
      language,
      questions: asked.length,
      recallAt1: round(recallAt1),
      recallAt3: round(recallAt3),
      mrr: round(mrr),
      right: round(answered),
      wrong: round(wrong),
      refused,
    });
  }
  await classifier.close();
  console.log(`\n${JSON.stringify({ threshold: description.threshold, languages: rows })}`);
}

/** Of each manner: what is right, wrong and refused over the threshold, in shares of the utterances in scope. */
async function underStress(folder: string, examples: Example[]) {
  const { classifier, description } = await opened(folder);
  const inside = examples.filter(({ intent }) => intent !== NONE);
  const rows = [];
  console.log(
    `\n  ${'written'.padEnd(24)}${'utterances'.padStart(11)}${'right'.padStart(9)}${'wrong'.padStart(9)}${'refused'.padStart(9)}${'raw'.padStart(9)}`,
  );
  for (const { manner, examples: written } of stressed(inside, SEED)) {
    if (written.length === 0) continue;
    const answers = await classifier.classify(written.map(({ text }) => text));
    const share = (of: (answer: Classification, intent: string) => boolean) =>
      answers.filter((answer, index) => of(answer, written[index]!.intent)).length / written.length;
    const refused = share(({ score }) => score < description.threshold);
    const right = share(({ label }, intent) => label === intent);
    const raw = share(({ top }, intent) => top[0]!.label === intent);
    rows.push({
      manner,
      utterances: written.length,
      right: round(right),
      wrong: round(1 - right - refused),
      refused: round(refused),
      raw: round(raw),
    });
    console.log(
      `  ${manner.padEnd(24)}${String(written.length).padStart(11)}${[right, 1 - right - refused, refused, raw].map((value) => percent(value).padStart(9)).join('')}`,
    );
  }
  await classifier.close();
  return rows;
}

function round(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

interface Measured {
  answers: Classification[];
  json: Record<
    'accuracyRaw' | 'inScopeAccuracy' | 'oosRecall' | 'oosAuroc' | 'macroF1' | 'ece' | 'microsPerUtterance' | 'bytes',
    number
  >;
}

async function read(file: string): Promise<Example[]> {
  const dataset = await readDataset(file);
  const test = dataset.test();
  const examples = test.length > 0 ? test : [...dataset.splits.train, ...dataset.splits.validation];
  const labelled = examples.filter(({ text, intent }) => text.trim() && intent.trim());
  if (!labelled.some(({ intent }) => intent !== NONE))
    throw new DatasetError(`${file} has no utterance with an intent`);
  return labelled;
}

/** What a package says it is. Throws a {@link DatasetError} where it is none. */
async function described(folder: string): Promise<Manifest> {
  const text = await readFile(join(folder, 'model.json'), 'utf8').catch(() => {
    throw new DatasetError(`${folder} is no model package: there is no model.json`);
  });
  const { data: description } = manifest.safeParse(parsed(text));
  if (!description) throw new DatasetError(`${folder}/model.json is no description of a model`);
  if (description.task === 'tensor') throw new DatasetError(`${folder} is not a model of texts or pictures`);
  return description;
}

/** A package as the container runs it. Throws a {@link DatasetError} where it is none. */
async function opened(folder: string) {
  const description = await described(folder);
  const classifier = await openClassifier(folder, description).catch((error: Error) => {
    throw new DatasetError(`${folder} cannot be loaded: ${error.message.split('\n')[0]}`);
  });
  return { classifier, description };
}

async function measure(folder: string, examples: Example[]): Promise<Measured> {
  const { classifier, description } = await opened(folder);
  const answers = await classifier.classify(examples.map((example) => example.text));
  const timed = examples.slice(0, 300);
  await classifier.classify([timed[0]!.text]);
  const started = performance.now();
  for (const example of timed) await classifier.classify([example.text]);
  const micros = ((performance.now() - started) * 1_000) / timed.length;
  await classifier.close();
  const predictions = answers.map(({ top }, index) => ({
    ...examples[index]!,
    label: top[0]!.label,
    score: top[0]!.score,
  }));
  const inside = predictions.filter(({ intent }) => intent !== NONE);
  const outside = predictions.filter(({ intent }) => intent === NONE);
  const files = await readdir(folder);
  const sizes = await Promise.all(
    files.filter((file) => file !== 'report.md' && file !== 'reliability.svg').map((file) => stat(join(folder, file))),
  );
  const { accuracyRaw, inScopeAccuracy, oosRecall, oosAuroc, macroF1, ece } = figures(
    inside,
    outside,
    description.threshold,
  );
  return {
    answers,
    json: {
      accuracyRaw: round(accuracyRaw),
      inScopeAccuracy: round(inScopeAccuracy),
      oosRecall: round(oosRecall),
      oosAuroc: round(oosAuroc),
      macroF1: round(macroF1),
      ece: round(ece),
      microsPerUtterance: Math.round(micros),
      bytes: sizes.reduce((total, { size }) => total + size, 0),
    },
  };
}

function compare(folder: string, examples: Example[], own: Measured, other: Measured): void {
  const changed = examples
    .map((example, index) => ({ ...example, after: own.answers[index]!, before: other.answers[index]! }))
    .filter(({ before, after }) => before.label !== after.label);
  const better = changed.filter(({ after, intent }) => after.label === intent);
  const worse = changed.filter(({ before, intent }) => before.label === intent);
  console.log(`\n${changed.length} answers differ from ${folder}: ${better.length} better, ${worse.length} worse`);
  for (const { text, intent, before, after } of changed) {
    const mark = after.label === intent ? '+' : before.label === intent ? '-' : ' ';
    console.log(
      `  ${mark} ${JSON.stringify(text.slice(0, 70))} (${intent}): ${before.label} ${before.score.toFixed(2)} → ${after.label} ${after.score.toFixed(2)}`,
    );
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function percent(value: number): string {
  return Number.isFinite(value) ? `${(100 * value).toFixed(2)}%` : '–';
}
