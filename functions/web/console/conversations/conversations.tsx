import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { api, type Problem, type Schemas } from '../api.ts';
import { once, useLoaded } from '../load.ts';
import { moment, number, say } from '../texts.ts';
import { Trouble } from '../trouble.tsx';

type Turn = Schemas['LoggedTurn'];

const OUTCOMES = ['answered', 'not_understood', 'handed_over', 'person', 'failed'] as const;
const NAMES = [
  'from',
  'to',
  'intent',
  'minScore',
  'maxScore',
  'outcome',
  'locale',
  'channel',
  'model',
  'feedback',
  'label',
  'text',
] as const;

/** The call log, with filters that stand in the address. */
export function Conversations({ me }: { me: Schemas['Me'] }) {
  const { query, route } = useLocation();
  const given = Object.fromEntries(NAMES.flatMap((name) => (query[name] ? [[name, query[name]]] : [])));
  const key = new URLSearchParams(given).toString();
  const ask = (after?: string) =>
    api.GET('/api/admin/turns', { params: { query: { ...given, ...(after ? { after } : {}) } as never } });
  const first = useLoaded(key, () => ask());
  const more = useSignal<{ turns: Turn[]; next: string | null; searched: number } | null>(null);
  const problem = useSignal<Problem | null>(null);
  const isLoading = useSignal(false);
  const current = useRef(key);
  current.current = key;
  useEffect(() => {
    more.value = null;
    problem.value = null;
  }, [key]);
  document.title = `${say('list')} · ${document.body.dataset.bot}`;
  const { data, loading } = first.value;
  const turns = [...(data?.turns ?? []), ...(more.value?.turns ?? [])];
  const next = more.value ? more.value.next : (data?.next ?? null);
  const searched = more.value?.searched ?? data?.searched;
  const goOn = async () => {
    if (!next || isLoading.value) return;
    isLoading.value = true;
    const page = await once(() => ask(next));
    isLoading.value = false;
    // Another search was begun meanwhile.
    if (current.current !== key) return;
    problem.value = page.problem;
    const found = page.data;
    if (found)
      more.value = {
        turns: [...(more.value?.turns ?? []), ...found.turns],
        next: found.next,
        searched: found.searched,
      };
  };
  const mayExport = me.roles.includes('editor') || me.roles.includes('admin');
  return (
    <main class="page">
      <Filters given={given} choose={(fields) => route(`/console/conversations?${new URLSearchParams(fields)}`)} />
      <Trouble problem={first.value.problem ?? problem.value} />
      <p class="hint" role="status">
        {loading && !data ? say('loading') : `${number(turns.length)}${next ? '+' : ''} ${say('found')}`}
        {mayExport && (
          <>
            {' · '}
            <a href={`/api/admin/turns/export?${key}&format=csv`} download>
              CSV
            </a>
            {' · '}
            <a href={`/api/admin/turns/export?${key}&format=jsonl`} download>
              JSON
            </a>
          </>
        )}
      </p>
      <ul class="turns">
        {turns.map((turn) => (
          <li key={turn.turnId}>
            <Row turn={turn} />
          </li>
        ))}
      </ul>
      {next && (
        <p class="more">
          <button type="button" disabled={isLoading.value} onClick={() => void goOn()}>
            {isLoading.value ? say('loading') : say('more')}
          </button>{' '}
          {searched !== undefined && (
            <span class="hint">
              {say('searchedTo')} {moment(searched)}
            </span>
          )}
        </p>
      )}
      {data && !next && turns.length === 0 && <p class="hint">{say('nothingFound')}</p>}
    </main>
  );
}

