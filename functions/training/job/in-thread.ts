import { Worker } from 'node:worker_threads';
import { Rejected } from '../../services/failure.ts';
import { settings } from '../../services/settings.ts';
import type { Trial } from '../search/plan.ts';
import type { Beat } from './beat.ts';
import type { TrainData, TrainMessage, TrainResult, TrialData } from './thread.ts';

/** Beside this module: its source, or what a build made of it. */
const THREAD = new URL(import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js', import.meta.url);

/**
 * Trains in a thread of its own; what the thread leaves lies in `folder`. Throws Lost, Stopped, and Rejected where it took longer than it may
 * or can't be trained on.
 */
export async function inThread(data: TrainData, folder: string, beat: Beat): Promise<TrainResult>;
export async function inThread(data: TrialData, folder: string, beat: Beat): Promise<Trial>;
export async function inThread(data: TrainData | TrialData, folder: string, beat: Beat): Promise<TrainResult | Trial> {
  const { TRAINING_MINUTES: minutes } = settings();
  const thread = new Worker(THREAD, { workerData: data, env: { ...process.env, TMPDIR: folder, TEMP: folder } });
  const ended = Promise.withResolvers<TrainResult | Trial>();
  thread.on('message', (message: TrainMessage) => {
    if ('result' in message) ended.resolve(message.result);
    else if ('trial' in message) ended.resolve(message.trial);
    else if ('wrong' in message) ended.reject(new Rejected('training', message.wrong));
    else [beat.share, beat.losses] = [message.share, message.losses];
  });
  thread.once('error', (error) => ended.reject(error));
  thread.once('exit', (code) => ended.reject(new Error(`the training's thread ended with code ${code}`)));
  const late = setTimeout(
    () => ended.reject(new Rejected('training', `it took more than ${minutes} minutes (TRAINING_MINUTES)`)),
    minutes * 60_000,
  );
  try {
    return await Promise.race([ended.promise, beat.over]);
  } finally {
    clearTimeout(late);
    await thread.terminate();
  }
}
