import type { HttpRequest } from '@azure/functions';
import { type Release, idOf as releaseId } from '../../releases/release.ts';
import { audited, auditLook } from '../../services/audit.ts';
import { turnsSeenAgain } from '../../services/call-log.ts';
import { sendTraining } from '../../services/queues.ts';
import { listReleases, releases } from '../../services/releases.ts';
import { settings } from '../../services/settings.ts';
import {
  beginTraining,
  changesTaught,
  listTrainings,
  NotNow,
  readReport,
  readTraining,
  stopTraining,
  type TrainingReport,
  trainings,
} from '../../services/trainings.ts';
import { readTrials } from '../../services/trials.ts';
import { move, type TrainingJob } from '../../training/job/job.ts';
import { effects } from '../../training/search/plan.ts';
import { choices } from '../../training/search/settings.ts';
import { Problem } from '../problem.ts';
import { json, read, readJson, staffRoute } from '../route.ts';
import { nothing } from './schemas.ts';
import { agentOf } from './speak.ts';
import * as schemas from './training-schemas.ts';

const [LIMIT, RELEASES] = [30, 100];
/** Texts of one cell of the confusion matrix, and logged turns, that are shown. */
const [TEXTS, TURNS] = [50, 100];
/** How far back the last logged turns may lie, in milliseconds. */
const LOG_MS = 30 * 24 * 3_600_000;

/** GET /api/admin/trainings */
export const getTrainings = staffRoute(
  'admin.trainings',
  {
    summary: 'Trainings, the newest first, and how much was taught since the last',
    answers: { 200: { description: 'The trainings.', schema: schemas.trainings } },
    problems: ['unavailable'],
  },
  async () => {
    const {
      TRAINING: possible,
      TRAINING_AFTER: after,
      TRAINING_QUIET_SECONDS: quietSeconds,
      TRAINING_AT: at = null,
    } = settings();
    const [jobs, { changes }, releases] = await Promise.all([
      listTrainings(LIMIT),
      changesTaught(),
      listReleases(RELEASES),
    ]);
    // Of those that are over, the curve is in their own answer.
    const listed = jobs.map((job, place) => ({
      ...shown(
        job,
        releases.find(({ digest }) => digest === job.digest),
      ),
      ...(place > 0 && { losses: [] }),
    }));
    return json(200, { trainings: listed, possible, taught: { changes, after, quietSeconds, at } });
  },
);

/** POST /api/admin/trainings */
export const postTraining = staffRoute(
  'admin.training-begin',
  {
    summary: 'Train now, on what is published and labelled',
    body: schemas.begin,
    answers: { 202: { description: 'It is queued: the list says how far it is.', schema: schemas.began } },
    problems: ['training_refused', 'unavailable'],
  },
  async (request, principal) => {
    const { search = null } = await readJson(request, schemas.begin);
    if (!settings().TRAINING)
      throw new Problem(
        'training_refused',
        'Nothing is trained in this deployment (TRAINING): train and release by npm run.',
      );
    const by = agentOf(principal);
    try {
      const { id } = await audited(by, 'training.begin', null, async () => {
        const job = await beginTraining('person', by, Date.now(), search);
        return { result: job, after: { id: job.id, changes: job.changes, ...(search && { search }) } };
      });
      return json(202, { id });
    } catch (error) {
      if (error instanceof NotNow) throw new Problem('training_refused', error.message);
      throw error;
    }
  },
);

/** GET /api/admin/trainings/{trainingId} */
export const getTraining = staffRoute(
  'admin.training',
  {
    summary: 'A training, with its curve and what was found out',
    path: schemas.training,
    answers: { 200: { description: 'The training.', schema: schemas.trainings.shape.trainings.element } },
    problems: ['invalid_message', 'not_found', 'unavailable'],
  },
  async (request) => {
    const job = await existing(idOf(request));
    const release = job.digest ? await releases.read(releaseId(job.digest)) : null;
    return json(200, shown(job, release?.document));
  },
);

/** GET /api/admin/trainings/{trainingId}/report */
export const getReport = staffRoute(
  'admin.training-report',
  {
    summary:
      'What a trained model takes for what: of what was held out, of what people have judged, and of the call log',
    path: schemas.training,
    answers: { 200: { description: 'The report.', schema: schemas.trainingReport } },
    problems: ['invalid_message', 'not_found', 'unavailable'],
  },
  async (request, principal) => {
    const { id, verdict, version, at } = await existing(idOf(request));
    if (!verdict) throw new Problem('not_found', 'It is not judged yet, or never was.');
    const report = await readReport(id);
    if (!report) throw new Problem('not_found', 'Its report is not kept any more.');
    await auditLook(agentOf(principal), 'training.view', id);
    return json(200, {
      threshold: report.threshold,
      confusion: cellsOf(report),
      judged: report.judged,
      log: await logOf(version, at),
    });
  },
);

