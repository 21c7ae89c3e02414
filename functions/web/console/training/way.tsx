import { clock, duration, moment, number, say, type Text } from '../texts.ts';
import type { Job } from './training.tsx';

/** The way of a model from what was taught to its customers, as one line: what each part took, who took it, and what came of it. */
export function Way({ job }: { job: Job }) {
  const { steps, release, verdict } = job;
  const own = steps.map((step) => ({ ...step, title: say(`training_${step.state}` as Text) }));
  // What the release says of itself comes after: that it is ready is said once.
  const further = (release?.steps ?? [])
    .filter(({ state }) => !['pushed', 'verified'].includes(state))
    .map((step) => ({ ...step, title: say(`state_${step.state}` as Text) }));
  const all = [...own.filter(({ state }) => state !== 'released'), ...further];
  return (
    <ol class="way" aria-label={say('way')}>
      {all.map(({ state, at, by, note, title }, place) => (
        <li key={`${state}${at}`} title={note ?? undefined}>
          <b>{title}</b>
          <time dateTime={new Date(at).toISOString()} title={moment(at)}>
            {place === 0 ? clock(at) : `+${duration(at - all[place - 1]!.at)}`}
          </time>
          {by && <span>{by}</span>}
          {state === 'judged' && verdict?.intents && (
            <span>
              +{number(verdict.intents.better)} −{number(verdict.intents.worse)}
            </span>
          )}
        </li>
      ))}
    </ol>
  );
}
