import { words } from '../../inference-container/tasks/ngrams.ts';
import { fitConfidence, fitStandards, sum } from './calibration.ts';
import { memberLogits, openClassifier, writeDraft } from './classifier.ts';
import { clean, type Example, NONE, readDataset, split } from './dataset.ts';
import { trainEnsemble } from './ensemble.ts';
import { copies, denials, type Manner } from './messages.ts';
import { type Figures, figures, type Prediction, thresholdFor } from './metrics.ts';
import { exportEnsemble } from './onnx.ts';
import type { PackageDescription } from './package.ts';
import { Random } from './random.ts';
import type { Recipe } from './recipe.ts';
import { buildVocabulary } from './vocabulary.ts';

/** Share of the examples that choose temperature and threshold, where the file has no split of its own. */
const VALIDATION = 0.1;
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

/** A file's examples, ready to be trained on; `test` has not been read. */
export interface Prepared {
  sha256: string;
  labels: string[];
  dropped: string[];
  train: Example[];
  validation: Scoped;
  /** Sentences of other domains. */
  background: string[];
  /** How people write in the languages of it. */
  manners: readonly Manner[];
  deniable: ReadonlySet<string>;
  test(): Example[];
}

/** A model that was trained, opened as it will be served, with its figures on validation. Has to be closed. */
export interface Candidate {
  description: PackageDescription;
  files: Record<string, Uint8Array | string>;
  threshold: number;
  validation: Figures;
  judgedValidation: { inside: Judged[]; outside: Judged[] };
  judge(examples: Example[]): Promise<Judged[]>;
  close(): Promise<void>;
}

/** Reads and cleans a file. Throws DatasetError. */
export async function prepare({
  data: file,
  background,
  manners = [],
  seed,
}: {
  data: string;
  background?: string | undefined;
  manners?: readonly Manner[] | undefined;
  seed: number;
}): Promise<Prepared> {
  const dataset = await readDataset(file, background);
  const { splits, dropped } = clean(dataset.splits);
  // Out-of-scope rows alone can't choose a threshold.
  const own = splits.validation.some(({ intent }) => intent !== NONE);
  const held = own ? splits : split(splits.train, VALIDATION, seed);
  const data = {
    ...splits,
    train: held.train,
    validation: own ? held.validation : [...held.validation, ...splits.validation],
  };
  const labels = [...new Set(scoped(data.train).inside.map(({ intent }) => intent))].sort();
  return {
    sha256: dataset.sha256,
    labels,
    dropped,
    train: data.train,
    validation: scoped(data.validation),
    background: data.background,
    manners,
    deniable: new Set(dataset.deniable),
    test: dataset.test,
  };
}

/** Trains a recipe, with so many threads, and chooses what validation chooses. The same data and seed give the same model. */
export async function trainCandidate(
  prepared: Prepared,
  recipe: Recipe,
  seed: number,
  threads: number,
  progress: (share: number) => void,
  giveUp = 0.01,
): Promise<Candidate> {
  const { labels, validation } = prepared;
  const said = [...prepared.train, ...denials(prepared.train, prepared.manners, prepared.deniable, seed)];
  const written = [...said, ...copies(said, prepared.manners, seed)];
  const { inside, outside } = scoped(written);
  const tokenised = inside.map(({ text }) => words(text));
  const vocabulary = buildVocabulary(tokenised, tokenised.length < SMALL ? recipe.least.small : recipe.least.large);
  const outsideGiven = outside.map(({ text }) => words(text));
  const background = new Random(seed).shuffle(prepared.background.map(words));
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
    threads,
    progress,
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
    name: 'draft',
    version: '0',
    task: 'text-classification',
    labels,
    preprocessing: { kind: 'ngrams', vocabulary: 'vocabulary.json' },
    batching: { rows: 'independent' },
    trainedOn: {
      sha256: prepared.sha256,
      examples: prepared.train.length + validation.inside.length + validation.outside.length,
    },
  };
  const draft = writeDraft(files);
  try {
    const classifier = await openClassifier(draft.folder, description);
    const judge = async (examples: Example[]) =>
      predictions(await classifier.classify(examples.map(({ text }) => text)), examples);
    const judged = { inside: await judge(validation.inside), outside: await judge(validation.outside) };
    const threshold = Math.floor(thresholdFor(judged.inside, giveUp) * 1e4) / 1e4;
    return {
      description,
      files,
      threshold,
      validation: figures(judged.inside, judged.outside, threshold),
      judgedValidation: judged,
      judge,
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

function predictions(classified: { top: { label: string; score: number }[] }[], examples: Example[]): Judged[] {
  return classified.map(({ top }, index) => ({ ...examples[index]!, label: top[0]!.label, score: top[0]!.score }));
}

function indices(examples: Example[], labels: string[]): Int32Array {
  const places = new Map(labels.map((label, index) => [label, index]));
  return Int32Array.from(examples, ({ intent }) => places.get(intent) ?? -1);
}
