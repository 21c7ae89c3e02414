import { z } from 'zod';
import type { FaqFound, Understanding } from '../conversation/document.ts';
import { Rejected } from './failure.ts';
import { call, callJson } from './http.ts';
import { pathTo } from './path.ts';
import { settings } from './settings.ts';
import { logSeldom } from './telemetry.ts';

/** What an Open Inference Protocol (V2) server answers for a text classification model. */
const answer = z.object({
  model_name: z.string(),
  model_version: z.string().default(''),
  outputs: z.array(z.object({ name: z.string(), shape: z.array(z.number()), data: z.array(z.unknown()) })),
});

const predictions = z.object({ predictions: z.array(z.object({ label: z.string() })) });
const labelled = { label: z.string(), score: z.number() };
/** `none` below its threshold; the best ones whatever that is. */
const seen = z.object({ ...labelled, top: z.array(z.object(labelled)) });
const server = z.object({ release: z.string().nullish() });

/** What shows a model server who asks. */
function authorization(): Record<string, string> {
  const { INFERENCE_KEY: key } = settings();
  return key === undefined ? {} : { authorization: `Bearer ${key}` };
}

/** Labels of instances by a model of any container, and the milliseconds that took. Throws Unavailable or Rejected. */
export async function classify(
  url: string,
  model: string,
  instances: unknown[],
): Promise<{ labels: string[]; ms: number }> {
  const started = performance.now();
  const { predictions: labels } = await callJson(
    'inference',
    `${pathTo('inference', `${url}/v1/models`, model)}:predict`,
    predictions,
    { method: 'POST', headers: authorization(), body: { instances }, timeout: 10_000, attempts: 2 },
  );
  if (labels.length !== instances.length)
    throw new Rejected('inference', `${model} does not answer with one label an instance`);
  return { labels: labels.map(({ label }) => label), ms: performance.now() - started };
}

/** Milliseconds that anybody waits for it. */
const LOOK_MS = 3_000;

/** What a model of pictures takes one for. Throws Unavailable or Rejected. */
export async function lookAt(model: string, picture: Buffer): Promise<z.infer<typeof seen>> {
  const { INFERENCE_URL: url } = settings();
  const instances = [{ b64: picture.toString('base64') }];
  const { predictions: found } = await callJson(
    'inference',
    `${pathTo('inference', `${url}/v1/models`, model)}:predict`,
    z.object({ predictions: z.array(seen) }),
    // Once: it is kept, and asked about, all the same.
    { method: 'POST', headers: authorization(), body: { instances }, timeout: LOOK_MS, attempts: 1 },
  );
  if (!found[0]) throw new Rejected('inference', `${model} does not answer with a label`);
  return found[0];
}

/** The release that a container says it serves, once it is ready; null before, or where it does not say. */
export async function servedRelease(url: string): Promise<string | null> {
  await call('inference', `${url}/v2/health/ready`, { timeout: 3_000, attempts: 1 });
  const options = { headers: authorization(), timeout: 3_000, attempts: 1 };
  return (await callJson('inference', `${url}/v2`, server, options)).release ?? null;
}

/** What a model says of one text: the label (`none` below its threshold), and the best ones whatever the threshold. */
interface Labelled {
  label: string;
  score: number;
  top: { label: string; score: number }[];
  model: { name: string; version: string };
}

/** Asks the inference container what texts mean, in one call; the answers stand in their order. Throws Unavailable (try again) or Rejected. */
export async function understand(texts: readonly string[], where?: Where): Promise<Understanding[]> {
  return (await ask(settings().INTENT_MODEL, texts, 2, where)).map(({ label, top, ...said }) => ({
    ...said,
    intent: label,
    top: top.map(({ label: intent, score }) => ({ intent, score })),
  }));
}

/**
 * Asks which entries of the FAQ texts ask for, in one call. Null where there is no answer: a container without such a model (one was not
 * released yet), or a model that fails; the intents answer alone then. Never throws.
 */
export async function findInFaq(texts: readonly string[], where?: Where): Promise<FaqFound[] | null> {
  const { FAQ_MODEL: model } = settings();
  try {
    // Once: nobody waits longer for what is not needed.
    return (await ask(model, texts, 1, where)).map(({ label, top, ...said }) => ({
      ...said,
      entry: label,
      top: top.map(({ label: entry, score }) => ({ entry, score })),
    }));
  } catch (error) {
    const absent = error instanceof Rejected && error.status === 404;
    const what = absent ? 'there is no model of the FAQ: release one' : 'the model of the FAQ does not answer';
    logSeldom(absent ? 'warn' : 'error', what, { model, ...(absent ? {} : { error: String(error) }) });
    return null;
  }
}

/** Another container than that of production, which is asked once, for so many milliseconds. */
interface Where {
  url: string;
  ms: number;
}

async function ask(model: string, texts: readonly string[], attempts: number, where?: Where): Promise<Labelled[]> {
  const { INFERENCE_URL: production, INFERENCE_TIMEOUT_SECONDS: seconds } = settings();
  const { url, ms } = where ?? { url: production, ms: seconds * 1_000 };
  const { model_name, model_version, outputs } = await callJson(
    'inference',
    `${pathTo('inference', `${url}/v2/models`, model)}/infer`,
    answer,
    {
      method: 'POST',
      headers: authorization(),
      body: { inputs: [{ name: 'text', datatype: 'BYTES', shape: [texts.length], data: texts }] },
      timeout: ms,
      attempts: where ? 1 : attempts,
    },
  );
  const column = (name: string) => outputs.find((output) => output.name === name)?.data ?? [];
  const [labels, scores] = [column('top_labels').map(String), column('top_scores').map(Number)];
  const each = labels.length / texts.length;
  return texts.map((_, index) => {
    const label = column('label')[index];
    const score = Number(column('score')[index]);
    if (typeof label !== 'string' || !Number.isFinite(score))
      throw new Rejected('inference', 'no label or score in the answer');
    const place = index * each;
    const top = labels
      .slice(place, place + each)
      .map((one, rank) => ({ label: one, score: scores[place + rank] ?? 0 }));
    return { label, score, top, model: { name: model_name, version: model_version } };
  });
}
