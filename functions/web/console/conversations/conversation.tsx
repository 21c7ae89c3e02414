import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { api, type Schemas } from '../api.ts';
import { once, useLoaded } from '../load.ts';
import { duration, moment, percent, say } from '../texts.ts';
import { Trouble } from '../trouble.tsx';

type Turn = Schemas['LoggedConversation']['turns'][number];

/** A conversation as its user saw it, and beside each turn what the bot made of it. */
export function Conversation({ id, me }: { id: string; me: Schemas['Me'] }) {
  const { query } = useLocation();
  const older = useSignal<Turn[]>([]);
  const hasMore = useSignal(true);
  const isLoading = useSignal(false);
  const ask = (before?: number) =>
    api.GET('/api/admin/conversations/{conversationId}', {
      params: {
        path: { conversationId: id },
        query: (before === undefined ? {} : { before: String(before) }) as never,
      },
    });
  const loaded = useLoaded(id, () => ask());
  const { data, problem } = loaded.value;
  const mayLabel = me.roles.includes('editor') || me.roles.includes('admin');
  const turns = [...older.value, ...(data?.turns ?? [])];
  useEffect(() => {
    if (data && query.turn) document.getElementById(query.turn)?.scrollIntoView({ block: 'center' });
  }, [data]);
  document.title = `${say('conversation')} · ${document.body.dataset.bot}`;
  const showOlder = async () => {
    isLoading.value = true;
    const { data: page } = await once(() => ask(turns[0]?.ordinal));
    isLoading.value = false;
    if (!page) return;
    older.value = [...page.turns, ...older.value];
    hasMore.value = page.more;
  };
  return (
    <main class="page">
      <p>
        <a href="/console/conversations">{say('back')}</a> <span class="id quiet-text">{id}</span>
      </p>
      <Trouble problem={problem} />
      {data?.more && hasMore.value && (
        <button type="button" disabled={isLoading.value} onClick={() => void showOlder()}>
          {say('older')}
        </button>
      )}
      <ol class="known">
        {turns.map((turn) => (
          <li key={turn.turnId} id={turn.turnId} aria-current={turn.turnId === query.turn ? 'true' : undefined}>
            <Said turn={turn} />
            {!turn.by && <Known turn={turn} />}
            {mayLabel && !turn.by && turn.text && !turn.label && (
              <a class="small" href={`/console/review?conversation=${id}&turn=${turn.turnId}`}>
                {say('labelIt')}
              </a>
            )}
          </li>
        ))}
      </ol>
    </main>
  );
}

function Said({ turn }: { turn: Turn }) {
  const { text, by, replies, at, locale, pictures, feedback, wrapUp, stars } = turn;
  return (
    <div class="dialogue">
      {!by && (text || pictures > 0) && (
        <div class="said customer">
          <span class="who">
            {say('customer')} <time>{moment(at)}</time>
          </span>
          <p class="text" lang={locale}>
            {text || `${pictures} × ${say('picture')}`}
          </p>
        </div>
      )}
      {replies.map((reply, index) => (
        <div class={`said ${by ? 'person' : 'bot'}`} key={index}>
          <span class="who">
            {by?.name ?? say('bot')} {by && <time>{moment(at)}</time>}
          </span>
          <p class="text" lang={locale}>
            {reply.text}
          </p>
          {reply.cards.length > 0 && <p class="quiet-text">{reply.cards.join(' · ')}</p>}
          {reply.suggestions.length > 0 && (
            <p class="quiet-text">{reply.suggestions.map((one) => `[${one}]`).join(' ')}</p>
          )}
        </div>
      ))}
      {wrapUp && (
        <p class="mark">
          {say('ended')} {wrapUp}
        </p>
      )}
      {stars !== undefined && (
        <p class="mark">
          {say('rated')} {'★'.repeat(stars)}
        </p>
      )}
      {feedback && (
        <p class="mark">
          {feedback.rating === 'up' ? '👍' : '👎'} {feedback.comment}
        </p>
      )}
    </div>
  );
}

function Known({ turn }: { turn: Turn }) {
  const { intent, score, top, wishes, faq, outcome, skill, timings, ms, modelName, model, content, traceId } = turn;
  const rows: [string, string][] = [
    [say('skill'), skill],
    ...(turn.handover ? ([[say('handed_over'), turn.handover]] as [string, string][]) : []),
    ...(turn.label ? ([[say('label'), turn.label]] as [string, string][]) : []),
    ...(turn.meant ? ([[say('meant'), turn.meant]] as [string, string][]) : []),
    ...(faq ? ([['FAQ', `${faq.entry} ${percent(faq.score)}`]] as [string, string][]) : []),
    ...(modelName ? ([[say('model'), `${modelName} ${model}`]] as [string, string][]) : []),
    ...(content ? ([[say('content'), content.slice(0, 12)]] as [string, string][]) : []),
    ...(turn.lastError ? ([[say('failed'), turn.lastError]] as [string, string][]) : []),
    ...(turn.deliveryError ? ([[say('undelivered'), turn.deliveryError]] as [string, string][]) : []),
    [
      say('hops'),
      [...Object.entries(timings), ['Σ', ms] as const].map(([hop, took]) => `${hop} ${duration(took)}`).join(' · '),
    ],
    ...(traceId ? ([[say('trace'), traceId]] as [string, string][]) : []),
  ];
  const guesses = [...top].sort((a, b) => b.score - a.score);
  return (
    <div class="facts-of">
      {outcome && <span class={outcome === 'answered' || outcome === 'person' ? 'tag' : 'late'}>{say(outcome)}</span>}
      {intent && (
        <table>
          <caption class="hidden">{say('guesses')}</caption>
          <tbody>
            {(guesses.length > 0 ? guesses : [{ intent, score: score ?? 0 }]).map((guess) => (
              <tr key={guess.intent}>
                <th scope="row">{guess.intent.replaceAll('_', ' ')}</th>
                <td>
                  <meter min={0} max={1} value={guess.score} aria-hidden="true" />
                </td>
                <td class="num">{percent(guess.score)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {wishes.length > 0 && (
        <p class="quiet-text">
          {say('wishes')}: {wishes.map((wish) => `${wish.negated ? '¬' : ''}${wish.entry ?? wish.intent}`).join(', ')}
        </p>
      )}
      <dl class="small">
        {rows.map(([title, value]) => (
          <div key={title}>
            <dt>{title}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
