import { useSignal } from '@preact/signals';
import { act, api, type Problem, type Schemas } from '../api.ts';
import { useLoaded } from '../load.ts';
import { duration, moment, number, percent, say, type Text } from '../texts.ts';
import { Trouble } from '../trouble.tsx';
import { Curve } from './curve.tsx';
import { Replay } from './replay.tsx';
import { Report } from './report.tsx';
import { SearchForm, SearchLine } from './search.tsx';
import { Way } from './way.tsx';

export type Job = Schemas['Trainings']['trainings'][number];

/** How often it is looked how far a training is, in milliseconds. */
const EVERY = 2_000;

/** What was taught, the trainings of it, and what each has become. */
export function Training({ me, id }: { me: Schemas['Me']; id?: string }) {
  const changes = useSignal(0);
  const problem = useSignal<Problem | null>(null);
  const loaded = useLoaded(`trainings ${changes.value}`, () => api.GET('/api/admin/trainings'), EVERY);
  document.title = `${say('training')} · ${document.body.dataset.bot}`;
  const { data } = loaded.value;
  const may = (role: 'editor' | 'releaser') => me.roles.includes(role) || me.roles.includes('admin');
  const done = async (call: Parameters<typeof act>[0]) => {
    problem.value = await act(call, 1);
    changes.value += 1;
  };
  if (id) return <Report id={id} job={data?.trainings.find((job) => job.id === id) ?? null} />;
  const [newest] = data?.trainings ?? [];
  const isBusy = newest !== undefined && isGoing(newest);
  return (
    <main class="page">
      <Trouble problem={problem.value ?? loaded.value.problem} />
      {data && (
        <section class="card">
          <p>
            <b>{number(data.taught.changes)}</b> {say('taughtSince')}{' '}
            <span class="quiet-text">
              {data.taught.after > 0 && `${say('trainsAfter')} ${number(data.taught.after)}`}
              {data.taught.at && ` · ${say('trainsAt')} ${data.taught.at}`}
            </span>
          </p>
          {!data.possible && <p class="hint">{say('noTraining')}</p>}
          {may('editor') && (
            <p class="actions">
              <button
                type="button"
                class="primary"
                disabled={!data.possible || isBusy}
                onClick={() => void done(() => api.POST('/api/admin/trainings', { body: {} }))}
              >
                {say('trainNow')}
              </button>
              <span class="hint">{say('trainWhy')}</span>
            </p>
          )}
          {may('editor') && (
            <SearchForm
              disabled={!data.possible || isBusy}
              begin={(search) => void done(() => api.POST('/api/admin/trainings', { body: { search } }))}
            />
          )}
        </section>
      )}
      <Replay maySee={may('editor')} />
      {data?.trainings.length === 0 && <p class="hint">{say('noTrainings')}</p>}
      <ul class="cards">
        {data?.trainings.map((job) => (
          <li class="card" key={job.id}>
            <One
              job={job}
              cancel={
                may('editor') && (isGoing(job) || job.state === 'waiting')
                  ? () =>
                      void done(() =>
                        api.POST('/api/admin/trainings/{trainingId}/cancel', {
                          params: { path: { trainingId: job.id } },
                          body: {},
                        }),
                      )
                  : null
              }
              release={
                may('releaser') && job.state === 'waiting'
                  ? () =>
                      void done(() =>
                        api.POST('/api/admin/trainings/{trainingId}/release', {
                          params: { path: { trainingId: job.id } },
                          body: {},
                        }),
                      )
                  : null
              }
            />
          </li>
        ))}
      </ul>
    </main>
  );
}

const isGoing = ({ state }: Job) => ['queued', 'searching', 'training', 'judged'].includes(state);

function One({ job, cancel, release }: { job: Job; cancel: (() => void) | null; release: (() => void) | null }) {
  const { id, at, by, why, changes, version, search, state, share, losses, models, verdict, reason, stopping } = job;
  return (
    <>
      <p class="line">
        <b>{version}</b>
        <span class={state === 'failed' || state === 'kept' ? 'late' : 'tag'}>
          {stopping ? say('stopping') : say(`training_${state}` as Text)}
        </span>
      </p>
      <p class="quiet-text">
        {moment(at)} · {by?.name ?? say(`why_${why}` as Text)} · {number(changes)} {say('taughtChanges')}
      </p>
      {search && <SearchLine search={search} />}
      {(state === 'training' || state === 'searching') && (
        <p class="line">
          <progress max={1} value={share} aria-label={say('training')} />
          <span>{percent(share)}</span>
        </p>
      )}
      <Way job={job} />
      {reason && <p class="text late">{reason.split('\n')[0]}</p>}
      {verdict && verdict.reasons.length > 0 && (
        <ul class="problems" aria-label={say('reasons')}>
          {verdict.reasons.map((one) => (
            <li key={one} class="late">
              {one}
            </li>
          ))}
        </ul>
      )}
      {losses.length > 1 && <Curve losses={losses} />}
      {verdict && <Verdict verdict={verdict} />}
      {models.length > 0 && (
        <dl class="small">
          {models.map(({ name, examples, labels, seconds, bytes, micros }) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                {number(examples)} {say('examples')} · {number(labels)} {say('classes')} · {number(seconds)} s ·{' '}
                {(bytes / 1e6).toFixed(1)} MB · {duration(micros / 1_000)}
              </dd>
            </div>
          ))}
        </dl>
      )}
      <p class="actions">
        {release && (
          <button type="button" class="primary" onClick={release}>
            {say('letGoOn')}
          </button>
        )}
        {cancel && (
          <button type="button" disabled={stopping} onClick={cancel}>
            {say('cancelTraining')}
          </button>
        )}
        {(verdict || search) && (
          <a class="button" href={`/console/training/${id}`}>
            {say('report')}
          </a>
        )}
      </p>
    </>
  );
}

/** Beside what is live, on what people know the meaning of. */
function Verdict({ verdict }: { verdict: NonNullable<Job['verdict']> }) {
  const { intents, faq, log, ece } = verdict;
  const rows = [
    ['intent', intents],
    ['kind_faq', faq],
  ] as const;
  return (
    <section class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">{say('judgedOn')}</th>
            <th scope="col">{say('rightBefore')}</th>
            <th scope="col">{say('rightNow')}</th>
            <th scope="col">{say('better')}</th>
            <th scope="col">{say('worse')}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(
            ([title, one]) =>
              one && (
                <tr key={title}>
                  <th scope="row">
                    {say(title)} ({number(one.inside + one.outside)})
                  </th>
                  <td>{percent((one.before.right + one.before.refused) / (one.inside + one.outside))}</td>
                  <td>{percent((one.after.right + one.after.refused) / (one.inside + one.outside))}</td>
                  <td>{number(one.better)}</td>
                  <td>{number(one.worse)}</td>
                </tr>
              ),
          )}
        </tbody>
      </table>
      <p class="quiet-text">
        {log && `${number(log.changed)} / ${number(log.compared)} ${say('otherwiseInLog')}`}
        {ece !== null && ` · ${say('calibration')} ${percent(ece)}`}
      </p>
    </section>
  );
}
