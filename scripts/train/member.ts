import { parentPort, workerData } from 'node:worker_threads';
import { NgramEncoder, Subwords, type Vocabulary } from '../../inference-container/tasks/ngrams.ts';
import { type Cnn, type CnnOptions, CnnTrainer } from './cnn.ts';
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
  validation: string[][];
  invented: string[][];
  /** Self-supervised n-gram vectors; empty for the member that makes them. */
  vectors: Float32Array;
  /** Probabilities of the teachers for train and invented, one after the other; empty for teachers. */
  taught: Float32Array;
}

export type MemberJob = { seed: number; data: MemberData } & (
  | { kind: 'vectors'; options: VectorOptions; unlabelled: string[][] }
  | { kind: 'cnn'; options: CnnOptions & { trust?: number } }
  | { kind: 'svm'; options: SvmOptions; dimensions: number }
);

/** Logits[utterances, classes] of train and invented, and of validation. */
interface Answers {
  taught: Float32Array;
  validation: Float32Array;
}

export type MemberResult =
  | { kind: 'vectors'; vectors: Float32Array<ArrayBuffer> }
  | ({ kind: 'cnn'; model: Cnn } & Answers)
  | ({ kind: 'svm'; model: Svm; dense: Float32Array<ArrayBuffer> } & Answers);

export type MemberMessage = { progress: number } | { result: MemberResult };

function train(job: MemberJob, progress: (share: number) => void): MemberResult {
  const { data, seed } = job;
  if (job.kind === 'vectors') {
    const subwords = new Subwords(data.vocabulary.subwords);
    return { kind: 'vectors', vectors: trainVectors(subwords, [...data.train, ...job.unlabelled], job.options, seed) };
  }
  return job.kind === 'cnn'
    ? trainCnnMember(data, job.options, seed, progress)
    : trainSvmMember(data, job.options, job.dimensions, seed);
}

function trainCnnMember(
  data: MemberData,
  options: CnnOptions & { trust?: number },
  seed: number,
  progress: (share: number) => void,
): MemberResult {
  const { classes, train: utterances, labels, outside, invented, taught } = data;
  const subwords = new Subwords(data.vocabulary.subwords);
  const encode = (list: string[][]) => list.map((words) => subwords.sentence(words));
  const student = taught.length > 0;
  const rows = encode(student ? [...utterances, ...outside, ...invented] : [...utterances, ...outside]);
  const targets = new Float32Array(rows.length * classes);
  const trust = student ? (options.trust ?? 0.7) : 0;
  for (let row = 0; row < utterances.length + outside.length; row += 1)
    for (let label = 0; label < classes; label += 1) {
      const inside = row < utterances.length;
      const hard = inside
        ? (label === labels[row] ? 1 - options.smoothing : 0) + options.smoothing / classes
        : 1 / classes;
      const soft = inside && student ? taught[row * classes + label]! : hard;
      targets[row * classes + label] = trust * soft + (1 - trust) * hard;
    }
  if (student)
    targets.set(taught.subarray(utterances.length * classes), (utterances.length + outside.length) * classes);
  const longest = Math.max(...rows.map((sentence) => sentence.length));
  const evaluated = [...utterances, ...invented, ...data.validation];
  const longestOfAll = Math.max(longest, ...evaluated.map((words) => words.length + 2));
  const trainer = new CnnTrainer(subwords.size, classes, longestOfAll, data.vectors, options, seed);
  trainer.train(rows, targets, progress);
  return {
    kind: 'cnn',
    model: trainer.model,
    taught: student ? new Float32Array() : trainer.score(encode([...utterances, ...invented])),
    validation: student ? new Float32Array() : trainer.score(encode(data.validation)),
  };
}

/** The SVM sees sparse features and, behind them, the dense view of the vectors as they will be served. */
function trainSvmMember(data: MemberData, options: SvmOptions, dimensions: number, seed: number): MemberResult {
  const { classes, train: utterances, outside, invented, validation } = data;
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
    taught: scores(model, rows([...utterances, ...invented])),
    validation: scores(model, rows(validation)),
  };
}

function scores({ table, bias, classes, stride }: Svm, { start, ids, weights }: SparseRows): Float32Array {
  const logits = new Float32Array((start.length - 1) * classes);
  for (let row = 0; row + 1 < start.length; row += 1) {
    logits.set(bias, row * classes);
    for (let k = start[row]!; k < start[row + 1]!; k += 1) {
      const from = ids[k]! * stride;
      for (let label = 0; label < classes; label += 1)
        logits[row * classes + label]! += weights[k]! * table[from + label]!;
    }
  }
  return logits;
}

if (parentPort) {
  const result = train(workerData as MemberJob, (progress) =>
    parentPort!.postMessage({ progress } satisfies MemberMessage),
  );
  parentPort.postMessage({ result } satisfies MemberMessage);
}
