import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { act, api, type Problem, type Schemas } from '../api.ts';
import { useLive } from '../live.ts';
import { clock, own, say } from '../texts.ts';
import { Composer } from './composer.tsx';
import { Customer } from './customer.tsx';
import { LessonForm, questionAndAnswer } from './lesson.tsx';
import { Turn } from './turn.tsx';

type Transcript = Schemas['Transcript'];

interface Props {
  id: string;
  me: Schemas['Me'];
  agents: Schemas['Agent'][];
  content: Schemas['DeskContent'] | null;
  leave(): void;
}

/** One conversation: what was said, what the bot understood, and what an agent may do. */
export function Conversation({ id, me, agents, content, leave }: Props) {
  const transcript = useSignal<Transcript | null>(null);
  /** All that was seen of it, by id: what leaves the newest stays here. */
  const seen = useSignal<ReadonlyMap<string, Schemas['DeskTurn']>>(new Map());
  const hasOlder = useSignal(true);
  const problem = useSignal<Problem | null>(null);
  const passing = useRef<HTMLDialogElement>(null);
  const closing = useRef<HTMLDialogElement>(null);
  const log = useRef<HTMLDivElement>(null);
  useLive(`/api/admin/desk/${id}`, transcript, leave);
  const path = { params: { path: { conversationId: id } } };
  const current = transcript.value;
  const keep = (found: Schemas['DeskTurn'][]) => {
    seen.value = new Map([...seen.value, ...found.map((turn) => [turn.turnId, turn] as const)]);
  };
  useEffect(() => keep(current?.turns ?? []), [current]);
  const turns = [...seen.value.values()].sort(
    (a, b) => (a.ordinal ?? Infinity) - (b.ordinal ?? Infinity) || a.at - b.at,
  );
  const last = turns.at(-1);
  const taught = useSignal(false);
  // Whoever reads further up is left there.
  const toEnd = () => {
    const box = log.current;
    if (box && box.scrollHeight - box.scrollTop - box.clientHeight < 400) box.scrollTop = box.scrollHeight;
  };
  useEffect(() => {
    toEnd();
  }, [last?.turnId, last?.status, last?.replies.length]);
  if (!current) return null;

  const { speaker } = current;
  const mine = speaker.kind === 'person' && speaker.agent.id === me.id;
  const doing = async (work: Parameters<typeof act>[0]) => {
    problem.value = await act(work);
    return problem.value === null;
  };
  const showOlder = async () => {
    const before = String(turns[0]?.ordinal ?? 0);
    const { data } = await api.GET('/api/admin/desk/{conversationId}/turns', {
      params: { path: { conversationId: id }, query: { before } },
    });
    hasOlder.value = (data?.turns.length ?? 0) > 0;
    keep(data?.turns ?? []);
  };
  const ticket = speaker.kind === 'bot' ? current.callback?.ticket : speaker.ticket;
  const reason = speaker.kind === 'bot' ? current.callback?.reason : speaker.reason;

  return (
    <>
      <div class="bar">
        <button type="button" class="quiet only-phone" onClick={leave}>
          ← {say('back')}
        </button>
        <dl class="facts">
          <div>
            <dt>{say('customer')}</dt>
            <dd>{current.customerId ?? say('guest')}</dd>
          </div>
          {reason && (
            <div>
              <dt>{say('reason')}</dt>
              <dd>{reason.replaceAll('_', ' ')}</dd>
            </div>
          )}
          {ticket && (
            <div>
              <dt>{say('reference')}</dt>
              <dd>{ticket}</dd>
            </div>
          )}
          <div>
            <dt>{say('channel')}</dt>
            <dd>
              {current.channel} · {current.locale}
            </dd>
          </div>
        </dl>
        <span class="grow" />
        {current.viewers.length > 0 && (
          <span class="quiet-text" role="status">
            {current.viewers.map(({ name }) => name).join(', ')} {say('looking')}
          </span>
        )}
        <span class="actions">
          {current.callback && speaker.kind === 'bot' && (
            <button
              type="button"
              onClick={() =>
                void doing(() => api.POST('/api/admin/desk/{conversationId}/dismiss', { ...path, body: {} }))
              }
            >
              {say('dismiss')}
            </button>
          )}
          {speaker.kind !== 'person' && (
            <button
              type="button"
              class="primary"
              onClick={() => void doing(() => api.POST('/api/admin/desk/{conversationId}/take', { ...path, body: {} }))}
            >
              {say(speaker.kind === 'waiting' || current.callback ? 'take' : 'takeOver')}
            </button>
          )}
          {mine && (
            <>
              <button type="button" onClick={() => passing.current?.showModal()}>
                {say('pass')}
              </button>
              <button
                type="button"
                onClick={() =>
                  void doing(() => api.POST('/api/admin/desk/{conversationId}/give-back', { ...path, body: {} }))
                }
              >
                {say('giveBack')}
              </button>
              <button type="button" onClick={() => closing.current?.showModal()}>
                {say('close')}
              </button>
            </>
          )}
        </span>
      </div>
      {problem.value && (
        <p class="problem" role="alert">
          {say('failed')}: {problem.value.title} {problem.value.detail}
        </p>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard too */}
      <div class="log" onLoadCapture={toEnd} ref={log} role="log" aria-label={say('desk')} tabIndex={0}>
        {hasOlder.value && (turns[0]?.ordinal ?? 1) > 1 && (
          <button type="button" class="quiet" onClick={() => void showOlder()}>
            {say('older')}
          </button>
        )}
        {turns.map((turn) => (
          <Turn key={turn.turnId} turn={turn} conversationId={id} content={content} />
        ))}
      </div>
      {current.isTyping && (
        <p class="hint typing" role="status">
          {say('typing')}
        </p>
      )}
      <Customer id={id} />
      <details class="notes" open={current.notes.length > 0}>
        <summary>
          {say('notes')} <span class="count">{current.notes.length}</span>
        </summary>
        {current.notes.length === 0 && <p class="hint">{say('noNotes')}</p>}
        <ul>
          {current.notes.map(({ key, by, text, at }) => (
            <li key={key}>
              <b>{by.name}</b> <time>{clock(at)}</time>
              <span class="text">{text}</span>
            </li>
          ))}
        </ul>
        <Note
          add={(text, key) =>
            doing(() => api.POST('/api/admin/desk/{conversationId}/notes', { ...path, body: { text, key } }))
          }
        />
      </details>
      {mine && (
        <Composer
          id={id}
          draft={current.draft}
          locale={current.locale}
          canned={content?.canned ?? []}
          send={(text, key) =>
            doing(() => api.POST('/api/admin/desk/{conversationId}/messages', { ...path, body: { text, key } }))
          }
          sendPicture={(file, key) =>
            doing(async () => {
              const query = new URLSearchParams({
                key,
                name: file.name.replace(/[/\\]/g, ' ').slice(-100) || 'picture',
              });
              const response = await fetch(`/api/admin/desk/${id}/pictures?${query}`, { method: 'POST', body: file });
              return { response, error: response.ok ? undefined : await response.json() };
            })
          }
        />
      )}
      <dialog ref={passing} aria-label={say('passTo')}>
        <h2>{say('passTo')}</h2>
        <Choices
          choices={[
            ...agents.map(({ id: to, name }) => ({ value: to, title: name })),
            { value: '', title: say('anyone') },
          ]}
          choose={(to) => {
            passing.current?.close();
            void doing(() => api.POST('/api/admin/desk/{conversationId}/pass', { ...path, body: { to: to || null } }));
          }}
          cancel={() => passing.current?.close()}
        />
      </dialog>
      <dialog ref={closing} aria-label={say('closeAs')}>
        <h2>{say('closeAs')}</h2>
        <Choices
          choices={(content?.wrapUp ?? []).map(({ name, title }) => ({ value: name, title: own(title) }))}
          choose={(wrapUp) => {
            closing.current?.close();
            void doing(() => api.POST('/api/admin/desk/{conversationId}/close', { ...path, body: { wrapUp } }));
          }}
          cancel={() => closing.current?.close()}
        />
        {taught.value ? (
          <p class="hint" role="status">
            {say('taught')}
          </p>
        ) : (
          <details>
            <summary>{say('teach')}</summary>
            <LessonForm
              // Filled in anew with each answer.
              key={questionAndAnswer(turns)?.key}
              turns={turns}
              intents={content?.intents ?? []}
              teach={(lesson) =>
                doing(() => api.POST('/api/admin/desk/{conversationId}/lessons', { ...path, body: lesson }))
              }
              done={() => {
                taught.value = true;
              }}
            />
          </details>
        )}
      </dialog>
    </>
  );
}

function Choices({
  choices,
  choose,
  cancel,
}: {
  choices: { value: string; title: string }[];
  choose(value: string): void;
  cancel(): void;
}) {
  return (
    <div class="choices">
      {choices.map(({ value, title }) => (
        <button type="button" key={value} onClick={() => choose(value)}>
          {title}
        </button>
      ))}
      <button type="button" class="quiet" onClick={cancel}>
        {say('cancel')}
      </button>
    </div>
  );
}

function Note({ add }: { add(text: string, key: string): Promise<boolean> }) {
  const text = useSignal('');
  const key = useRef(crypto.randomUUID());
  return (
    <form
      class="note"
      onSubmit={async (event) => {
        event.preventDefault();
        if (text.value.trim() === '' || !(await add(text.value, key.current))) return;
        text.value = '';
        key.current = crypto.randomUUID();
      }}
    >
      <input
        aria-label={say('noteWrite')}
        placeholder={say('noteWrite')}
        maxLength={4_000}
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
        }}
      />
      <button type="submit">{say('note')}</button>
    </form>
  );
}
