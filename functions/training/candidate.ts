import { type Vocabulary, words } from '../../inference-container/tasks/ngrams.ts';
import { type Confidence, fitConfidence, fitStandards, judge, labelsOf, type Standard, sum } from './calibration.ts';
import { memberLogits, openClassifier, writeDraft } from './classifier.ts';
import type { Progress } from './cnn.ts';
import { clean, type Dataset, type Example, folds, NONE, readDataset } from './dataset.ts';
import { type Encoder, encoderFiles } from './encoder.ts';
import { trainEnsemble } from './ensemble.ts';
import type { Parts } from './graph.ts';
import { headLogits } from './head.ts';
import { areFew, copies, denials, type Manner, names } from './messages.ts';
import { type Figures, figures, type Prediction, thresholdFor } from './metrics.ts';
import { exportEnsemble, exportMembers } from './onnx.ts';
import type { PackageDescription } from './package.ts';
import { Random } from './random.ts';
import type { Recipe } from './recipe.ts';
import { buildVocabulary } from './vocabulary.ts';

/** Share of the examples that choose weights and threshold, where there are many and the file has no split of its own. */
const VALIDATION = 0.1;
/** Up to so many examples, each of them is held out once, in so many folds: a tenth of few says little, and is missed. */
const FOLDED = 3_000;
const FOLDS = 5;
/** Fewer utterances are a small set. */
const SMALL = 5_000;

export type Judged = Prediction & Example;

export interface Scoped {
  inside: Example[];
  outside: Example[];
}

export function scoped(examples: Example[]): Scoped {
  return {
    inside: examples.filter(({ intent }) => intent !== NONE),
    outside: examples.filter(({ intent }) => intent === NONE),
  };
}

/** What is trained on, and what is held out of that to be judged. */
interface Fold {
  train: Example[];
  held: Example[];
}

/** A file's examples, ready to be trained on; `test` has not been read. */
export interface Prepared {
  sha256: string;
  labels: string[];
  dropped: string[];
  /** What the model is trained on in the end. */
  train: Example[];
  /** What chooses weights and threshold: one with the file's own validation, else as many as it is split into. */
  folds: Fold[];
  /** Whether all of it is trained on once more, when what was held out has chosen. */
  refit: boolean;
  /** Sentences of other domains. */
  background: string[];
  /** How people write in the languages of it. */
  manners: readonly Manner[];
  deniable: ReadonlySet<string>;
  test(): Example[];
}

/** A model that was trained, opened as it will be served, with its figures on validation. Has to be closed. */
export interface Candidate extends Omit<Chosen, 'standards' | 'confidence' | 'members'> {
  /** Of few utterances: how much is right with fewer of them. */
  curve: CurvePoint[];
  description: PackageDescription;
  files: Record<string, Uint8Array | string>;
  judge(examples: Example[]): Promise<Judged[]>;
  close(): Promise<void>;
}

/** A point of a learning curve: accuracy on what was held out, with so many utterances an intent to train. */
export interface CurvePoint {
  utterances: number;
  accuracy: number;
}

/** What the examples that were held out have chosen. */
interface Chosen {
  standards: Standard[];
  confidence: Confidence;
  threshold: number;
  validation: Figures;
  judgedValidation: { inside: Judged[]; outside: Judged[] };
  /** Of the last fold. */
  members: Members;
}

/** A recipe's members, trained on some examples. */
interface Members {
  parts: Parts;
  vocabulary: Vocabulary;
}

/** How a training goes, beside its data. */
export interface Training {
  recipe: Recipe;
  seed: number;
  threads: number;
  /** Frozen encoders, each a member with a head of its own. */
  encoders?: readonly Encoder[] | undefined;
  /** In-scope accuracy that the threshold may give up on what was held out. */
  giveUp?: number | undefined;
  progress: Progress;
}

/** Reads and cleans a file, or what was read already. Throws DatasetError. */
export async function prepare({
  data,
  background,
  manners = [],
  seed,
}: {
  data: string | Dataset;
  background?: string | undefined;
  manners?: readonly Manner[] | undefined;
  seed: number;
}): Promise<Prepared> {
  const dataset = typeof data === 'string' ? await readDataset(data, background) : data;
  const { splits, dropped } = clean(dataset.splits);
  // Out-of-scope rows alone can't choose a threshold.
  const validated = splits.validation.some(({ intent }) => intent !== NONE);
  const folds = validated
    ? [{ train: splits.train, held: splits.validation }]
    : foldsOf(splits.train, seed).map(({ train, held }) => ({ train, held: [...held, ...splits.validation] }));
  const labels = [...new Set(scoped(splits.train).inside.map(({ intent }) => intent))].sort();
  return {
    sha256: dataset.sha256,
    labels,
    dropped,
    train: splits.train,
    folds,
    refit: !validated,
    background: splits.background,
    manners,
    deniable: new Set(dataset.deniable),
    test: dataset.test,
  };
}

