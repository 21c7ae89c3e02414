import { availableParallelism } from 'node:os';
import { encoderPrefix } from '../../inference-container/tasks/text.ts';
import { type Candidate, type CurvePoint, type Judged, prepare, scoped, trainCandidate } from './candidate.ts';
import type { Progress } from './cnn.ts';
import type { Dataset } from './dataset.ts';
import { Encoder, type Pooling } from './encoder.ts';
import { readEncoderGraphs } from './encoder-graph.ts';
import type { Manner } from './messages.ts';
import { type Figures, figures, type TradeOff, tradeOff } from './metrics.ts';
import { checkTarget, type PackageDescription, writePackage } from './package.ts';
import type { Recipe } from './recipe.ts';
import { report } from './report.ts';
import { type Found, type SearchOptions, search } from './search/run.ts';

export interface TrainOptions {
  data: string | Dataset;
  /** The content that it was taken from, where that has a version. */
  content?: string | undefined;
  /** Sentences of other domains, one a line. */
  background?: string | undefined;
  /** How people write in its languages: copies of the utterances are made so. */
  manners?: readonly Manner[] | undefined;
  /** The package's folder: `<model repository>/<name>/<version>`. */
  out: string;
  name: string;
  version: string;
  seed: number;
  recipe: Recipe;
  /** Folders of sentence encoders, each a member of its own; how their vectors are made where the folder doesn't say. */
  encoders?: readonly string[] | undefined;
  pooling?: Pooling | undefined;
  /** In-scope accuracy that the threshold may give up on validation. */
  giveUp: number;
  /** Settings are tried first, and the best on validation trained. */
  search?: Pick<SearchOptions, 'trials' | 'seconds' | 'file' | 'progress'> | undefined;
  progress: Progress;
}

export interface Trained {
  labels: number;
  /** What was left out, in words. */
  dropped: string[];
  /** `validation` of them were held out, in `folds` parts, each judged by a model that had not seen it. */
  counts: { train: number; validation: number; folds: number; test: number; outOfScope: number };
  threshold: number;
  validation: Figures;
  /** Of the test split, read only when everything was decided; null without one. */
  test: Figures | null;
  /** Of few utterances: how much is right with fewer of them. */
  curve: CurvePoint[];
  /** On validation: what other thresholds would give up and find. */
  tradeOff: TradeOff[];
  /** What a search has found; null: there was none. */
  found: Found | null;
  /** Of the test split, or of validation without one: what each utterance was taken for. */
  judged: { inside: Judged[]; outside: Judged[] };
  seconds: number;
}

const GOLDEN = 20;
/** Trains an intent model on a file of utterances and writes its package. The same data and seed give the same bytes. */
export async function train(options: TrainOptions): Promise<Trained> {
  const started = performance.now();
  const { seed } = options;
  await checkTarget(options.out, options.name, options.version);
  const prepared = await prepare(options);
  const threads = availableParallelism();
  const encoders: Encoder[] = [];
  let candidate: Candidate | undefined;
  try {
    for (const folder of options.encoders ?? []) encoders.push(await Encoder.open(folder, options.pooling, threads));
    // Before an hour of training, not behind it.
    await readEncoderGraphs(encoders.map((encoder, index) => ({ encoder, prefix: encoderPrefix(index) })));
    const found = options.search
      ? await search(prepared, { ...options.search, seed, recipe: options.recipe, encoders })
      : null;
    const { giveUp, progress } = options;
    const recipe = found?.recipe ?? options.recipe;
    candidate = await trainCandidate(prepared, { recipe, seed, threads, encoders, giveUp, progress });
    const { threshold, judge, judgedValidation } = candidate;
    const validated = judgedValidation.inside.length;
    // Everything is decided: only now the test split, which nothing before has read.
    const test = scoped(prepared.test());
    const onTest = { inside: await judge(test.inside), outside: await judge(test.outside) };
    const testFigures = test.inside.length > 0 ? figures(onTest.inside, onTest.outside, threshold) : null;
    // What was held out to choose by may be trained on by now: the model that is served says which of it are its own.
    const judged = test.inside.length > 0 ? onTest : judgedValidation;
    const asked = test.inside.length > 0 ? onTest.inside : await judge(judgedValidation.inside);
    const { inside, outside } = scoped(prepared.train);
    const result: Trained = {
      labels: prepared.labels.length,
      dropped: prepared.dropped,
      counts: {
        train: inside.length,
        validation: validated,
        folds: prepared.folds.length,
        test: test.inside.length,
        outOfScope:
          new Set([...outside, ...prepared.folds.flatMap(({ held }) => scoped(held).outside)]).size +
          test.outside.length,
      },
      threshold,
      validation: candidate.validation,
      test: testFigures,
      curve: candidate.curve,
      tradeOff: tradeOff(judgedValidation.inside, judgedValidation.outside),
      found,
      judged,
      seconds: (performance.now() - started) / 1_000,
    };
    writePackage(
      options.out,
      {
        ...described(candidate.description, options.content),
        name: options.name,
        version: options.version,
        threshold,
        metrics: rounded(testFigures ?? candidate.validation),
        golden: golden(asked, threshold),
      },
      { ...candidate.files, ...report(options, result) },
    );
    return result;
  } finally {
    await candidate?.close();
    for (const encoder of encoders) await encoder.close();
  }
}

/** With the content that it was trained on. */
function described({ trainedOn, ...description }: PackageDescription, content: string | undefined): PackageDescription {
  return { ...description, trainedOn: trainedOn && { ...trainedOn, ...(content !== undefined && { content }) } };
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

function rounded(given: Figures): Record<string, number> {
  return Object.fromEntries(
    Object.entries(given)
      .filter(([, value]) => Number.isFinite(value))
      .map(([name, value]) => [name, Math.round(value * 1e4) / 1e4]),
  );
}
