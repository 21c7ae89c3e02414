import { useSignal } from '@preact/signals';
import { api, type Schemas } from '../api.ts';
import { useLoaded } from '../load.ts';
import { number, percent, say, type Text } from '../texts.ts';
import { Trouble } from '../trouble.tsx';
import type { Job } from './training.tsx';

/** Trials and minutes, where nothing else is said. */
const [TRIALS, MINUTES] = [36, 60];

type Wanted = NonNullable<Schemas['TrainingBegin']['search']>;

/** Begins a training that tries settings first. */
export function SearchForm({ disabled, begin }: { disabled: boolean; begin: (search: Wanted) => void }) {
  const [trials, minutes] = [useSignal(TRIALS), useSignal(MINUTES)];
  const isWhole = (value: number, least: number, most: number) =>
    Number.isInteger(value) && value >= least && value <= most;
  const isValid = isWhole(trials.value, 2, 300) && isWhole(minutes.value, 1, 1_440);
  return (
    <details>
      <summary>{say('searchFirst')}</summary>
      <p class="hint">{say('searchWhy')}</p>
      <form
        class="line"
        onSubmit={(event) => {
          event.preventDefault();
          begin({ trials: trials.value, seconds: 60 * minutes.value });
        }}
      >
        <label>
          {say('trials')}
          <input
            type="number"
            min={2}
            max={300}
            value={trials.value}
            onInput={(event) => {
              trials.value = event.currentTarget.valueAsNumber;
            }}
          />
        </label>
        <label>
          {say('minutesAtMost')}
          <input
            type="number"
            min={1}
            max={1440}
            value={minutes.value}
            onInput={(event) => {
              minutes.value = event.currentTarget.valueAsNumber;
            }}
          />
        </label>
        <button type="submit" disabled={disabled || !isValid}>
          {say('searchAndTrain')}
        </button>
      </form>
    </details>
  );
}

const points = (value: number) => `${value < 0 ? '−' : '+'}${Math.abs(100 * value).toFixed(1)}`;

/** What a search has come to, in a line. */
export function SearchLine({ search }: { search: NonNullable<Job['search']> }) {
  const { done, expected, found } = search;
  if (!found)
    return (
      <p class="quiet-text">
        {say('searchOfSettings')}: {number(done)} / {number(Math.max(done, expected))} {say('trialsEnded')}
      </p>
    );
  const settings = Object.entries(found.settings);
  return (
    <p class="quiet-text">
      {say('searchOfSettings')}: {percent(found.before.accuracy)} → {percent(found.after.accuracy)} ·{' '}
      {settings.length === 0 ? say('noBetter') : settings.map(([name, value]) => `${name} ${value}`).join(', ')}
    </p>
  );
}

/** What each setting does, and all that was tried. */
export function Search({ id }: { id: string }) {
  const loaded = useLoaded(`trials ${id}`, () =>
    api.GET('/api/admin/trainings/{trainingId}/trials', { params: { path: { trainingId: id } } }),
  );
  const { data, problem } = loaded.value;
  if (!data || data.trials.length === 0) return <Trouble problem={problem} />;
  const ended = data.trials.filter(({ state }) => state === 'ended');
  return (
    <section class="card">
      <h2>{say('searchOfSettings')}</h2>
      <p class="hint">{say('effectsWhy')}</p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section class="scroll" tabIndex={0} aria-label={say('effects')}>
        <table>
          <thead>
            <tr>
              <th scope="col">{say('setting')}</th>
              <th scope="col">{say('changedTo')}</th>
              <th scope="col">{say('accuracy')}</th>
              <th scope="col">{say('answersChanged')}</th>
              <th scope="col">{say('shows')}</th>
            </tr>
          </thead>
          <tbody>
            {data.effects.map(({ setting, from, to, accuracy, changed, of, shows }) => (
              <tr key={setting}>
                <th scope="row">{setting}</th>
                <td>
                  {from} → {to}
                </td>
                <td>{points(accuracy)}</td>
                <td>
                  {number(changed)} / {number(of)}
                </td>
                <td>{say(`shows_${shows}` as Text)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <details>
        <summary>
          {say('trials')} ({number(ended.length)})
        </summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
        <section class="scroll" tabIndex={0} aria-label={say('trials')}>
          <table>
            <thead>
              <tr>
                <th scope="col">{say('trials')}</th>
                <th scope="col">{say('part')}</th>
                <th scope="col">{say('accuracy')}</th>
                <th scope="col">{say('setting')}</th>
              </tr>
            </thead>
            <tbody>
              {ended.map(({ index, part, figures, settings }) => (
                <tr key={`${index}.${part}`}>
                  <td>{number(index)}</td>
                  <td>{number(part)} / 3</td>
                  <td>{figures ? percent(figures.accuracy) : say('training_failed')}</td>
                  <td>
                    {Object.entries(settings)
                      .map(([name, value]) => `${name} ${value}`)
                      .join(', ') || say('asItIs')}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      </details>
    </section>
  );
}
