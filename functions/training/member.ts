import { parentPort, workerData } from 'node:worker_threads';
import { NgramEncoder, Subwords, type Vocabulary } from '../../inference-container/tasks/ngrams.ts';
import { type Cnn, type CnnOptions, CnnTrainer, type Progress } from './cnn.ts';
import { type Head, type HeadOptions, trainHead } from './head.ts';
import { sentenceVector } from './sentences.ts';
import { type SparseRows, type Svm, type SvmOptions, trainSvm } from './svm.ts';
import { trainVectors, type VectorOptions } from './vectors.ts';

/** A member of the ensemble, trained in a thread of its own. Utterances are lists of words. */
export interface MemberData {
  vocabulary: Vocabulary;
  classes: number;
  train: string[][];
  labels: Int32Array;
  /** Out of scope: belongs to no class. */
  outside: string[][];
  /** Self-supervised n-gram vectors; empty for the member that makes them. */
  vectors: Float32Array;
}

export type MemberJob = { seed: number; data: MemberData } & (
  | { kind: 'vectors'; options: VectorOptions; unlabelled: string[][] }
  | { kind: 'cnn'; options: CnnOptions }
  | { kind: 'svm'; options: SvmOptions; dimensions: number }
  | { kind: 'head'; options: HeadOptions; encoded: Float32Array }
);

export type MemberResult =
  | { kind: 'vectors'; vectors: Float32Array<ArrayBuffer> }
  | { kind: 'cnn'; model: Cnn }
  | { kind: 'svm'; model: Svm; dense: Float32Array<ArrayBuffer> }
  | { kind: 'head'; head: Head };

export type MemberMessage = { progress: number; loss?: number | undefined } | { result: MemberResult };

function train(job: MemberJob, progress: Progress): MemberResult {
  const { data, seed } = job;
  if (job.kind === 'vectors') {
    const subwords = new Subwords(data.vocabulary.subwords);
    return { kind: 'vectors', vectors: trainVectors(subwords, [...data.train, ...job.unlabelled], job.options, seed) };
  }
  if (job.kind === 'head') {
    const targets = targetsOf(data, 0);
    return { kind: 'head', head: trainHead(job.encoded, targets, data.classes, job.options, seed, progress) };
  }
  return job.kind === 'cnn'
    ? trainCnnMember(data, job.options, seed, progress)
    : trainSvmMember(data, job.options, job.dimensions, seed);
}

function trainCnnMember(data: MemberData, options: CnnOptions, seed: number, progress: Progress): MemberResult {
  const { classes, train: utterances, outside } = data;
  const subwords = new Subwords(data.vocabulary.subwords);
  const sentences = [...utterances, ...outside].map((words) => subwords.sentence(words));
  const targets = targetsOf(data, options.smoothing);
  const longest = sentences.reduce((most, sentence) => Math.max(most, sentence.length), 0);
  const trainer = new CnnTrainer(subwords.size, classes, longest, data.vectors, options, seed);
  trainer.train(sentences, targets, progress);
  return { kind: 'cnn', model: trainer.model };
}

/** [utterances and what is outside, classes]: what is outside is of all classes alike. */
function targetsOf({ classes, train: utterances, labels, outside }: MemberData, smoothing: number): Float32Array {
  const rows = utterances.length + outside.length;
  const targets = new Float32Array(rows * classes).fill(1 / classes);
  for (let row = 0; row < utterances.length; row += 1)
    for (let label = 0; label < classes; label += 1)
      targets[row * classes + label] = smoothing / classes + (label === labels[row] ? 1 - smoothing : 0);
  return targets;
}

/** The SVM sees sparse features and, behind them, the dense view of the vectors as they will be served. */
function trainSvmMember(data: MemberData, options: SvmOptions, dimensions: number, seed: number): MemberResult {
  const { classes, train: utterances, outside } = data;
  const encoder = new NgramEncoder(data.vocabulary);
  const rows = (list: string[][]): SparseRows => {
    const start = new Int32Array(list.length + 1);
    const ids: number[] = [];
    const weights: number[] = [];
    for (const [index, words] of list.entries()) {
      const encoded = encoder.encodeWords(words);
      ids.push(...encoded.ids);
      weights.push(...encoded.weights);
      for (const [place, value] of sentenceVector(encoded, data.vectors, dimensions).entries()) {
        ids.push(encoder.size + place);
        weights.push(value);
      }
      start[index + 1] = ids.length;
    }
    return { start, ids: Int32Array.from(ids), weights: Float32Array.from(weights) };
  };
  const labels = Int32Array.from([...data.labels, ...outside.map(() => -1)]);
  const model = trainSvm(
    rows([...utterances, ...outside]),
    labels,
    classes,
    encoder.size + 2 * dimensions,
    options,
    seed,
  );
  return {
    kind: 'svm',
    model: { ...model, table: model.table.slice(0, encoder.size * model.stride) },
    dense: model.table.slice(encoder.size * model.stride),
  };
}

if (parentPort) {
  const result = train(workerData as MemberJob, (progress, loss) =>
    parentPort!.postMessage({ progress, loss } satisfies MemberMessage),
  );
  parentPort.postMessage({ result } satisfies MemberMessage);
}
