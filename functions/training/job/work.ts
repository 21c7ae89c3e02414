import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { checksum } from '../../../inference-container/models/checksum.ts';
import { type Manifest, manifest } from '../../../inference-container/models/manifest.ts';
import { currentImage } from '../../releases/base.ts';
import { pushModels } from '../../releases/models.ts';
import { lastMeant, seeAgain } from '../../services/call-log.ts';
import { Rejected, Unavailable } from '../../services/failure.ts';
import { heldOut } from '../../services/held-out.ts';
import { credential } from '../../services/identity.ts';
import { classify } from '../../services/inference.ts';
import { Registry, reached } from '../../services/registry.ts';
import { settings } from '../../services/settings.ts';
import { log } from '../../services/telemetry.ts';
import {
  isNewest,
  keepPackages,
  keepRecipe,
  listPackages,
  readExamples,
  type TrainingReport,
  trainings,
  writeReport,
} from '../../services/trainings.ts';
import { type Beat, CLAIM_MS, Lost, patiently, Stopped, whileBeating } from './beat.ts';
import { inThread } from './in-thread.ts';
import { claim, fail, judged, move, progress, stumble, type TrainingJob, underWay, unlessStopped } from './job.ts';
import { seek } from './seek.ts';
import type { TrainData } from './thread.ts';
import { verdictOf } from './verdict.ts';

/** Logged turns that both models are asked, and texts of one call. */
const [LOGGED, BATCH] = [1_000, 100];
/** What differs, and is listed in the report. */
const LISTED = 500;

/**
 * Takes a training job as far as it goes: train, judge, and, where nothing speaks against it, push. Each part is recorded when it is done, and
 * may run twice. Returns the milliseconds after which to look again; null: nothing more is to be done here.
 */
export async function work(id: string): Promise<number | null> {
  const by = randomUUID();
  const taken = await trainings.change<TrainingJob | null>(id, {
    transition: (job) => {
      const now = Date.now();
      if (!job || !underWay(job)) return [null, null];
      if (job.state === 'searching') return [null, job];
      const claimed = claim(job, by, now, CLAIM_MS);
      // Somebody else has it: the timer sees to it that it goes on if they die.
      return [claimed, claimed];
    },
  });
  if (taken === null || !underWay(taken)) return null;
  if (taken.state === 'searching') return (await seek(taken)) ? 0 : null;
  let next: (job: TrainingJob) => TrainingJob;
  try {
    next = await beating(id, by, (beat) => (taken.state === 'judged' ? push(taken, beat) : trainAndJudge(taken, beat)));
  } catch (error) {
    if (error instanceof Lost) return null;
    const reason = error instanceof Error ? error.message : String(error);
    log('warn', 'a training job did not get on', { id, state: taken.state, reason });
    next = (job) => {
      const now = Date.now();
      return error instanceof Unavailable ? stumble(job, reason, now) : fail(job, reason, now);
    };
  }
  const recorded = await patiently(() =>
    trainings.change<TrainingJob | null>(id, {
      transition: (job) => {
        if (job?.claim?.by !== by) return [null, null];
        const moved = unlessStopped(job, Date.now(), next);
        return [moved, moved];
      },
    }),
  );
  if (!recorded) return null;
  log('info', 'training', { id, state: recorded.state, reason: recorded.reason });
  if (recorded.state === taken.state) return 4_000 * 2 ** recorded.attempts;
  return recorded.state === 'judged' ? 0 : null;
}

/** Keeps a job while something goes on with it, and says how far it is; ends where it was lost, or somebody has stopped it. */
async function beating<T>(id: string, by: string, work: (beat: Beat) => Promise<T>): Promise<T> {
  const look = async ({ share, losses }: Beat) => {
    const stopped = await trainings.change<boolean | null>(id, {
      transition: (job) => {
        const next = job && progress(job, by, share, losses, Date.now(), CLAIM_MS);
        return [next, next ? next.stop !== null : null];
      },
    });
    if (stopped === null) throw new Lost();
    if (stopped) throw new Stopped();
  };
  return await whileBeating(look, work);
}

