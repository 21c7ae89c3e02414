import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { act, api, type Problem, type Schemas } from '../api.ts';
import { once } from '../load.ts';
import { moment, number, percent, say, type Text } from '../texts.ts';
import { Trouble } from '../trouble.tsx';

type Item = Schemas['Reviews']['items'][number];

/** Out of scope. */
const NONE = 'none';

/** What customers wrote that most needs a look: one key says what it means, and the next is there already. */
export function Review() {
  const { route, query } = useLocation();
  // What somebody came to say something of.
  const first = useRef(
    query.conversation && query.turn ? { conversationId: query.conversation, turnId: query.turn } : null,
  );
  const items = useSignal<Item[] | null>(null);
  const waiting = useSignal(0);
  const intents = useSignal<string[]>([]);
  const problem = useSignal<Problem | null>(null);
  const done = useSignal<{ id: string; text: string; what: string }[]>([]);
  const typed = useSignal('');
  const input = useRef<HTMLInputElement>(null);
  const isAsking = useRef(false);
  const pending = useRef<Promise<Problem | null>>(Promise.resolve(null));
  document.title = `${say('review')} · ${document.body.dataset.bot}`;

  /** Fills up what is looked at next. */
  const refill = async () => {
    if (isAsking.current) return;
    isAsking.current = true;
    const turn = first.current;
    first.current = null;
    const found = await once(() => api.POST('/api/admin/review', { body: turn ? { turn } : {} }));
    isAsking.current = false;
    // It can't be said any more: what else needs a look can.
    if (turn && found.problem) {
      await refill();
      problem.value = found.problem;
      return;
    }
    problem.value = found.problem;
    if (!found.data) return;
    const over = new Set(done.value.map(({ id }) => id));
    const known = new Set((items.value ?? []).map(({ id }) => id));
    items.value = [...(items.value ?? []), ...found.data.items.filter(({ id }) => !known.has(id) && !over.has(id))];
    waiting.value = found.data.waiting;
    intents.value = found.data.intents;
  };
  useEffect(() => void refill(), []);

  const current = items.value?.[0];
  const decide = async (kind: 'intent' | 'skip', intent?: string) => {
    if (!current) return;
    const { id, text } = current;
    items.value = (items.value ?? []).slice(1);
    done.value = [...done.value, { id, text, what: kind === 'skip' ? say('skip') : intent! }];
    typed.value = '';
    input.current?.blur();
    const body = kind === 'skip' ? { kind } : { kind, intent: intent! };
    const params = { path: { reviewId: id } };
    pending.current = act(() => api.POST('/api/admin/review/{reviewId}', { params, body }));
    const failed = await pending.current;
    if (failed) {
      problem.value = failed;
      done.value = done.value.filter((one) => one.id !== id);
      // A colleague's by now: there is nothing to say of it any more. Anything else is looked at once more, with the reason.
      const isGone = failed.code === 'content_changed' || failed.code === 'not_found';
      if (!isGone) items.value = [current, ...(items.value ?? [])];
      if (!isGone) return;
    }
    void refill();
  };
  const undo = async () => {
    // What is on its way is there first.
    await pending.current;
    const last = done.value.at(-1);
    if (!last) return;
    const params = { path: { reviewId: last.id } };
    problem.value = await act(() => api.POST('/api/admin/review/{reviewId}/undo', { params, body: {} }));
    if (problem.value) return;
    done.value = done.value.slice(0, -1);
    items.value = null;
    await refill();
  };
  const key = (event: KeyboardEvent) => {
    const { target } = event;
    // A key that is held says nothing of a text that nobody has read.
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (target instanceof HTMLInputElement) {
      if (event.key === 'Escape') input.current?.blur();
      return;
    }
    // By their place: a Korean keyboard has other letters there.
    const guess = current?.top[Number(/^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1]) - 1]?.intent;
    const keys: Record<string, () => unknown> = {
      KeyR: () => current?.intent && decide('intent', current.intent),
      KeyO: () => decide('intent', NONE),
      KeyS: () => decide('skip'),
      KeyU: undo,
      KeyI: () => input.current?.focus(),
      KeyN: () => route('/console/bot?kind=intent'),
    };
    const action = guess ? () => decide('intent', guess) : keys[event.code];
    if (!action) return;
    event.preventDefault();
    void action();
  };
  const newest = useRef(key);
  newest.current = key;
  useEffect(() => {
    const listen = (event: KeyboardEvent) => newest.current(event);
    addEventListener('keydown', listen);
    return () => removeEventListener('keydown', listen);
  }, []);

  return (
    <main class="page">
      <Trouble problem={problem.value} />
      <p class="hint" role="status">
        {items.value === null
          ? say('loading')
          : `${number(waiting.value)} ${say('toReview')} · ${number(done.value.length)} ${say('reviewed')}`}
        {done.value.length > 0 && ` · ${done.value.at(-1)!.text} → ${done.value.at(-1)!.what.replaceAll('_', ' ')}`}
      </p>
      {items.value && !current && <p class="hint">{say('nothingToReview')}</p>}
      {current && (
        <section class="card" aria-label={say('review')} key={current.id}>
          <p class="tags">
            {current.reasons.map((reason) => (
              <span class="late" key={reason}>
                {say(`reason_${reason}` as Text)}
              </span>
            ))}
            <span class="quiet-text">
              {number(current.times)} × · {current.locale} · {moment(current.at)}
            </span>
            <a href={`/console/conversations/${current.conversationId}?turn=${current.turnId}`}>
              {say('conversation')}
            </a>
          </p>
          <p class="utterance" lang={current.locale}>
            {current.text}
          </p>
          <p class="quiet-text" lang={current.locale}>
            {current.reply}
          </p>
          <p class="actions">
            {current.intent && (
              <button type="button" class="primary" onClick={() => void decide('intent', current.intent!)}>
                <kbd>R</kbd> {say('right')}: {current.intent.replaceAll('_', ' ')} {percent(current.score ?? 0)}
              </button>
            )}
            {current.top.map(({ intent, score }, index) => (
              <button type="button" key={intent} onClick={() => void decide('intent', intent)}>
                <kbd>{index + 1}</kbd> {intent.replaceAll('_', ' ')} {percent(score)}
              </button>
            ))}
          </p>
          <form
            class="filters"
            onSubmit={(event) => {
              event.preventDefault();
              const wanted = typed.value.trim().toLowerCase().replaceAll(' ', '_');
              const begun = intents.value.filter((name) => name.startsWith(wanted));
              // One that is meant for sure: the whole name, or the only one that begins so.
              const found = intents.value.includes(wanted) ? wanted : begun.length === 1 ? begun[0] : undefined;
              if (wanted && found) void decide('intent', found);
            }}
          >
            <label class="wide">
              <span>
                <kbd>I</kbd> {say('otherIntent')}
              </span>
              <input
                ref={input}
                list="intents"
                autocomplete="off"
                value={typed.value}
                onInput={(event) => {
                  typed.value = event.currentTarget.value;
                }}
              />
            </label>
            <datalist id="intents">
              {intents.value.map((name) => (
                <option key={name} value={name} />
              ))}
            </datalist>
            <button type="submit">{say('keep')}</button>
            <button type="button" onClick={() => void decide('intent', NONE)}>
              <kbd>O</kbd> {say('outOfScope')}
            </button>
            <button type="button" onClick={() => void decide('skip')}>
              <kbd>S</kbd> {say('skip')}
            </button>
            <a class="button" href="/console/bot?kind=intent">
              <kbd>N</kbd> {say('newIntent')}
            </a>
          </form>
        </section>
      )}
      {done.value.length > 0 && (
        <p>
          <button type="button" onClick={() => void undo()}>
            <kbd>U</kbd> {say('undo')}
          </button>
        </p>
      )}
      <p class="hint">{say('reviewWhy')}</p>
    </main>
  );
}
