import { JobFailed, WorkerCrashed } from '../models/pool.ts';
import { Abandoned, DeadlinePassed, type Named, Overloaded, type Scheduler, type Target } from '../models/scheduler.ts';
import type { Answer } from './answer.ts';
import { HttpError } from './http-error.ts';
import type { Request } from './requests.ts';

/** How a request is run: its end, whether its client is still there, and who was asked. */
export interface Call {
  deadline: number;
  /** The body, of `most` bytes where the usual limit is too many. */
  read(most?: number): Promise<Buffer>;
  gone(): boolean;
  model: Named | undefined;
}

/** A model that is asked: it is not let go of while requests are under way. */
export interface Asked extends Target {
  inFlight: number;
}

/** From a request's bytes to its answer; each failure as the status a client can act on. */
export class Inference {
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  async answer(model: Asked, request: Request, gone: () => boolean): Promise<Answer> {
    model.inFlight += 1;
    try {
      return await this.#scheduler.run(model, request, gone);
    } catch (error) {
      if (error instanceof Overloaded)
        throw new HttpError(503, `${model.name} is busy: ${error.message}`, { 'retry-after': '1' });
      if (error instanceof WorkerCrashed)
        throw new HttpError(503, 'the worker crashed; send it again', { 'retry-after': '1' });
      if (error instanceof DeadlinePassed) throw new HttpError(503, error.message, { 'retry-after': '1' });
      if (error instanceof Abandoned) throw new HttpError(499, error.message);
      if (error instanceof JobFailed) throw new Error(`the worker failed: ${error.message}`);
      throw error;
    } finally {
      model.inFlight -= 1;
    }
  }
}