function Row({ turn }: { turn: Turn }) {
  const { text, reply, intent, score, outcome, feedback, channel, locale, at, pictures, label } = turn;
  return (
    <a class="row" href={`/console/conversations/${turn.conversationId}?turn=${turn.turnId}`}>
      <span class="line">
        <b class="one-line" lang={locale}>
          {text || (pictures > 0 ? say('picture') : '–')}
        </b>
        <time>{moment(at)}</time>
      </span>
      <span class="line quiet-text">
        <span class="one-line" lang={locale}>
          {reply}
        </span>
      </span>
      <span class="tags">
        {intent && (
          <span class="tag">
            {intent.replaceAll('_', ' ')} {Math.round((score ?? 0) * 100)} %
          </span>
        )}
        {outcome && outcome !== 'answered' && <span class={outcome === 'person' ? 'tag' : 'late'}>{say(outcome)}</span>}
        {label && (
          <span>
            {say('label')}: {label.replaceAll('_', ' ')}
          </span>
        )}
        {feedback && <span>{feedback.rating === 'up' ? '👍' : '👎'}</span>}
        <span class="quiet-text">
          {channel} · {locale}
        </span>
      </span>
    </a>
  );
}

function Filters({ given, choose }: { given: Record<string, string>; choose(fields: Record<string, string>): void }) {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const fields: Record<string, string> = {};
    for (const [name, value] of new FormData(event.currentTarget as HTMLFormElement)) {
      const text = String(value).trim();
      if (text === '') continue;
      const isTime = name === 'from' || name === 'to';
      fields[name] = isTime
        ? String(new Date(text).getTime())
        : name.endsWith('Score')
          ? String(Number(text) / 100)
          : text;
    }
    choose(fields);
  };
  return (
    <form class="filters" key={JSON.stringify(given)} onSubmit={submit}>
      <label class="wide">
        {say('text')}
        <input name="text" type="search" maxLength={100} defaultValue={given.text} />
      </label>
      <label>
        {say('intent')}
        <input name="intent" maxLength={64} defaultValue={given.intent} />
      </label>
      <label>
        {say('outcome')}
        <select name="outcome" value={given.outcome ?? ''}>
          <option value="">{say('all')}</option>
          {OUTCOMES.map((outcome) => (
            <option key={outcome} value={outcome}>
              {say(outcome)}
            </option>
          ))}
        </select>
      </label>
      <label>
        {say('feedback')}
        <select name="feedback" value={given.feedback ?? ''}>
          <option value="">{say('all')}</option>
          <option value="up">👍</option>
          <option value="down">👎</option>
        </select>
      </label>
      <details
        open={['from', 'to', 'minScore', 'maxScore', 'locale', 'channel', 'model', 'label'].some(
          (name) => name in given,
        )}
      >
        <summary>{say('moreFilters')}</summary>
        <div class="filters">
          <label>
            {say('from')}
            <input name="from" type="datetime-local" defaultValue={localTime(given.from)} />
          </label>
          <label>
            {say('to')}
            <input name="to" type="datetime-local" defaultValue={localTime(given.to)} />
          </label>
          <label>
            {say('minScore')}
            <input name="minScore" type="number" min={0} max={100} defaultValue={scoreOf(given.minScore)} />
          </label>
          <label>
            {say('maxScore')}
            <input name="maxScore" type="number" min={0} max={100} defaultValue={scoreOf(given.maxScore)} />
          </label>
          <label>
            {say('spoken')}
            <input name="locale" maxLength={10} defaultValue={given.locale} />
          </label>
          <label>
            {say('channel')}
            <input name="channel" maxLength={64} defaultValue={given.channel} />
          </label>
          <label>
            {say('model')}
            <input name="model" maxLength={64} defaultValue={given.model} />
          </label>
          <label>
            {say('label')}
            <input name="label" maxLength={64} defaultValue={given.label} />
          </label>
        </div>
      </details>
      <button class="primary" type="submit">
        {say('search')}
      </button>
      {Object.keys(given).length > 0 && (
        <a class="button" href="/console/conversations">
          {say('clear')}
        </a>
      )}
    </form>
  );
}

/** As the field writes it, by this machine's clock. */
function localTime(at?: string): string | undefined {
  if (at === undefined || !Number.isFinite(Number(at))) return undefined;
  const date = new Date(Number(at));
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

const scoreOf = (score?: string) => (score === undefined ? undefined : String(Math.round(Number(score) * 100)));
