import sharp from 'sharp';
import type { ImagePreprocessing } from '../../../inference-container/tasks/picture.ts';
import { fitConfidence, judge } from '../calibration.ts';
import type { Progress } from '../cnn.ts';
import { type Figures, figures, type TradeOff, thresholdFor, tradeOff } from '../metrics.ts';
import { checkTarget, type PackageDescription, writePackage } from '../package.ts';
import { Random } from '../random.ts';
import { type PictureDataset, split } from './dataset.ts';
import { logitsOf } from './judge.ts';
import { learn } from './learn.ts';
import { exportScores } from './model.ts';
import { nothing } from './nothing.ts';
import type { ImageRecipe } from './recipe.ts';
import { report } from './report.ts';

export interface ImageTrainOptions {
  dataset: PictureDataset;
  /** How a picture is brought to what the network saw; the mean and deviation of its values are filled in here. */
  preprocessing: ImagePreprocessing;
  /** The package's folder: `<model repository>/<name>/<version>`. */
  out: string;
  name: string;
  version: string;
  seed: number;
  recipe: ImageRecipe;
  /** Accuracy that the threshold may give up on validation. */
  giveUp: number;
  progress: Progress;
}

/** A picture that was judged: its place in its split, what it is, and what it was taken for. */
export interface JudgedPicture {
  picture: number;
  intent: string;
  label: string;
  score: number;
}

export interface TrainedPictures {
  labels: string[];
  dropped: string[];
  counts: { train: number; validation: number; test: number; outside: number };
  threshold: number;
  validation: Figures;
  /** Read only when everything was decided; null without a test split. */
  test: Figures | null;
  tradeOff: TradeOff[];
  /** Of the test split, or of validation without one. */
  judged: JudgedPicture[];
  seconds: number;
  bytes: number;
}

/** What is held out to choose by: temperature, confidence, threshold. */
const VALIDATION = 1 / 12;
/** Drawn pictures of nothing, of which as many as that are judged by. */
const [NOTHING, NOTHING_JUDGED] = [12_000, 2_000];
const GOLDEN = 20;

/** Trains a network of pictures and writes its package. The same pictures and seed give the same bytes. */
export async function trainPictures(options: ImageTrainOptions): Promise<TrainedPictures> {
  const started = performance.now();
  const { dataset, seed, recipe, giveUp, progress } = options;
  await checkTarget(options.out, options.name, options.version);
  const { labels, side, channels } = dataset;
  const size = side * side * channels;
  const { train, held } = split(dataset.train, VALIDATION, size, seed);
  const random = new Random(seed * 1_000 + 7);
  const drawn = recipe.outside > 0 ? nothing(NOTHING, side, channels, train.pixels, random) : new Uint8Array(0);
  const given = split(
    { pixels: dataset.outside, labels: new Int32Array(dataset.outside.length / size) },
    VALIDATION,
    size,
    seed,
  );
  const outside = joined(drawn, given.train.pixels);
  const shape = { side, channels, filters: recipe.filters, hidden: recipe.hidden, classes: labels.length };
  const { mean, deviation, ...network } = await learn({ shape, recipe, seed, pictures: train, outside, progress });
  const value = Float32Array.from({ length: 256 }, (_, pixel) => (pixel / 255 - mean) / deviation);
  const served = { network, mirrored: recipe.flip, value };
  const confidence = fitConfidence(logitsOf(served, held.pixels), held.labels, labels.length);
  const model = exportScores(served, confidence);
  const judgedOf = (pixels: Uint8Array, truth: (row: number) => string): JudgedPicture[] =>
    judge(logitsOf(served, pixels), labels.length, confidence).map(({ label, score }, row) => ({
      picture: row,
      intent: truth(row),
      label: labels[label]!,
      score,
    }));
  const inside = judgedOf(held.pixels, (row) => labels[held.labels[row]!]!);
  const strange = joined(
    recipe.outside > 0 ? nothing(NOTHING_JUDGED, side, channels, held.pixels, random) : new Uint8Array(0),
    given.held.pixels,
  );
  const beside = strange.length > 0 ? judgedOf(strange, () => 'none') : [];
  const threshold = Math.floor(thresholdFor(inside, giveUp) * 1e4) / 1e4;
  const validation = figures(inside, beside, threshold);
  // Everything is decided: only now the test split, which nothing before has read.
  const test = dataset.test?.() ?? null;
  const onTest = test && judgedOf(test.pixels, (row) => labels[test.labels[row]!]!);
  const judged = onTest ?? inside;
  const shown = test ?? held;
  const trained: TrainedPictures = {
    labels,
    dropped: dataset.dropped,
    counts: {
      train: train.labels.length,
      validation: held.labels.length,
      test: test?.labels.length ?? 0,
      outside: (outside.length + strange.length) / size,
    },
    threshold,
    validation,
    test: onTest && figures(onTest, beside, threshold),
    tradeOff: tradeOff(inside, beside),
    judged,
    seconds: (performance.now() - started) / 1_000,
    bytes: model.length,
  };
  const picture = (row: number) => shown.pixels.subarray(row * size, (row + 1) * size);
  const png = (row: number) =>
    sharp(picture(row), { raw: { width: side, height: side, channels } })
      .png()
      .toBuffer();
  const right = judged.filter(({ label, intent, score }) => label === intent && score >= threshold);
  const step = Math.max(1, Math.floor(right.length / GOLDEN));
  const golden: { input: unknown; output: unknown }[] = [];
  for (const { picture: row, label } of right.filter((_, index) => index % step === 0).slice(0, GOLDEN))
    golden.push({ input: { b64: (await png(row)).toString('base64') }, output: { label } });
  const description: PackageDescription = {
    name: options.name,
    version: options.version,
    task: 'image-classification',
    labels,
    threshold,
    preprocessing: { ...options.preprocessing, mean: [mean, mean, mean], std: [deviation, deviation, deviation] },
    batching: { rows: 'independent' },
    trainedOn: { sha256: dataset.sha256, examples: train.labels.length },
    metrics: rounded(trained.test ?? validation),
    golden,
  };
  writePackage(options.out, description, {
    'model.onnx': model,
    ...(await report(options, trained, { pixels: shown.pixels, side, channels })),
  });
  return trained;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}

function rounded(given: Figures): Record<string, number> {
  return Object.fromEntries(
    Object.entries(given)
      .filter(([, value]) => Number.isFinite(value))
      .map(([name, value]) => [name, Math.round(value * 1e4) / 1e4]),
  );
}
