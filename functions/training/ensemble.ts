import { Worker } from 'node:worker_threads';
import type { Cnn, Progress } from './cnn.ts';
import type { Parts } from './graph.ts';
import type { MemberData, MemberJob, MemberMessage, MemberResult } from './member.ts';
import { floats, quantise } from './quantise.ts';
import type { Recipe } from './recipe.ts';

export type EnsembleData = Omit<MemberData, 'vectors'> & {
  /** Any text of the domain or of others, for the vectors. */
  unlabelled: string[][];
  /** Of each encoder: vectors [train and outside, dimensions] of length 1. */
  encoded: Float32Array[];
};

/**
 * Trains the members of a recipe in threads of their own. Deterministic: the same data and seed give the same parts, on any
 * number of cores.
 */
export async function trainEnsemble(
  recipe: Recipe,
  given: EnsembleData,
  seed: number,
  threads: number,
  progress: Progress,
): Promise<Parts> {
  const { unlabelled, encoded, ...rest } = given;
  const { classes } = rest;
  const step = stages(progress, [0.12, 0.88]);

  const bare: MemberData = { ...rest, vectors: new Float32Array() };
  const first: MemberJob = { kind: 'vectors', options: recipe.vectors, unlabelled, data: bare, seed: seed * 1_000 };
  const [made] = await runAll([first], threads, step(0));
  const { vectors } = made as Extract<MemberResult, { kind: 'vectors' }>;
  const { dimensions } = recipe.vectors;
  // Feature 0 is none: its row must add nothing, here and in every other table.
  vectors.fill(0, 0, dimensions);
  const quantisedVectors = quantise(vectors, vectors.length / dimensions, dimensions, dimensions, 'row');

  const data: MemberData = { ...rest, vectors };
  // Trained on as it is served: the SVM sees the int8 vectors.
  const svmData: MemberData = { ...rest, vectors: floats(quantisedVectors) };
  const trained = await runAll(
    [
      ...recipe.cnns.map(
        (options, index): MemberJob => ({ kind: 'cnn', options, data, seed: seed * 1_000 + 10 + index }),
      ),
      { kind: 'svm', options: recipe.svm, dimensions, data: svmData, seed: seed * 1_000 + 19 },
      ...encoded.map(
        (vectors, index): MemberJob => ({
          kind: 'head',
          options: recipe.head,
          encoded: vectors,
          // It reads no words.
          data: { ...bare, vocabulary: { ...bare.vocabulary, subwords: [], blocks: [] } },
          seed: seed * 1_000 + 20 + index,
        }),
      ),
    ],
    threads,
    step(1),
  );
  const { model, dense } = trained.find((member) => member.kind === 'svm')!;
  model.table.fill(0, 0, model.stride);
  return {
    classes,
    cnns: trained.filter((member) => member.kind === 'cnn').map(({ model: cnn }) => quantisedCnn(cnn)),
    svm: {
      svm: model,
      table: quantise(model.table, model.table.length / model.stride, classes, model.stride, 'row'),
      dense: quantise(dense, 2 * dimensions, classes, model.stride, 'row'),
      vectors: quantisedVectors,
    },
    heads: trained.filter((member) => member.kind === 'head').map(({ head }) => head),
  };
}

function quantisedCnn(cnn: Cnn): Parts['cnns'][number] {
  const { dimensions, filters, classes, stride } = cnn;
  const table = cnn.table.slice();
  table.fill(0, 0, dimensions);
  return {
    cnn,
    table: quantise(table, table.length / dimensions, dimensions, dimensions, 'row'),
    convolutions: cnn.convolutions.map(({ width, weights }) =>
      quantise(weights, width * dimensions, filters, filters, 'column'),
    ),
    output: quantise(cnn.output, cnn.output.length / stride, classes, stride, 'column'),
  };
}

/** Runs jobs in threads, in their order. Results stand in the order of the jobs. */
async function runAll(jobs: MemberJob[], threads: number, progress: Progress): Promise<MemberResult[]> {
  const results: MemberResult[] = new Array(jobs.length);
  const shares = new Float64Array(jobs.length);
  const queue = [...jobs.entries()];
  const work = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [index, job] = next;
      results[index] = await run(job, (share, loss) => {
        shares[index] = share;
        progress(shares.reduce((total, value) => total + value, 0) / jobs.length, loss);
      });
      shares[index] = 1;
    }
  };
  await Promise.all(Array.from({ length: Math.min(threads, jobs.length) }, work));
  return results;
}

/** Beside this module: its source, or what a build made of it. */
const MEMBER = new URL(import.meta.url.endsWith('.ts') ? './member.ts' : './member.js', import.meta.url);

function run(job: MemberJob, progress: Progress): Promise<MemberResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(MEMBER, { workerData: job });
    worker.on('message', (message: MemberMessage) => {
      if ('progress' in message) progress(message.progress, message.loss);
      else resolve(message.result);
    });
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`a training thread ended with code ${code}`)));
  });
}

/** Progress of stages that take these shares of the time. */
function stages(progress: Progress, lengths: number[]): (stage: number) => Progress {
  return (stage) => {
    const before = lengths.slice(0, stage).reduce((total, length) => total + length, 0);
    progress(before);
    return (share, loss) => progress(before + share * lengths[stage]!, loss);
  };
}