/** GET /api/admin/trainings/{trainingId}/trials */
export const getTrials = staffRoute(
  'admin.training-trials',
  {
    summary: 'The trials of its search, and what each setting does',
    path: schemas.training,
    answers: { 200: { description: 'The trials; none where it has no search.', schema: schemas.trials } },
    problems: ['invalid_message', 'not_found', 'unavailable'],
  },
  async (request) => {
    const { id, search } = await existing(idOf(request));
    const known = search ? await readTrials(id) : [];
    const made = known.flatMap(({ trial }) => trial ?? []);
    const now = Date.now();
    return json(200, {
      effects: search?.present ? effects({ space: choices, present: search.present }, made) : [],
      trials: known
        .map(({ attempt, trial, claim }) => ({
          index: attempt.index,
          part: attempt.rung + 1,
          settings: attempt.settings,
          figures: trial?.figures ?? null,
          seconds: trial?.seconds ?? 0,
          state: trial ? 'ended' : claim && claim.until > now ? 'under way' : 'waiting',
        }))
        .sort((a, b) => b.part - a.part || a.index - b.index),
    });
  },
);

/** POST /api/admin/trainings/{trainingId}/cancel */
export const postCancel = staffRoute(
  'admin.training-cancel',
  {
    summary: 'End a training; the model that is live stays',
    path: schemas.training,
    body: nothing,
    answers: { 202: { description: 'It ends within seconds.' } },
    problems: ['training_refused', 'not_found', 'unavailable'],
  },
  async (request, principal) => {
    await readJson(request, nothing);
    const { id } = await existing(idOf(request));
    const by = agentOf(principal);
    await audited(by, 'training.cancel', id, async () => {
      if (!(await stopTraining(id, by, Date.now()))) throw new Problem('training_refused', 'It has ended already.');
      return { result: undefined };
    });
    return { status: 202 };
  },
);

/** POST /api/admin/trainings/{trainingId}/release */
export const postRelease = staffRoute(
  'admin.training-release',
  {
    summary: 'Let a training go on that waits for a person: its models are pushed, and staged',
    path: schemas.training,
    body: nothing,
    answers: { 202: { description: 'It goes on.' } },
    problems: ['training_refused', 'not_found', 'unavailable'],
  },
  async (request, principal) => {
    await readJson(request, nothing);
    const { id } = await existing(idOf(request));
    const by = agentOf(principal);
    // An older one would push aside what has come since.
    const [newest] = await listTrainings(1);
    if (newest?.id !== id) throw new Problem('training_refused', 'Another was trained since: let that one go on.');
    await audited(by, 'training.release', id, async () => {
      const before = await trainings.change<TrainingJob | null>(id, {
        transition: (job) =>
          job?.state === 'waiting' ? [move(job, 'judged', Date.now(), { by: by.name }), job] : [null, null],
      });
      if (!before) throw new Problem('training_refused', 'It does not wait for anybody.');
      return { result: undefined, before: { reasons: before.verdict?.reasons ?? [] } };
    });
    await sendTraining(id);
    return { status: 202 };
  },
);

function idOf(request: HttpRequest): string {
  return read('trainingId', request.params.trainingId ?? '', schemas.training.shape.trainingId);
}

async function existing(id: string): Promise<TrainingJob> {
  const job = await readTraining(id);
  if (!job) throw new Problem('not_found', 'There is no such training.');
  return job;
}

function shown({ claim: _, notified: __, attempts: ___, stop, steps, search, ...job }: TrainingJob, release?: Release) {
  const { present: ____, ...known } = search ?? { present: null };
  return {
    ...job,
    search: search && known,
    stopping: stop !== null,
    steps: stepsOf(steps),
    release: release ? { state: release.state, steps: stepsOf(release.steps) } : null,
  };
}

function stepsOf<S extends string>(steps: readonly { state: S; at: number; by?: string; note?: string }[]) {
  return steps.map(({ state, at, by = null, note = null }) => ({ state, at, by, note }));
}

/** Cells of the confusion matrix: what was said, and what it was taken for. */
function cellsOf({ confusion }: TrainingReport) {
  const cells = Map.groupBy(confusion, ({ intent, label }) => JSON.stringify([intent, label]));
  return [...cells.values()].map((own) => ({
    intent: own[0]!.intent,
    label: own[0]!.label,
    count: own.length,
    // The surest first: of mistakes those are what most needs a look.
    texts: own
      .map(({ text, score }) => ({ text, score }))
      .sort((a, b) => b.score - a.score)
      .slice(0, TEXTS),
  }));
}

/** Logged turns that are understood otherwise, as the log has them now: those of an erased user are gone. */
async function logOf(version: string, at: number) {
  const turns = await turnsSeenAgain(version, { from: at - LOG_MS, to: at }, TURNS);
  return turns.map(({ conversationId, id: turnId, text, understanding, again }) => ({
    conversationId,
    turnId,
    text,
    before: understanding!.intent,
    after: again!.intent,
  }));
}
