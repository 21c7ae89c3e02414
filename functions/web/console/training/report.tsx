import { useSignal } from '@preact/signals';
import { api, type Schemas } from '../api.ts';
import { useLoaded } from '../load.ts';
import { number, percent, say } from '../texts.ts';
import { Trouble } from '../trouble.tsx';
import { Search, SearchLine } from './search.tsx';
import type { Job } from './training.tsx';
import { Way } from './way.tsx';

type Cell = Schemas['TrainingReport']['confusion'][number];

/** What a trained model takes for what, and what it would say otherwise than what is live. */
export function Report({ id, job }: { id: string; job: Job | null }) {
  const loaded = useLoaded(`report ${id}`, () =>
    api.GET('/api/admin/trainings/{trainingId}/report', { params: { path: { trainingId: id } } }),
  );
  const { data, problem, loading } = loaded.value;
  return (
    <main class="page">
      <p>
        <a href="/console/training">{say('training')}</a> · <b>{job?.version ?? id}</b>
      </p>
      {job && <Way job={job} />}
      {job?.search && <SearchLine search={job.search} />}
      {(!job?.search || job.verdict) && <Trouble problem={problem} />}
      {job?.search && <Search id={id} />}
      {loading && !data && <p class="hint">{say('loading')}</p>}
      {data && <Confusion cells={data.confusion} />}
      {data && (
        <Differences
          title={say('judgedOtherwise')}
          rows={data.judged.map(({ intent, ...row }) => ({ ...row, meant: intent, link: null }))}
        />
      )}
      {data && (
        <Differences
          title={say('logOtherwise')}
          rows={data.log.map(({ conversationId, turnId, ...row }) => ({
            ...row,
            meant: null,
            link: `/console/conversations/${conversationId}?turn=${turnId}`,
          }))}
        />
      )}
    </main>
  );
}

/** The matrix: a row for what was said, a column for what it was taken for; a cell opens its utterances. */
function Confusion({ cells }: { cells: Cell[] }) {
  const open = useSignal<Cell | null>(null);
  const names = [...new Set(cells.flatMap(({ intent, label }) => [intent, label]))].sort();
  const byPlace = new Map(cells.map((cell) => [`${cell.intent}\n${cell.label}`, cell]));
  const totals = new Map<string, number>();
  for (const { intent, count } of cells) totals.set(intent, (totals.get(intent) ?? 0) + count);
  const total = (intent: string) => totals.get(intent) ?? 0;
  const right = cells.reduce((sum, { intent, label, count }) => sum + (intent === label ? count : 0), 0);
  const all = cells.reduce((sum, { count }) => sum + count, 0);
  return (
    <section class="card">
      <h2>{say('confusion')}</h2>
      <p class="hint">
        {say('confusionWhy')} {number(right)} / {number(all)} ({percent(right / Math.max(1, all))}).
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section class="scroll" tabIndex={0} aria-label={say('confusion')}>
        <table class="matrix">
          <thead>
            <tr>
              <td />
              {names.map((name) => (
                <th scope="col" key={name}>
                  <span>{name}</span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {names
              .filter((name) => total(name) > 0)
              .map((intent) => (
                <tr key={intent}>
                  <th scope="row">{intent}</th>
                  {names.map((label) => {
                    const cell = byPlace.get(`${intent}\n${label}`);
                    return (
                      <td key={label}>
                        {cell && (
                          <button
                            type="button"
                            class={intent === label ? 'hit' : 'miss'}
                            style={{ '--share': cell.count / total(intent) }}
                            aria-label={`${intent} → ${label}: ${cell.count}`}
                            aria-pressed={open.value === cell}
                            onClick={() => {
                              open.value = cell;
                            }}
                          >
                            {cell.count}
                          </button>
                        )}
                      </td>
                    );
                  })}
                </tr>
              ))}
          </tbody>
        </table>
      </section>
      {open.value && <Opened cell={open.value} />}
    </section>
  );
}

function Opened({ cell: { intent, label, count, texts } }: { cell: Cell }) {
  return (
    <section aria-live="polite">
      <h3>
        <Item name={intent} /> → <Item name={label} /> ({number(count)})
      </h3>
      <ul class="plain">
        {texts.map(({ text, score }) => (
          <li key={text}>
            {text} <span class="quiet-text">{percent(score)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Item({ name }: { name: string }) {
  // What is said not to be wanted belongs to no intent of its own.
  return name === 'not' ? <b>{name}</b> : <a href={`/console/bot/intent.${name}`}>{name}</a>;
}

interface Row {
  text: string;
  meant: string | null;
  before: string;
  after: string;
  link: string | null;
}

function Differences({ title, rows }: { title: string; rows: Row[] }) {
  if (rows.length === 0) return null;
  return (
    <section class="card">
      <h2>
        {title} ({number(rows.length)})
      </h2>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section class="scroll" tabIndex={0} aria-label={title}>
        <table>
          <thead>
            <tr>
              <th scope="col">{say('text')}</th>
              {rows[0]!.meant !== null && <th scope="col">{say('itMeans')}</th>}
              <th scope="col">{say('liveModel')}</th>
              <th scope="col">{say('trainedModel')}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ text, meant, before, after, link }) => (
              <tr key={`${text}${link}`}>
                <th scope="row">{link ? <a href={link}>{text}</a> : text}</th>
                {meant !== null && <td>{meant}</td>}
                <td class={meant !== null && before !== meant ? 'late' : undefined}>{before || '–'}</td>
                <td class={meant !== null && after !== meant ? 'late' : undefined}>{after}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </section>
  );
}