/** Few examples are all held out once, a fold after the other; of many, a share of each intent. */
function foldsOf(examples: Example[], seed: number): Fold[] {
  if (examples.length <= FOLDED) return folds(examples, FOLDS, seed);
  return folds(examples, Math.round(1 / VALIDATION), seed).slice(0, 1);
}

/**
 * Trains a recipe: what is held out of each fold chooses weights, confidence and threshold; then the members are trained on all there
 * is. The same data and seed give the same model.
 */
export async function trainCandidate(prepared: Prepared, training: Training): Promise<Candidate> {
  const { encoders = [], progress } = training;
  const rounds = prepared.folds.length + (prepared.refit ? 1 : 0);
  const round =
    (index: number): Progress =>
    (share, loss) =>
      progress((index + share) / rounds, loss);
  const { members: last, ...chosen } = await choose(prepared, {
    ...training,
    progress: (share, loss) => progress((share * prepared.folds.length) / rounds, loss),
  });
  const { standards, confidence, ...rest } = chosen;
  const { parts, vocabulary } = prepared.refit
    ? await trainMembers(prepared, prepared.train, { ...training, progress: round(rounds - 1) })
    : last;
  const curve =
    prepared.folds.length > 1 && areFew(prepared.train)
      ? await learningCurve(prepared, { ...training, progress: () => undefined }, chosen)
      : [];
  const served = await exportEnsemble(parts, { standards, confidence }, encoders);
  const tokenizers = await Promise.all(served.encoders.map(encoderFiles));
  const files: Record<string, Uint8Array | string> = {
    'model.onnx': served.model,
    'vocabulary.json': JSON.stringify(vocabulary),
    ...Object.assign({}, ...tokenizers.map((one) => one.files)),
  };
  const description: PackageDescription = {
    name: 'draft',
    version: '0',
    task: 'text-classification',
    labels: prepared.labels,
    preprocessing: {
      kind: 'ngrams',
      vocabulary: 'vocabulary.json',
      ...(tokenizers.length > 0 ? { encoders: tokenizers.map((one) => one.description) } : {}),
    },
    batching: { rows: served.rows },
    trainedOn: {
      sha256: prepared.sha256,
      examples: new Set([...prepared.train, ...prepared.folds.flatMap(({ held }) => held)]).size,
    },
  };
  const draft = writeDraft(files);
  try {
    const classifier = await openClassifier(draft.folder, description);
    return {
      ...rest,
      curve,
      description,
      files,
      judge: async (examples) => predictions(await classifier.classify(examples.map(({ text }) => text)), examples),
      async close() {
        await classifier.close();
        draft.remove();
      },
    };
  } catch (error) {
    draft.remove();
    throw error;
  }
}

/** What a recipe would be chosen for: its members trained on each fold, and what was held out of it judged by them. */
export async function choose(prepared: Prepared, training: Training): Promise<Chosen> {
  const { labels, folds } = prepared;
  const { encoders = [], giveUp = 0.01, progress } = training;
  const held: Scoped = { inside: [], outside: [] };
  const logits: { inside: Float32Array[]; outside: Float32Array[] }[] = [];
  let last: Members | undefined;
  for (const [index, fold] of folds.entries()) {
    last = await trainMembers(prepared, fold.train, {
      ...training,
      progress: (share, loss) => progress((index + share) / folds.length, loss),
    });
    const { inside, outside } = scoped(fold.held);
    held.inside.push(...inside);
    held.outside.push(...outside);
    logits.push({
      inside: await logitsOf(last, inside, encoders),
      outside: await logitsOf(last, outside, encoders),
    });
  }
  const together = (of: 'inside' | 'outside') =>
    logits[0]![of].map((_, member) => joined(logits.map((one) => one[of][member]!)));
  const insideLogits = together('inside');
  const truth = indices(held.inside, labels);
  const standards = fitStandards(insideLogits, truth, labels.length);
  const summed = sum(insideLogits, standards);
  const confidence = fitConfidence(summed, truth, labels.length);
  const judged = (examples: Example[], totals: Float32Array): Judged[] =>
    judge(totals, labels.length, confidence).map(({ label, score }, row) => ({
      ...examples[row]!,
      label: labels[label]!,
      score,
    }));
  const judgedValidation = {
    inside: judged(held.inside, summed),
    outside: judged(held.outside, sum(together('outside'), standards)),
  };
  const threshold = Math.floor(thresholdFor(judgedValidation.inside, giveUp) * 1e4) / 1e4;
  return {
    standards,
    confidence,
    threshold,
    validation: figures(judgedValidation.inside, judgedValidation.outside, threshold),
    judgedValidation,
    members: last!,
  };
}

