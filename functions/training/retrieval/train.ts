import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { openClassifier, writeDraft } from '../classifier.ts';
import { DatasetError, type Example, NONE } from '../dataset.ts';
import { Encoder, encoderFiles, type Pooling } from '../encoder.ts';
import { checkTarget, writePackage } from '../package.ts';
import { Random } from '../random.ts';
import { confidenceOf, type Found, fitConfidence } from './confidence.ts';
import { exportRetriever } from './graph.ts';
import { type HeldOut, retrievalFigures, type TrainedRetriever } from './metrics.ts';
import { report } from './report.ts';
import { type Retriever, type Scores, scoresOf, type Texts, trainRetriever } from './retriever.ts';

/** Something that is asked, and what is answered, in any languages. */
export interface Entry {
  name: string;
  questions: string[];
  answers: string[];
}

export interface RetrievalOptions {
  entries: readonly Entry[];
  /** What belongs to no entry: utterances of the intents, and what nobody answers. */
  others: readonly string[];
  out: string;
  name: string;
  version: string;
  seed: number;
  /** Share of what belongs to no entry that is to be refused: it makes the threshold. */
  refuse: number;
  /** The content that it was taken from, where that has a version. */
  content?: string | undefined;
  encoders?: readonly string[] | undefined;
  pooling?: Pooling | undefined;
  progress(share: number): void;
}

/** A way of asking in so many is held out in turn. */
const FOLDS = 5;
/** What BM25 adds to the SVM's margins: the share of it that told most on the questions held out (docs/understanding.md). */
const BM25 = 0.1;
/** The share of messages that a FAQ is for: most are for the intents. */
const ASKED = 0.5;
const GOLDEN = 20;
const ENTRIES_LIMIT = 2_000;
const LEAST_OTHERS = FOLDS;
const QUESTIONS_LIMIT = 50_000;

interface Question extends Example {
  entry: number;
  fold: number;
}

/**
 * Trains a model that finds the entry of a question, and writes its package (task `retrieval`). Throws a {@link DatasetError}. The
 * same entries and seed give the same bytes.
 */
export async function trainRetrieval(options: RetrievalOptions): Promise<TrainedRetriever> {
  const started = performance.now();
  const { entries, seed, refuse, progress } = options;
  await checkTarget(options.out, options.name, options.version);
  const { questions, answers, strange } = read(options);
  const encoders: Encoder[] = [];
  let draft: ReturnType<typeof writeDraft> | undefined;
  try {
    for (const folder of options.encoders ?? [])
      encoders.push(await Encoder.open(folder, options.pooling, availableParallelism()));
    const train = (fold: number | null): Promise<Retriever> =>
      trainRetriever(without(fold, questions, answers, strange), entries.length, encoders, seed);
    const held: { example: Question; scores: Scores }[] = [];
    for (let fold = 0; fold < FOLDS; fold += 1) {
      const asked = [...questions, ...strange].filter((one) => one.fold === fold);
      const scores = await scoresOf(
        await train(fold),
        asked.map(({ text }) => text),
        encoders,
      );
      for (const [index, example] of asked.entries()) held.push({ example, scores: scores[index]! });
      progress((fold + 1) / (FOLDS + 1));
    }
    const found = held.map(({ example, scores }) => best(example, scores));
    const share = held.filter(({ example }) => example.entry >= 0).length / held.length;
    const confidence = fitConfidence(
      // Weighed as messages come, and not as texts were written: whichever of an intent and an entry is likelier right answers.
      found.map((one) => ({ ...one, weight: one.rank > 0 ? ASKED / share : (1 - ASKED) / (1 - share) })),
    );
    const judged: HeldOut[] = found.map(({ place, rank, example, ...one }) => ({
      text: example.text,
      intent: example.intent,
      label: entries[place]!.name,
      score: confidenceOf(confidence, one),
      rank,
    }));
    const threshold = thresholdFor(judged, refuse);
    const whole = await train(null);
    const table = whole.table.map((value, index) => value + BM25 * whole.bm25[index]!);
    const { model, rows } = await exportRetriever({ ...whole, table }, confidence, encoders);
    const tokenizers = await Promise.all(encoders.map(encoderFiles));
    const files = {
      'model.onnx': model,
      'vocabulary.json': JSON.stringify(whole.vocabulary),
      ...Object.assign({}, ...tokenizers.map((one) => one.files)),
    };
    const validation = retrievalFigures(judged, threshold);
    const description = {
      name: options.name,
      version: options.version,
      task: 'retrieval' as const,
      labels: entries.map(({ name }) => name),
      preprocessing: {
        kind: 'ngrams' as const,
        vocabulary: 'vocabulary.json',
        encoders: tokenizers.map((one) => one.description),
      },
      threshold,
      batching: { rows },
      metrics: validation as unknown as Record<string, number>,
      trainedOn: {
        sha256: checksumOf(entries, strange),
        examples: questions.length,
        ...(options.content !== undefined && { content: options.content }),
      },
    };
    draft = writeDraft(files);
    const served = await openClassifier(draft.folder, description);
    const some = new Random(seed).shuffle([...questions]).slice(0, 2 * GOLDEN);
    const said = await served.classify(some.map(({ text }) => text));
    await served.close();
    const golden = some
      .map(({ text, intent }, index) => ({
        input: text,
        output: { label: said[index]!.label },
        right: said[index]!.label === intent,
      }))
      .filter(({ right }) => right)
      .slice(0, GOLDEN)
      .map(({ input, output }) => ({ input, output }));
    const result: TrainedRetriever = {
      entries: entries.length,
      validation,
      threshold,
      seconds: (performance.now() - started) / 1_000,
    };
    writePackage(
      options.out,
      { ...description, golden },
      { ...files, 'report.md': report(options.name, options.version, result, judged) },
    );
    progress(1);
    return result;
  } finally {
    draft?.remove();
    for (const encoder of encoders) await encoder.close();
  }
}

