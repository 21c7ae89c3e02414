import { useSignal } from '@preact/signals';
import { api, type Problem, type Schemas } from '../api.ts';
import { once, useLoaded } from '../load.ts';
import { moment, number, say, type Text } from '../texts.ts';
import { Trouble } from '../trouble.tsx';
import { written } from './written.ts';

/** All drafts, what is wrong with them and what they would change, and what was published before. */
export function Publication({ list, mayEdit }: { list: Schemas['ContentList']; mayEdit: boolean }) {
  const drafts = list.items.filter(({ draft }) => draft);
  const problem = useSignal<Problem | null>(null);
  const said = useSignal('');
  const publish = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const note = String(new FormData(form).get('note')).trim();
    const found = await once(() =>
      api.POST('/api/admin/content/publish', { body: { note, drafts: list.drafts ?? '' } }),
    );
    problem.value = found.problem;
    if (found.data) {
      said.value = `${say('isLive')} ${found.data.serial}`;
      form.reset();
    }
    written.value += 1;
  };
  return (
    <>
      <section class="card">
        <h2>{say('drafts')}</h2>
        <Trouble problem={problem.value} />
        <p role="status">{said.value}</p>
        {drafts.length === 0 && <p class="hint">{say('noDrafts')}</p>}
        <ul class="plain">
          {drafts.map(({ id, draft }) => (
            <li key={id}>
              <a href={`/console/bot/${id}`}>{id}</a> <span class="tag">{say(`draft_${draft!.state}` as Text)}</span>{' '}
              <span class="quiet-text">
                {draft!.by.name}, {moment(draft!.at)}
              </span>
            </li>
          ))}
        </ul>
        {list.problems.length > 0 && (
          <ul class="problems" aria-label={say('problems')}>
            {list.problems.map(({ item, path, message }) => (
              <li key={`${item}${path}${message}`} class="late">
                {item && <a href={`/console/bot/${item}`}>{item}</a>} {path} {message}
              </li>
            ))}
          </ul>
        )}
        {drafts.length > 0 && mayEdit && (
          <form class="filters" onSubmit={(event) => void publish(event)}>
            <label class="wide">
              {say('whyPublish')}
              <input name="note" required maxLength={300} autocomplete="off" />
            </label>
            <button type="submit" class="primary" disabled={list.problems.length > 0}>
              {say('publish')} ({drafts.length})
            </button>
          </form>
        )}
        {drafts.length > 0 && mayEdit && list.problems.length === 0 && <Effect />}
      </section>
      <Versions mayEdit={mayEdit} />
    </>
  );
}

/** What the drafts would have answered otherwise. */
function Effect() {
  const found = useSignal<Schemas['ContentEffect'] | null>(null);
  const problem = useSignal<Problem | null>(null);
  const isLoading = useSignal(false);
  const look = async () => {
    isLoading.value = true;
    const answer = await once(() => api.GET('/api/admin/content/effect'));
    isLoading.value = false;
    found.value = answer.data;
    problem.value = answer.problem;
  };
  const effect = found.value;
  return (
    <>
      <p class="actions">
        <button type="button" disabled={isLoading.value} onClick={() => void look()}>
          {isLoading.value ? say('loading') : say('whatWouldChange')}
        </button>
        {effect && (
          <span role="status">
            {number(effect.changed)} / {number(effect.looked)} {say('wouldChange')}
          </span>
        )}
      </p>
      <Trouble problem={problem.value} />
      {effect && effect.turns.length > 0 && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
        <section class="scroll" tabIndex={0} aria-label={say('whatWouldChange')}>
          <table>
            <thead>
              <tr>
                <th scope="col">{say('text')}</th>
                <th scope="col">{say('asNow')}</th>
                <th scope="col">{say('withDrafts')}</th>
              </tr>
            </thead>
            <tbody>
              {effect.turns.map(({ turnId, conversationId, text, locale, before, after }) => (
                <tr key={turnId} lang={locale}>
                  <th scope="row">
                    <a href={`/console/conversations/${conversationId}?turn=${turnId}`}>{text || '–'}</a>
                  </th>
                  <td>{before || '–'}</td>
                  <td>{after || '–'}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </>
  );
}

function Versions({ mayEdit }: { mayEdit: boolean }) {
  const loaded = useLoaded(`versions ${written.value}`, () => api.GET('/api/admin/content/versions'));
  const { data, problem } = loaded.value;
  return (
    <section class="card">
      <h2>{say('versions')}</h2>
      <Trouble problem={problem} />
      {data?.versions.length === 0 && <p class="hint">{say('noVersions')}</p>}
      <ol class="plain">
        {data?.versions.map((version, index) => (
          <li key={version.serial}>
            <Version version={version} isLive={index === 0} mayEdit={mayEdit} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function Version({
  version,
  isLive,
  mayEdit,
}: {
  version: Schemas['ContentVersion'];
  isLive: boolean;
  mayEdit: boolean;
}) {
  const { serial, note, by, at, changed } = version;
  const diff = useSignal<Schemas['ContentDiff'] | null>(null);
  const problem = useSignal<Problem | null>(null);
  const path = { path: { serial: String(serial) } };
  const look = async () => {
    const found = await once(() => api.GET('/api/admin/content/versions/{serial}', { params: path }));
    diff.value = found.data;
    problem.value = found.problem;
  };
  const revert = async () => {
    const found = await once(() => api.POST('/api/admin/content/versions/{serial}/revert', { params: path, body: {} }));
    problem.value = found.problem;
    written.value += 1;
  };
  return (
    <>
      <details onToggle={(event) => event.currentTarget.open && !diff.value && void look()}>
        <summary>
          {serial} · {note} {isLive && <span class="tag">{say('state_live')}</span>}{' '}
          <span class="quiet-text">
            {by.name}, {moment(at)} · {changed.length} {say('items')}
          </span>
        </summary>
        {diff.value?.differences.map(({ item, before, after }) => (
          <div key={item} class="diff">
            <b>{item}</b>
            <Lines before={before} after={after} />
          </div>
        ))}
        {mayEdit && !isLive && (
          <button type="button" onClick={() => void revert()}>
            {say('revert')}
          </button>
        )}
      </details>
      <Trouble problem={problem.value} />
    </>
  );
}

/** The lines that one has and the other has not. */
function Lines({ before, after }: { before: unknown; after: unknown }) {
  const [old, now] = [linesOf(before), linesOf(after)];
  const [had, has] = [new Set(old), new Set(now)];
  return (
    <pre>
      {old
        .filter((line) => !has.has(line))
        .map((line, index) => (
          <del key={index}>- {line.trim()}</del>
        ))}
      {now
        .filter((line) => !had.has(line))
        .map((line, index) => (
          <ins key={index}>+ {line.trim()}</ins>
        ))}
    </pre>
  );
}

const linesOf = (value: unknown) =>
  value === null ? [] : JSON.stringify(value, null, 1).replaceAll(/,$/gm, '').split('\n');
