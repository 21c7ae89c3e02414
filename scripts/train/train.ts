import { words } from '../../inference-container/tasks/ngrams.ts';
import { fitConfidence, fitStandards, sum } from './calibration.ts';
import { memberLogits, openClassifier, withDraft } from './classifier.ts';
import { clean, type Example, NONE, readDataset, split } from './dataset.ts';
import { trainEnsemble } from './ensemble.ts';
import { type Figures, figures, type Prediction, thresholdFor } from './metrics.ts';
import { exportEnsemble } from './onnx.ts';
import { type PackageDescription, writePackage } from './package.ts';
import { Random } from './random.ts';
import type { Recipe } from './recipe.ts';
import { report } from './report.ts';
import { buildVocabulary } from './vocabulary.ts';

export interface TrainOptions {
  data: string;
  /** Sentences of other domains, one a line. */
  background?: string | undefined;
  /** The package's folder: `<model repository>/<name>/<version>`. */
  out: string;
  name: string;
  version: string;
  seed: number;
  recipe: Recipe;
  /** In-scope accuracy that the threshold may give up on validation. */
  giveUp: number;
  progress(share: number): void;
}

export interface Trained {
  labels: number;
  /** What was left out, in words. */
  dropped: string[];
  counts: { train: number; validation: number; test: number; outOfScope: number };
  threshold: number;
  validation: Figures;
  /** Of the test split, read only when everything was decided; null without one. */
  test: Figures | null;
  seconds: number;
}

/** Share of the examples that choose temperature and threshold, where the file has no split of its own. */
const VALIDATION = 0.1;
const GOLDEN = 20;
/** Fewer utterances are a small set. */
const SMALL = 5_000;

/** Trains an intent model on a file of utterances and writes its package. The same data and seed give the same bytes. */
export async function train(options: TrainOptions): Promise<Trained> {
  const started = performance.now();
  const { recipe, seed } = options;
  const dataset = await readDataset(options.data, options.background);
  const { splits, dropped } = clean(dataset.splits);
  const data = splits.validation.length > 0 ? splits : { ...splits, ...split(splits.train, VALIDATION, seed) };
  const inside = data.train.filter(({ intent }) => intent !== NONE);
  const labels = [...new Set(inside.map(({ intent }) => intent))].sort();
  const validation = scoped(data.validation);

  const tokenised = inside.map(({ text }) => words(text));
  const vocabulary = buildVocabulary(tokenised, tokenised.length < SMALL ? recipe.least.small : recipe.least.large);
  const outsideGiven = data.train.filter(({ intent }) => intent === NONE).map(({ text }) => words(text));
  const background = new Random(seed).shuffle(data.background.map(words));
  const parts = await trainEnsemble(
    recipe,
    {
      vocabulary,
      classes: labels.length,
      train: tokenised,
      labels: indices(inside, labels),
      outside: [
        ...Array.from({ length: recipe.outsideTimes }, () => outsideGiven).flat(),
        ...background.slice(0, recipe.background),
      ],
      unlabelled: [...background, ...outsideGiven],
    },
    seed,
    options.progress,
  );

  const members = parts.cnns.length + 1;
  const logits = await memberLogits(
    exportEnsemble(parts, null),
    vocabulary,
    validation.inside.map(({ text }) => words(text)),
    members,
  );
  const truth = indices(validation.inside, labels);
  const standards = fitStandards(logits, truth, labels.length);
  const confidence = fitConfidence(sum(logits, standards), truth, labels.length);
  const files = {
    'model.onnx': exportEnsemble(parts, { standards, confidence }),
    'vocabulary.json': JSON.stringify(vocabulary),
  };
  const description: PackageDescription = {
    name: options.name,
    version: options.version,
    task: 'text-classification',
    labels,
    preprocessing: { kind: 'ngrams', vocabulary: 'vocabulary.json' },
    trainedOn: { sha256: dataset.sha256, examples: data.train.length + data.validation.length },
  };

  return await withDraft(files, async (folder) => {
    const classifier = await openClassifier(folder, description);
    const judge = async (examples: Example[]) =>
      predictions(await classifier.classify(examples.map(({ text }) => text)), examples);
    const onValidation = { inside: await judge(validation.inside), outside: await judge(validation.outside) };
    const threshold = Math.floor(thresholdFor(onValidation.inside, options.giveUp) * 1e4) / 1e4;
    const validationFigures = figures(onValidation.inside, onValidation.outside, threshold);
    // Everything is decided: only now the test split, which nothing before has read.
    const test = scoped(dataset.test());
    const onTest = { inside: await judge(test.inside), outside: await judge(test.outside) };
    const testFigures = test.inside.length > 0 ? figures(onTest.inside, onTest.outside, threshold) : null;
    await classifier.close();

    const judged = test.inside.length > 0 ? onTest : onValidation;
    const result: Trained = {
      labels: labels.length,
      dropped,
      counts: {
        train: inside.length,
        validation: validation.inside.length,
        test: test.inside.length,
        outOfScope: outsideGiven.length + validation.outside.length + test.outside.length,
      },
      threshold,
      validation: validationFigures,
      test: testFigures,
      seconds: (performance.now() - started) / 1_000,
    };
    const pages = report(options, result, judged);
    await writePackage(
      options.out,
      {
        ...description,
        threshold,
        metrics: rounded(testFigures ?? validationFigures),
        golden: golden(judged.inside, threshold),
      },
      { ...files, ...pages },
    );
    return result;
  });
}

/** Held-out utterances that are right and over the threshold: the released model must answer the same. */
function golden(rows: Judged[], threshold: number) {
  const right = rows.filter(({ label, intent, score }) => label === intent && score >= threshold);
  const step = Math.max(1, Math.floor(right.length / GOLDEN));
  return right
    .filter((_, index) => index % step === 0)
    .slice(0, GOLDEN)
    .map(({ text, label }) => ({ input: text, output: { label } }));
}

export type Judged = Prediction & Example;

function predictions(classified: { top: { label: string; score: number }[] }[], examples: Example[]): Judged[] {
  return classified.map(({ top }, index) => ({ ...examples[index]!, label: top[0]!.label, score: top[0]!.score }));
}

function scoped(examples: Example[]): { inside: Example[]; outside: Example[] } {
  return {
    inside: examples.filter(({ intent }) => intent !== NONE),
    outside: examples.filter(({ intent }) => intent === NONE),
  };
}

function indices(examples: Example[], labels: string[]): Int32Array {
  const places = new Map(labels.map((label, index) => [label, index]));
  return Int32Array.from(examples, ({ intent }) => places.get(intent) ?? -1);
}

function rounded(given: Figures): Record<string, number> {
  return Object.fromEntries(
    Object.entries(given)
      .filter(([, value]) => Number.isFinite(value))
      .map(([name, value]) => [name, Math.round(value * 1e4) / 1e4]),
  );
}