/** How much is right of what is held out of the first folds, with a part of their utterances and with all. */
async function learningCurve(
  prepared: Prepared,
  training: Training,
  { standards, judgedValidation }: Pick<Chosen, 'standards' | 'judgedValidation'>,
): Promise<CurvePoint[]> {
  const { labels, folds: all } = prepared;
  const some = all.slice(0, CURVE_FOLDS);
  const held = some.map((fold) => scoped(fold.held).inside);
  const count = held.flat().length;
  const points: CurvePoint[] = [];
  for (const part of CURVE_PARTS) {
    let right = 0;
    let trained = 0;
    for (const [index, fold] of some.entries()) {
      const fewer = thinned(fold.train, part);
      trained += scoped(fewer).inside.length;
      const members = await trainMembers(prepared, fewer, training);
      const totals = sum(await logitsOf(members, held[index]!, training.encoders ?? []), standards);
      const best = labelsOf(totals, labels.length);
      right += held[index]!.filter(({ intent }, row) => labels[best[row]!] === intent).length;
    }
    points.push({ utterances: trained / some.length / labels.length, accuracy: right / count });
  }
  const own = judgedValidation.inside.slice(0, count);
  points.push({
    utterances: scoped(some[0]!.train).inside.length / labels.length,
    accuracy: own.filter(({ label, intent }) => label === intent).length / count,
  });
  return points;
}

const CURVE_FOLDS = 2;
const CURVE_PARTS = [0.25, 0.5];

/** A part of the examples of each intent, and at least one. */
export function thinned(examples: Example[], part: number): Example[] {
  return [...Map.groupBy(examples, ({ intent }) => intent).values()].flatMap((own) =>
    own.slice(0, Math.max(1, Math.round(part * own.length))),
  );
}

/** Trains every member on some of the examples, and on copies of these. */
async function trainMembers(
  { labels, background: sentences, manners, deniable }: Prepared,
  examples: Example[],
  { recipe, seed, threads, encoders = [], progress }: Training,
): Promise<Members> {
  const said = [...examples, ...names(examples), ...denials(examples, manners, deniable, seed)];
  const written = [...said, ...copies(said, manners, seed)];
  const { inside, outside } = scoped(written);
  const train = inside.map(({ text }) => words(text));
  const vocabulary = buildVocabulary(train, train.length < SMALL ? recipe.features.small : recipe.features.large);
  const background = new Random(seed).shuffle([...sentences]);
  const given = outside.map(({ text }) => text);
  const strange = [
    ...Array.from({ length: recipe.outsideTimes }, () => given).flat(),
    ...background.slice(0, recipe.background),
  ];
  const encoded: Float32Array[] = [];
  // An encoder's share of the time is unknown before it has run; it is most of it.
  const shares = encoders.length > 0 ? 0.5 : 0;
  for (const [index, encoder] of encoders.entries())
    encoded.push(
      await encoder.vectors([...inside.map(({ text }) => text), ...strange], (share) =>
        progress((shares * (index + share)) / encoders.length),
      ),
    );
  const parts = await trainEnsemble(
    recipe,
    {
      vocabulary,
      classes: labels.length,
      train,
      labels: indices(inside, labels),
      outside: strange.map(words),
      unlabelled: [...background, ...given].map(words),
      encoded,
    },
    seed,
    threads,
    (share, loss) => progress(shares + (1 - shares) * share, loss),
  );
  return { parts, vocabulary };
}

/** Of each member, [examples, classes]. */
async function logitsOf(
  { parts, vocabulary }: Members,
  examples: Example[],
  encoders: readonly Encoder[],
): Promise<Float32Array[]> {
  const texts = examples.map(({ text }) => text);
  const own = await memberLogits(exportMembers(parts), vocabulary, texts.map(words), parts.cnns.length + 1);
  const heads: Float32Array[] = [];
  for (const [index, encoder] of encoders.entries())
    heads.push(headLogits(await encoder.vectors(texts), parts.heads[index]!));
  return [...own, ...heads];
}

function joined(parts: Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function predictions(classified: { top: { label: string; score: number }[] }[], examples: Example[]): Judged[] {
  return classified.map(({ top }, index) => ({ ...examples[index]!, label: top[0]!.label, score: top[0]!.score }));
}

function indices(examples: Example[], labels: string[]): Int32Array {
  const places = new Map(labels.map((label, index) => [label, index]));
  return Int32Array.from(examples, ({ intent }) => places.get(intent) ?? -1);
}