async function trainAndJudge(job: TrainingJob, beat: Beat): Promise<(job: TrainingJob) => TrainingJob> {
  const { INTENT_MODEL: intents, FAQ_MODEL: faq, RELEASE_LOSS, RELEASE_LOSS_NONE, RELEASE_AGREEMENT } = settings();
  const { content, judges } = await readExamples(job.id);
  const held = await heldOut();
  const known = [...held.intents, ...judges];
  const turns = (await lastMeant(LOGGED)).filter(({ text, label }) => text && label === undefined);
  const texts = [...known.map(({ text }) => text), ...turns.map(({ text }) => text)];
  const questions = held.faq.map(({ text, entry }) => ({ text, intent: entry }));
  const folder = await mkdtemp(join(tmpdir(), 'maru-training-'));
  try {
    const ask = { intents: texts, faq: questions.map(({ text }) => text) };
    const packages = join(folder, 'packages');
    const settings = job.search?.found?.settings ?? {};
    const data: TrainData = {
      content,
      names: { intents, faq },
      version: job.version,
      folder: packages,
      ask,
      settings,
    };
    const { answers, models, confusion, threshold } = await inThread(data, folder, beat);
    const before = await live(intents, texts);
    const beforeFaq = await live(faq, ask.faq);
    const [own, logged] = [answers.intents.slice(0, known.length), answers.intents.slice(known.length)];
    const verdict = verdictOf(
      {
        intents: { known, before: before?.slice(0, known.length) ?? null, after: own },
        faq:
          content.faq.length > 0
            ? { known: questions, before: beforeFaq, after: answers.faq.map(({ label }) => label) }
            : null,
        log: before && { before: before.slice(known.length), after: logged.map(({ label }) => label) },
        threshold,
      },
      { inside: RELEASE_LOSS, outside: RELEASE_LOSS_NONE, agreement: RELEASE_AGREEMENT },
    );
    const report: TrainingReport = {
      confusion,
      threshold,
      judged: known
        .flatMap((one, index) => {
          const [was, is] = [before?.[index] ?? null, own[index]!.label];
          return was === is ? [] : [{ ...one, before: was ?? '', after: is }];
        })
        .slice(0, LISTED),
    };
    // In the log itself: what somebody wrote is nowhere else, and goes with it.
    for (const [index, turn] of turns.entries()) {
      const [was, { label: intent, score }] = [before?.[known.length + index], logged[index]!];
      if (was !== undefined) await seeAgain(turn, was === intent ? null : { intent, score, version: job.version });
    }
    await keepPackages(job.id, packages);
    await writeReport(job.id, report);
    return (current) => judged(current, models, verdict, Date.now());
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What is live says of texts; null where it can't be asked, or has no such model. */
async function live(model: string, texts: readonly string[]): Promise<string[] | null> {
  const labels: string[] = [];
  try {
    for (let from = 0; from < texts.length; from += BATCH) {
      const answers = await classify(settings().INFERENCE_URL, model, texts.slice(from, from + BATCH));
      labels.push(...answers.labels);
    }
  } catch (error) {
    // It may be what repairs production, or the first that has a model: a person says whether it goes on.
    if (error instanceof Unavailable || (error instanceof Rejected && (error.status === 404 || error.status >= 500)))
      return null;
    throw error;
  }
  return labels;
}

async function push(job: TrainingJob, beat: Beat): Promise<(job: TrainingJob) => TrainingJob> {
  const { REGISTRY_URL: url, RELEASE_REPOSITORIES: repositories, RELEASE_TAG: tag } = settings();
  if (!url) throw new Rejected('registry', 'there is none to push to (REGISTRY_URL)');
  // It would push aside what has come since.
  if (!(await isNewest(job))) throw new Rejected('training', 'another training was begun since');
  const registry = new Registry(url, repositories[0]!, credential());
  const folder = await mkdtemp(join(tmpdir(), 'maru-training-'));
  [beat.share, beat.losses] = [1, job.losses];
  try {
    const manifests = await unpack(job.id, folder);
    const packages = await Promise.all(
      manifests.map(async (one) => {
        const place = join(folder, one.name, one.version);
        return { folder: place, manifest: one, checksum: await checksum(join(place, 'model.onnx')) };
      }),
    );
    const { digest } = await reached(async () => {
      const current = await currentImage(registry, (text) => log('info', text.trim(), { id: job.id }), tag);
      // Once its tag is written, it goes its way.
      await beat.look();
      await Promise.race([beat.over, null]);
      if (!current)
        throw new Rejected('registry', 'there is no image of the model server yet: npm run release -- --server');
      const options = { tags: [tag, `training-${job.version}`], commit: '', version: job.version, progress: () => {} };
      return await pushModels(registry, current, packages, options);
    });
    await keepRecipe(job);
    return (current) => move(current, 'pushed', Date.now(), { digest, note: digest.slice(0, 19) });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The packages of a job as they were kept, each file of them as its `model.json` says. */
async function unpack(id: string, folder: string): Promise<Manifest[]> {
  const manifests: Manifest[] = [];
  for (const { name, download } of await listPackages(id)) {
    const file = join(folder, name);
    await mkdir(dirname(file), { recursive: true });
    await download(file);
    if (name.endsWith('/model.json')) manifests.push(manifest.parse(JSON.parse(await readFile(file, 'utf8'))));
  }
  for (const { name, version, files } of manifests)
    for (const [file, sum] of Object.entries(files))
      if ((await checksum(join(folder, name, version, file))) !== sum)
        throw new Error(`${name} ${version}: ${file} is not what was trained`);
  if (manifests.length === 0) throw new Error('its packages are not there any more');
  return manifests;
}
