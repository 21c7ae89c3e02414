import { z } from 'zod';
import { recipe } from '../../dialog/bot.ts';
import { TRAINING_ID } from '../../training/job/job.ts';
import { agent } from './schemas.ts';

export const training = z.object({
  trainingId: z.string().regex(TRAINING_ID, 'must be the id of a training'),
});

const state = z.enum([
  'queued',
  'searching',
  'training',
  'judged',
  'waiting',
  'kept',
  'pushed',
  'released',
  'failed',
  'cancelled',
]);
const step = { state: z.string(), at: z.number(), by: z.string().nullable(), note: z.string().nullable() };
const judgement = z
  .object({
    inside: z.int(),
    outside: z.int(),
    before: z.object({ right: z.int(), refused: z.int() }),
    after: z.object({ right: z.int(), refused: z.int() }),
    changed: z.int(),
    better: z.int(),
    worse: z.int(),
  })
  .nullable();

const figures = z.object({ accuracy: z.number(), auroc: z.number().nullable() });
const search = z
  .object({
    trials: z.int(),
    seconds: z.int(),
    until: z.number().nullable(),
    done: z.int().meta({ description: 'Trials that have ended, counting each part that one is judged on.' }),
    expected: z.int(),
    found: z
      .object({
        settings: recipe.meta({ description: 'What the best does otherwise; nothing: it is no better than chance.' }),
        before: figures,
        after: figures,
      })
      .nullable(),
  })
  .meta({ id: 'TrainingSearch' });

const job = z
  .object({
    id: z.string(),
    at: z.number(),
    by: agent.nullable().meta({ description: 'Null: it began by itself.' }),
    why: z.enum(['person', 'changes', 'time']),
    changes: z.int(),
    content: z.string(),
    version: z.string(),
    search: search.nullable().meta({ description: 'Settings are tried first; null: it is trained as it is.' }),
    state,
    since: z.number(),
    share: z.number().meta({ description: 'How far the training is, from 0 to 1.' }),
    losses: z.array(z.object({ share: z.number(), loss: z.number() })),
    models: z.array(
      z.object({
        name: z.string(),
        version: z.string(),
        examples: z.int(),
        labels: z.int(),
        threshold: z.number(),
        bytes: z.int(),
        micros: z.int(),
        seconds: z.int(),
        metrics: z.record(z.string(), z.number()),
      }),
    ),
    verdict: z
      .object({
        intents: judgement,
        faq: judgement,
        worse: z.array(z.object({ intent: z.string(), of: z.int(), before: z.int(), after: z.int() })),
        log: z.object({ compared: z.int(), changed: z.int() }).nullable(),
        ece: z.number().nullable(),
        reasons: z.array(z.string()),
        mayPass: z.boolean(),
      })
      .nullable(),
    digest: z.string().nullable(),
    reason: z.string().nullable(),
    stopping: z.boolean(),
    steps: z.array(z.object({ ...step, state })),
    release: z
      .object({ state: z.string(), steps: z.array(z.object(step)) })
      .nullable()
      .meta({ description: 'What has become of the image that it pushed.' }),
  })
  .meta({ id: 'TrainingJob' });

export const trainings = z
  .object({
    trainings: z.array(job),
    possible: z.boolean().meta({ description: 'False: this deployment trains nothing.' }),
    taught: z.object({
      changes: z.int().meta({ description: 'Utterances, questions and labels since the last training.' }),
      after: z.int().meta({ description: 'So many make one begin by itself; 0: never.' }),
      quietSeconds: z.int(),
      at: z.string().nullable(),
    }),
  })
  .meta({ id: 'Trainings' });

/** What a search may cost: each trial is a training of its own, of a part. */
const [TRIALS, SECONDS] = [300, 86_400];
export const begin = z
  .strictObject({
    search: z
      .strictObject({ trials: z.int().min(2).max(TRIALS), seconds: z.int().min(60).max(SECONDS) })
      .optional()
      .meta({ description: 'Try settings first, and train with what is better.' }),
  })
  .meta({ id: 'TrainingBegin' });

const settings = z.record(z.string(), z.number());
export const trials = z
  .object({
    effects: z
      .array(
        z.object({
          setting: z.string(),
          from: z.number(),
          to: z.number(),
          accuracy: z.number(),
          auroc: z.number().nullable(),
          changed: z.int().meta({ description: 'Answers that became right, or wrong, of so many.' }),
          of: z.int(),
          shows: z
            .enum(['better', 'worse', 'nothing'])
            .meta({ description: 'Nothing: what is seen is within what chance does.' }),
        }),
      )
      .meta({ description: 'What each setting does when it alone is changed.' }),
    trials: z.array(
      z.object({
        index: z.int(),
        part: z.int().meta({ description: 'Of 3: on how much it is judged.' }),
        settings,
        figures: figures.nullable().meta({ description: 'Null: it could not be trained, or has not ended.' }),
        seconds: z.number(),
        state: z.enum(['waiting', 'under way', 'ended']),
      }),
    ),
  })
  .meta({ id: 'TrainingTrials' });

export const began = z.object({ id: z.string() }).meta({ id: 'TrainingBegan' });

const answer = z.object({ text: z.string(), before: z.string(), after: z.string() });
export const trainingReport = z
  .object({
    threshold: z.number(),
    confusion: z
      .array(
        z.object({
          intent: z.string(),
          label: z.string(),
          count: z.int(),
          texts: z.array(z.object({ text: z.string(), score: z.number() })),
        }),
      )
      .meta({
        description:
          'Of what was held out of the training: what was said, what it was taken for, and the first of each.',
      }),
    judged: z.array(answer.extend({ intent: z.string() })),
    log: z.array(answer.extend({ conversationId: z.string(), turnId: z.string() })),
  })
  .meta({ id: 'TrainingReport' });
