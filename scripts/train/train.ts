import { NgramEncoder } from '../../inference-container/tasks/ngrams.ts';
import { type Bag, bagDefaults, probabilities, trainBag } from './bag.ts';
import { type Example, NONE, readExamples, split } from './dataset.ts';
import { exportBag } from './onnx.ts';
import { writePackage } from './package.ts';
import { buildVocabulary } from './vocabulary.ts';

export interface TrainOptions {
  data: string;
  /** The package's folder: `<model repository>/<name>/<version>`. */
  out: string;
  name: string;
  version: string;
  seed: number;
  progress(share: number): void;
}

/** Share of the examples that choose temperature and threshold and are not trained on. */
const VALIDATION = 0.1;
/** In-scope accuracy that the threshold may give up on validation. */
const GIVE_UP = 0.01;

export interface Trained {
  labels: string[];
  examples: number;
  metrics: { validationAccuracy: number; validationOutOfScopeRecall: number };
}

/** Trains an intent model on a file of utterances and writes its package. The same data and seed give the same bytes. */
export async function train(options: TrainOptions): Promise<Trained> {
  const { examples, sha256 } = await readExamples(options.data);
  const data = split(examples, VALIDATION, options.seed);
  const labels = [...new Set(examples.map((example) => example.intent))].filter((intent) => intent !== NONE).sort();
  const vocabulary = buildVocabulary(data.train.map((example) => example.text));
  const encoder = new NgramEncoder(vocabulary);
  const rows = data.train.map((example) => encoder.encode(example.text));
  const targets = Int32Array.from(data.train, (example) => labels.indexOf(example.intent));
  const bag = trainBag(rows, targets, encoder.size, labels.length, bagDefaults, options.seed, options.progress);

  const scored = (temperature: number) =>
    data.validation.map((example) => best(bag, encoder, example, labels, temperature));
  const temperature = calibrate(bag, encoder, data.validation, labels);
  const results = scored(temperature);
  const inside = results.filter((result) => result.intent !== NONE);
  const outside = results.filter((result) => result.intent === NONE);
  const right = inside.filter((result) => result.label === result.intent);
  const scores = right.map((result) => result.score).sort((a, b) => a - b);
  const threshold = scores[Math.floor(GIVE_UP * inside.length)] ?? 0;
  const metrics = {
    validationAccuracy: right.length / inside.length,
    validationOutOfScopeRecall:
      outside.filter((result) => result.score < threshold).length / Math.max(1, outside.length),
  };
  await writePackage(
    options.out,
    {
      name: options.name,
      version: options.version,
      task: 'text-classification',
      labels,
      preprocessing: { kind: 'ngrams', vocabulary: 'vocabulary.json' },
      threshold: Math.floor(threshold * 1e4) / 1e4,
      metrics,
      trainedOn: { sha256, examples: examples.length },
      golden: [],
    },
    { 'model.onnx': exportBag(bag, temperature), 'vocabulary.json': JSON.stringify(vocabulary) },
  );
  return { labels, examples: examples.length, metrics };
}

function best(bag: Bag, encoder: NgramEncoder, example: Example, labels: string[], temperature: number) {
  const scores = probabilities(bag, encoder.encode(example.text), temperature);
  const index = scores.indexOf(Math.max(...scores));
  return { intent: example.intent, label: labels[index]!, score: scores[index]! };
}

/** The temperature with the least negative log-likelihood on the in-scope examples (golden-section search on its logarithm). */
function calibrate(bag: Bag, encoder: NgramEncoder, examples: Example[], labels: string[]): number {
  const known = examples.filter((example) => example.intent !== NONE);
  const loss = (x: number) =>
    known.reduce((sum, { text, intent }) => {
      const scores = probabilities(bag, encoder.encode(text), Math.exp(x));
      return sum - Math.log(scores[labels.indexOf(intent)]! + 1e-12);
    }, 0);
  const ratio = (Math.sqrt(5) - 1) / 2;
  let low = Math.log(0.05);
  let high = Math.log(10);
  for (let round = 0; round < 20; round += 1) {
    const left = high - ratio * (high - low);
    const right = low + ratio * (high - low);
    if (loss(left) < loss(right)) high = right;
    else low = left;
  }
  return Math.exp((low + high) / 2);
}
