import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { type Content, NONE } from '../../dialog/bot.ts';
import { prepare } from '../candidate.ts';
import { openClassifier } from '../classifier.ts';
import { contentDataset, type Dataset, DatasetError } from '../dataset.ts';
import { faqOf } from '../faq.ts';
import type { PackageDescription } from '../package.ts';
import { recipe } from '../recipe.ts';
import { trainRetrieval } from '../retrieval/train.ts';
import { makeTrial } from '../search/judge.ts';
import type { Attempt, Trial } from '../search/plan.ts';
import { type Settings, varied } from '../search/settings.ts';
import { train } from '../train.ts';
import { type Loss, SEED, type TrainedModel } from './job.ts';
import type { Answer } from './verdict.ts';

/**
 * Trains the models of a bot in a thread of its own, so that whoever waits for them can say how far they are, and end them. With `ask` it
 * says what they make of texts.
 */
export interface TrainData {
  content: Content;
  /** The names that models are asked by. */
  names: { intents: string; faq: string };
  version: string;
  /** The packages: `<folder>/<name>/<version>`. */
  folder: string;
  /** What the models are asked when they are trained. */
  ask: { intents: readonly string[]; faq: readonly string[] };
  /** What a search has found to be better. */
  settings: Settings;
}

/** One trial of a search. */
export interface TrialData {
  content: Content;
  attempt: Attempt;
}

/** What was held out, and what it was taken for. */
export type Confusion = { text: string; intent: string; label: string; score: number }[];

export interface TrainResult {
  models: TrainedModel[];
  answers: { intents: Answer[]; faq: Answer[] };
  confusion: Confusion;
  /** Held-out utterances below it are not answered. */
  threshold: number;
}

export type TrainMessage =
  | { share: number; losses: Loss[] }
  | { result: TrainResult }
  | { trial: Trial }
  /** What is wrong with what it was to learn from, in words. */
  | { wrong: string };

/** The share of the time that the FAQ takes. */
const FAQ_SHARE = 0.08;
/** How often it is said how far it is, as a share. */
const STEP = 0.0025;
const BATCH = 32;

/** What a bot's intent model is trained on. */
function datasetOf({ intents }: Content): Dataset {
  const dataset = contentDataset(intents);
  const sha256 = createHash('sha256').update(JSON.stringify(dataset.splits.train)).digest('hex');
  return { ...dataset, sha256 };
}

async function tryOut({ content, attempt }: TrialData, post: (message: TrainMessage) => void) {
  const prepared = await prepare({ data: datasetOf(content), manners: content.languages, seed: SEED });
  const training = {
    recipe: varied(recipe, content.recipe ?? {}),
    seed: SEED,
    threads: availableParallelism(),
    giveUp: content.about.give_up,
    progress: (share: number) => post({ share, losses: [] }),
  };
  post({ trial: await makeTrial(prepared, attempt, training) });
}

async function work(
  { content, names, version, folder, ask, settings }: TrainData,
  post: (message: TrainMessage) => void,
) {
  const losses: Loss[] = [];
  let [said, sum, count] = [0, 0, 0];
  const progress = (share: number, loss?: number) => {
    if (loss !== undefined) [sum, count] = [sum + loss, count + 1];
    if (share - said < STEP) return;
    if (count > 0) losses.push({ share: round(share), loss: round(sum / count) });
    [said, sum, count] = [share, 0, 0];
    post({ share, losses });
  };
  const { faq, about, languages } = content;
  const given = { version, seed: SEED, content: content.version };
  const begins = faq.length > 0 ? FAQ_SHARE : 0;
  const models: TrainedModel[] = [];
  const answers: TrainResult['answers'] = { intents: [], faq: [] };
  if (faq.length > 0) {
    const out = join(folder, names.faq, version);
    const started = performance.now();
    await trainRetrieval({
      ...given,
      ...faqOf(content),
      out,
      name: names.faq,
      progress: (share) => progress(share * begins),
    });
    const seconds = (performance.now() - started) / 1_000;
    const asked = await answersOf(out, ask.faq);
    answers.faq = asked.answers;
    models.push({ ...(await describe(out)), seconds: Math.round(seconds), micros: asked.micros });
  }
  const out = join(folder, names.intents, version);
  const { judged, threshold, seconds } = await train({
    ...given,
    data: datasetOf(content),
    manners: languages,
    out,
    name: names.intents,
    recipe: varied(recipe, { ...content.recipe, ...settings }),
    giveUp: about.give_up,
    progress: (share, loss) => progress(begins + (1 - begins) * share, loss),
  });
  const asked = await answersOf(out, ask.intents);
  answers.intents = asked.answers;
  models.push({ ...(await describe(out)), seconds: Math.round(seconds), micros: asked.micros });
  const confusion = [...judged.inside, ...judged.outside].map(({ text, intent, label, score }) => ({
    text,
    intent,
    // What is of no intent counts as taken for one where it is over the threshold.
    label: intent === NONE && score < threshold ? NONE : label,
    score: round(score),
  }));
  post({ result: { models, answers, confusion, threshold } });
}

/** What a packaged model says, and how long it takes for one text, in microseconds. */
async function answersOf(folder: string, texts: readonly string[]): Promise<{ answers: Answer[]; micros: number }> {
  const model = await openClassifier(folder, JSON.parse(await readFile(join(folder, 'model.json'), 'utf8')));
  try {
    const answers: Answer[] = [];
    const started = performance.now();
    for (let from = 0; from < texts.length; from += BATCH)
      for (const { label, score, top } of await model.classify(texts.slice(from, from + BATCH)))
        answers.push({ label, score, top: top[0]!.label });
    const micros = (1_000 * (performance.now() - started)) / Math.max(1, texts.length);
    return { answers, micros: Math.round(micros) };
  } finally {
    await model.close();
  }
}

async function describe(folder: string): Promise<Omit<TrainedModel, 'seconds' | 'micros'>> {
  const text = await readFile(join(folder, 'model.json'), 'utf8');
  const { name, version, labels = [], threshold = 0, metrics = {}, trainedOn } = JSON.parse(text) as PackageDescription;
  let bytes = 0;
  for (const file of await readdir(folder)) bytes += (await stat(join(folder, file))).size;
  const known = Object.entries(metrics).filter(([, value]) => Number.isFinite(value));
  return {
    name,
    version,
    examples: trainedOn?.examples ?? 0,
    labels: labels.length,
    threshold,
    bytes,
    metrics: Object.fromEntries(known),
  };
}

const round = (value: number): number => Math.round(value * 1e4) / 1e4;

if (parentPort) {
  const port = parentPort;
  const post = (message: TrainMessage) => port.postMessage(message);
  const data = workerData as TrainData | TrialData;
  await ('attempt' in data ? tryOut(data, post) : work(data, post)).catch((error) => {
    if (!(error instanceof DatasetError)) throw error;
    post({ wrong: error.message });
  });
}
