import { JobFailed, WorkerCrashed } from '../models/pool.ts';
import {
  Abandoned,
  type Client,
  DeadlinePassed,
  type Named,
  Overloaded,
  type Scheduler,
  type Target,
} from '../models/scheduler.ts';
import type { Answer } from './answer.ts';
import { HttpError } from './http-error.ts';
import type { Request } from './requests.ts';

/** How a request is run: its end, whether its client is still there, and who was asked. */
export interface Call extends Client {
  deadline: number;
  /** Goes on with the body once all of it is there: of at most `most` bytes, where the usual limit is too many. Throws HttpError. */
  read<T>(go: (body: Buffer) => T | Promise<T>, most?: number): T | Promise<T>;
  model: Named | undefined;
}

/** A model that is asked: it is not let go of while requests are under way. */
export interface Asked extends Target {
  inFlight: number;
  /** It has been asked at least once. */
  used: boolean;
}

/** From a request's bytes to its answer; each failure as the status a client can act on. */
export class Inference {
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  answer(model: Asked, request: Request, client: Client): Promise<Answer> {
    model.used = true;
    model.inFlight += 1;
    return this.#scheduler.run(model, request, client).then(
      (answer) => {
        model.inFlight -= 1;
        return answer;
      },
      (error) => {
        model.inFlight -= 1;
        throw told(error, model);
      },
    );
  }
}

/** What a client is told. */
function told(error: unknown, { name }: Asked): unknown {
  const again = { 'retry-after': '1' };
  if (error instanceof Overloaded) return new HttpError(503, `${name} is busy: ${error.message}`, again);
  if (error instanceof WorkerCrashed) return new HttpError(503, 'the worker crashed; send it again', again);
  if (error instanceof DeadlinePassed) return new HttpError(503, error.message, again);
  if (error instanceof Abandoned) return new HttpError(499, error.message);
  if (error instanceof JobFailed) return new Error(`the worker failed: ${error.message}`);
  return error;
}
