import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { api, type Schemas } from '../api.ts';
import { useLive } from '../live.ts';
import { ago, say } from '../texts.ts';
import { Conversation } from './conversation.tsx';

type Listed = Schemas['DeskConversation'];

const desk = signal<Schemas['Desk'] | null>(null);
const content = signal<Schemas['DeskContent'] | null>(null);
/** Milliseconds by which this machine's clock is behind the platform's. */
const behind = signal(0);
const tick = signal(Date.now());

/** Who waits, who has whom, and the conversation that is chosen. */
export function Desk({ me, id }: { me: Schemas['Me']; id?: string }) {
  const { route } = useLocation();
  useLive('/api/admin/desk', desk);
  useEffect(() => {
    void api.GET('/api/admin/desk-content').then(({ data }) => {
      content.value = data ?? null;
    });
    const timer = setInterval(() => {
      tick.value = Date.now();
    }, 5_000);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => {
    if (desk.value) behind.value = desk.value.now - Date.now();
  }, [desk.value]);
  const all = desk.value?.conversations ?? [];
  const isMine = ({ speaker }: Listed) => speaker.kind === 'person' && speaker.agent.id === me.id;
  const waiting = all
    .filter(({ speaker }) => speaker.kind === 'waiting')
    // What a colleague has handed to me is mine to look at first.
    .sort((a, b) => Number(forMe(b, me)) - Number(forMe(a, me)));
  const groups: [string, Listed[]][] = [
    [say('mine'), all.filter(isMine)],
    [say('waiting'), waiting],
    [say('messages'), all.filter(({ callback, speaker }) => callback !== null && speaker.kind === 'bot')],
    [say('others'), all.filter((one) => one.speaker.kind === 'person' && !isMine(one))],
  ];
  document.title = `${waiting.length > 0 ? `(${waiting.length}) ` : ''}${say('desk')} · ${document.body.dataset.bot}`;
  return (
    <main class={`desk ${id ? 'chosen' : ''}`}>
      <section class="list" aria-label={say('list')}>
        {desk.value && !desk.value.isOpen && <p class="hint">{say('closed')}</p>}
        {desk.value && all.length === 0 && <p class="hint">{say('nobody')}</p>}
        {groups
          .filter(([, list]) => list.length > 0)
          .map(([title, list]) => (
            <section key={title}>
              <h2>
                {title} <span class="count">{list.length}</span>
              </h2>
              <ul>
                {list.map((one) => (
                  <li key={one.conversationId}>
                    <Row one={one} me={me} chosen={one.conversationId === id} />
                  </li>
                ))}
              </ul>
            </section>
          ))}
      </section>
      <section class="conversation" aria-label={say('conversation')}>
        {id ? (
          <Conversation
            key={id}
            id={id}
            me={me}
            agents={(desk.value?.agents ?? []).filter((agent) => agent.id !== me.id)}
            content={content.value}
            leave={() => route('/console/desk')}
          />
        ) : (
          <p class="hint choose">{say('choose')}</p>
        )}
      </section>
    </main>
  );
}

function forMe({ speaker }: Listed, me: Schemas['Me']): boolean {
  return speaker.kind === 'waiting' && speaker.for?.id === me.id;
}

function Row({ one, me, chosen }: { one: Listed; me: Schemas['Me']; chosen: boolean }) {
  const { speaker, callback, locale, channel, conversationId } = one;
  const since = speaker.kind === 'bot' ? (callback?.since ?? one.updatedAt) : speaker.since;
  const reason = speaker.kind === 'bot' ? callback?.reason : speaker.reason;
  const ticket = speaker.kind === 'bot' ? callback?.ticket : speaker.ticket;
  const late = speaker.kind === 'person' && speaker.agent.id === me.id && speaker.unanswered !== null;
  return (
    <a class="row" href={`/console/desk/${conversationId}`} aria-current={chosen ? 'true' : undefined}>
      <span class="line">
        <b>{(reason ?? '').replaceAll('_', ' ')}</b>
        <time>{ago(tick.value + behind.value - since)}</time>
      </span>
      <span class="line quiet-text">
        <span>
          {ticket} · {channel} · <span class="tag">{locale}</span>
        </span>
        {late && <span class="late">{say('unanswered')}</span>}
        {forMe(one, me) && <span class="late">{me.name}</span>}
        {speaker.kind === 'person' && speaker.agent.id !== me.id && (
          <span>
            {say('withPerson')} {speaker.agent.name}
          </span>
        )}
      </span>
    </a>
  );
}
