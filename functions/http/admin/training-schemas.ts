import { z } from 'zod';
import { TRAINING_ID } from '../../training/job/job.ts';
import { agent } from './schemas.ts';

export const training = z.object({
  trainingId: z.string().regex(TRAINING_ID, 'must be the id of a training'),
});

const state = z.enum(['queued', 'training', 'judged', 'waiting', 'kept', 'pushed', 'released', 'failed', 'cancelled']);
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

const job = z
  .object({
    id: z.string(),
    at: z.number(),
    by: agent.nullable().meta({ description: 'Null: it began by itself.' }),
    why: z.enum(['person', 'changes', 'time']),
    changes: z.int(),
    content: z.string(),
    version: z.string(),
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
