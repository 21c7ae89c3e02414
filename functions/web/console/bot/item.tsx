import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { api, type Problem, type Schemas } from '../api.ts';
import { once, useLoaded } from '../load.ts';
import { moment, say } from '../texts.ts';
import { Trouble } from '../trouble.tsx';
import { Flow } from './flow.tsx';
import { Form, type Value } from './form.tsx';
import { written } from './written.ts';

type Problems = Schemas['ItemChecked']['problems'];

/** How long after the last key what is typed is looked at, in milliseconds. */
const PAUSE = 500;

/** One item: as it is live, as somebody wants it, and what is wrong with that. */
export function Item({ id, list, mayEdit }: { id: string; list: Schemas['ContentList']; mayEdit: boolean }) {
  const path = { path: { itemId: id } };
  const changes = useSignal(0);
  const loaded = useLoaded(`${id} ${changes.value}`, () =>
    api.GET('/api/admin/content/items/{itemId}', { params: path }),
  );
  const { data, problem, loading } = loaded.value;
  const value = useSignal<Value | null>(null);
  const problems = useSignal<Problems>([]);
  const failure = useSignal<Problem | null>(null);
  const said = useSignal('');
  const isTyped = useSignal(false);
  const broken = useSignal<string | null>(null);
  /** Counts what is shown that nobody typed: fields begin anew with it. */
  const shown = useSignal(0);
  const isNew = problem?.status === 404;
  const [kind = '', name = ''] = [id.slice(0, id.indexOf('.')), id.slice(id.indexOf('.') + 1)];
  useEffect(() => {
    // What was typed since is not written over.
    if (isTyped.value) return;
    if (data) value.value = (data.draft ? data.draft.value : data.live) as Value | null;
    if (isNew) value.value = empty(kind, name, list);
    shown.value += 1;
  }, [data, isNew]);
  // What is wrong is said while it is typed.
  useEffect(() => {
    const typed = value.value;
    if (!typed || !mayEdit) return;
    const timer = setTimeout(async () => {
      const { data: checked } = await once(() => api.POST('/api/admin/content/check', { body: { id, value: typed } }));
      if (checked && value.value === typed) problems.value = checked.problems;
    }, PAUSE);
    return () => clearTimeout(timer);
  }, [value.value]);
  const save = async (next: Value | null) => {
    const body = { value: next, etag: data?.etag ?? null };
    const { data: saved, problem: refused } = await once(() =>
      api.PUT('/api/admin/content/items/{itemId}', { params: path, body }),
    );
    failure.value = refused;
    if (!saved) return;
    if (value.value === next || next === null) isTyped.value = false;
    said.value = say('draftSaved');
    changes.value += 1;
    written.value += 1;
  };
  const discard = async () => {
    const params = { ...path, query: data?.etag ? { etag: data.etag } : {} };
    const { response } = await api.DELETE('/api/admin/content/items/{itemId}', { params });
    if (!response.ok) {
      failure.value = { status: response.status, code: '', title: response.statusText };
      return;
    }
    said.value = say('draftGone');
    isTyped.value = false;
    changes.value += 1;
    written.value += 1;
  };
  if (!data && !isNew) return loading ? <p class="hint">{say('loading')}</p> : <Trouble problem={problem} />;
  const isRemoved = data?.draft?.value === null;
  return (
    <>
      <p>
        <a class="only-phone" href={`/console/bot?kind=${kind}`}>
          {say('items')}
        </a>
      </p>
      <h2 class="title">{name.replaceAll('_', ' ')}</h2>
      <Trouble problem={failure.value} />
      <p class="hint" role="status">
        {said.value ||
          (data?.draft
            ? `${say(isRemoved ? 'draft_removed' : 'draft')}: ${data.draft.by.name}, ${moment(data.draft.at)}`
            : isNew
              ? say('draft_added')
              : say('asLive'))}
      </p>
      {value.value && (
        <Form
          key={shown.value}
          kind={kind}
          value={value.value}
          list={list}
          disabled={!mayEdit}
          change={(next) => {
            said.value = '';
            isTyped.value = true;
            value.value = next;
          }}
          broken={(why) => {
            broken.value = why;
          }}
        />
      )}
      {problems.value.length > 0 && (
        <ul class="problems" aria-label={say('problems')}>
          {problems.value.map(({ path: where, message }) => (
            <li key={where + message} class="late">
              {where && <b>{where}: </b>}
              {message}
            </li>
          ))}
        </ul>
      )}
      {mayEdit && (
        <p class="actions">
          <button
            type="button"
            class="primary"
            disabled={!value.value || broken.value !== null}
            onClick={() => void save(value.value)}
          >
            {say('saveDraft')}
          </button>
          {data?.draft && (
            <button type="button" onClick={() => void discard()}>
              {say('discard')}
            </button>
          )}
          {data && data.live !== null && !isRemoved && (
            <button type="button" class="danger" onClick={() => void save(null)}>
              {say('remove')}
            </button>
          )}
          <a class="button" href="/console/bot?trial">
            {say('tryIt')}
          </a>
        </p>
      )}
      {kind === 'flow' && value.value && <Flow value={value.value} />}
      {data && data.history.length > 0 && (
        <details>
          <summary>{say('draftsBefore')}</summary>
          <ul class="plain">
            {data.history.map((before) => (
              <li key={before.at}>
                {moment(before.at)} · {before.by.name}{' '}
                {mayEdit && before.value !== null && (
                  <button
                    type="button"
                    onClick={() => {
                      value.value = before.value as Value;
                      isTyped.value = true;
                      broken.value = null;
                      shown.value += 1;
                    }}
                  >
                    {say('takeAgain')}
                  </button>
                )}
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}

/** Something new, with its fields. */
function empty(kind: string, name: string, { languages }: Schemas['ContentList']): Value {
  const each = <T,>(value: T) => Object.fromEntries(languages.map(({ tag }) => [tag, value]));
  if (kind === 'intent') return { name, utterances: each([]) };
  if (kind === 'faq') return { name, question: each(''), other_ways: each([]), answer: each('') };
  if (kind === 'phrase') return each('');
  if (kind === 'flow') return { slots: {}, steps: [] };
  if (kind === 'part') return {};
  return { kind: 'list', items: [] };
}
