import { useSignal } from '@preact/signals';
import { api, type Schemas } from '../api.ts';
import { useLoaded } from '../load.ts';
import { moment, number, percent, say } from '../texts.ts';
import { Trouble } from '../trouble.tsx';

type One = Schemas['Replays']['replays'][number];
type Movement = One['movements'][number];

const EVERY = 10_000;
const NONE = 'none';

/** What customers wrote lately, understood once more by what went live: what moved, and which messages. */
export function Replay({ maySee }: { maySee: boolean }) {
  const loaded = useLoaded('replays', () => api.GET('/api/admin/replays'), EVERY);
  const [newest] = loaded.value.data?.replays ?? [];
  if (!newest) return null;
  const { id, state, seen, movements, from, to, place } = newest;
  const sum = (which: (one: Movement) => boolean) =>
    movements.filter(which).reduce((total, { count }) => total + count, 0);
  return (
    <section class="card">
      <h2>{say('seenAgain')}</h2>
      <p class="hint">
        {say('seenAgainWhy')} {id}. {number(seen)} {say('found')}
        {state === 'running' && ` · ${percent((to - place) / (to - from))}`}
      </p>
      <p class="line">
        <span class="tag">
          {say('nowUnderstood')} {number(sum(({ before, after }) => before === NONE && after !== NONE))}
        </span>
        <span class="tag">
          {say('noLongerUnderstood')} {number(sum(({ before, after }) => before !== NONE && after === NONE))}
        </span>
        <span class="tag">
          {say('understoodOtherwise')} {number(sum(({ before, after }) => before !== NONE && after !== NONE))}
        </span>
      </p>
      {movements.length > 0 && <Movements id={id} movements={movements} maySee={maySee} />}
    </section>
  );
}

function Movements({ id, movements, maySee }: { id: string; movements: Movement[]; maySee: boolean }) {
  const open = useSignal<Movement | null>(null);
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section class="scroll" tabIndex={0} aria-label={say('seenAgain')}>
        <table>
          <thead>
            <tr>
              <th scope="col">{say('before')}</th>
              <th scope="col">{say('asNow')}</th>
              <th scope="col">{say('turns')}</th>
            </tr>
          </thead>
          <tbody>
            {movements.slice(0, 40).map((movement) => (
              <tr key={`${movement.before} ${movement.after}`}>
                <td>{movement.before}</td>
                <td>{movement.after}</td>
                <td>
                  {maySee && movement.before !== '…' ? (
                    <button
                      type="button"
                      aria-label={`${movement.before} → ${movement.after}: ${movement.count}`}
                      onClick={() => {
                        open.value = movement;
                      }}
                    >
                      {number(movement.count)}
                    </button>
                  ) : (
                    number(movement.count)
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {open.value && <Moved id={id} movement={open.value} />}
    </>
  );
}

function Moved({ id, movement: { before, after } }: { id: string; movement: Movement }) {
  const loaded = useLoaded(`moved ${id} ${before} ${after}`, () =>
    api.GET('/api/admin/replays/{replayId}/turns', {
      params: { path: { replayId: id }, query: { before, after } },
    }),
  );
  const { data, problem } = loaded.value;
  return (
    <section aria-live="polite">
      <h3>
        {before} → {after}
      </h3>
      <Trouble problem={problem} />
      <ul class="plain">
        {data?.turns.map((turn) => (
          <li key={turn.turnId} lang={turn.locale}>
            <a href={`/console/conversations/${turn.conversationId}?turn=${turn.turnId}`}>{turn.text}</a>{' '}
            <a href={`/console/review?conversation=${turn.conversationId}&turn=${turn.turnId}`}>{say('labelIt')}</a>{' '}
            <span class="quiet-text">
              {percent(turn.before)} → {percent(turn.after)} · {moment(turn.answeredAt)}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