/** The least score that this share of the texts of no entry does not reach. */
function thresholdFor(judged: readonly HeldOut[], refuse: number): number {
  const scores = judged.filter(({ rank }) => rank === 0).map(({ score }) => score);
  scores.sort((a, b) => a - b);
  // Where so few must pass that of these texts none may, whatever is surer than all of them.
  const least = scores[Math.ceil(refuse * scores.length)] ?? Math.min(0.9999, scores.at(-1)! + 1e-4);
  return Math.round(least * 1e4) / 1e4;
}

function read({ entries, others, seed }: RetrievalOptions) {
  if (entries.length < 2) throw new DatasetError('a FAQ needs at least 2 entries to be learned');
  if (entries.length > ENTRIES_LIMIT)
    throw new DatasetError(`a FAQ may have ${ENTRIES_LIMIT} entries, and here are ${entries.length}`);
  const questions: Question[] = entries.flatMap(({ name, questions: ways }, entry) =>
    // An entry with one question is not held out: nothing would be left of it.
    ways.map((text, index) => ({ text, intent: name, entry, fold: ways.length > 1 ? index % FOLDS : -1 })),
  );
  const several = entries.filter(({ questions: ways }) => ways.length > 1).length;
  if (several < 2)
    throw new DatasetError(
      'a FAQ is judged by questions that are held out: give at least two entries another way to ask (other_ways)',
    );
  if (others.length < LEAST_OTHERS)
    throw new DatasetError(
      `a FAQ is told apart from what belongs to none: at least ${LEAST_OTHERS} utterances of intents, and here are ${others.length}`,
    );
  if (questions.length > QUESTIONS_LIMIT)
    throw new DatasetError(`a FAQ may have ${QUESTIONS_LIMIT} questions, and here are ${questions.length}`);
  const answers: Question[] = entries.flatMap(({ name, answers: texts }, entry) =>
    texts.flatMap(sentences).map((text) => ({ text, intent: name, entry, fold: -1 })),
  );
  const strange: Question[] = new Random(seed)
    .shuffle([...new Set(others)])
    .map((text, index) => ({ text, intent: NONE, entry: -1, fold: index % FOLDS }));
  return { questions, answers, strange };
}

/** What is trained on beside a fold that is held out. */
function without(fold: number | null, questions: Question[], answers: Question[], strange: Question[]): Texts {
  const kept = (all: Question[]) => all.filter((one) => one.fold !== fold);
  return { own: [...kept(questions), ...answers], strange: kept(strange).map(({ text }) => text) };
}

function added({ svm, bm25 }: Scores): Float32Array {
  return svm.map((value, entry) => value + BM25 * bm25[entry]!);
}

function best(example: Question, scores: Scores): Found & { place: number; rank: number; example: Question } {
  const margins = added(scores);
  let place = 0;
  for (const [entry, margin] of margins.entries()) if (margin > margins[place]!) place = entry;
  let second = Number.NEGATIVE_INFINITY;
  for (const [entry, margin] of margins.entries()) if (entry !== place) second = Math.max(second, margin);
  const margin = margins[place]!;
  const own = example.entry < 0 ? Number.NaN : margins[example.entry]!;
  const rank = example.entry < 0 ? 0 : 1 + margins.filter((other) => other > own).length;
  return {
    margin,
    ahead: margin - second,
    syllabic: scores.syllabic,
    right: place === example.entry,
    weight: 1,
    place,
    rank,
    example,
  };
}

const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' });

function sentences(text: string): string[] {
  return [...segmenter.segment(text)].map(({ segment }) => segment.trim()).filter(Boolean);
}

function checksumOf(entries: readonly Entry[], strange: readonly Question[]): string {
  const texts = strange.map(({ text }) => text);
  return createHash('sha256')
    .update(JSON.stringify([entries, texts]))
    .digest('hex');
}
