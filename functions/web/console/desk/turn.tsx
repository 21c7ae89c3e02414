import type { Schemas } from '../api.ts';
import { clock, own, say } from '../texts.ts';

interface Props {
  turn: Schemas['DeskTurn'];
  conversationId: string;
  content: Schemas['DeskContent'] | null;
}

/** What a customer wrote with what the bot made of it, or what one of the staff said. All of it is text, and never markup. */
export function Turn({ turn, conversationId, content }: Props) {
  const { by, text, replies, attachments, intent, delivery, wrapUp, rating, refused, at } = turn;
  const wrapped = content?.wrapUp.find(({ name }) => name === wrapUp);
  return (
    <div class="turn">
      {!by && (text !== '' || attachments.length > 0 || refused) && (
        <div class="said customer">
          <span class="who">
            {say('customer')} <time>{clock(at)}</time>
          </span>
          {refused && <p class="hint">{say(refused === 'too_many_pictures' ? 'tooMany' : 'tooLong')}</p>}
          {text && <p class="text">{text}</p>}
          {/* Before that it is on its way. */}
          {(turn.status === 'waiting' ? [] : attachments).map(({ index, name }) => (
            <a
              key={index}
              href={`/api/admin/desk/${conversationId}/pictures/${turn.turnId}/${index}`}
              target="_blank"
              rel="noreferrer"
            >
              <img
                src={`/api/admin/desk/${conversationId}/pictures/${turn.turnId}/${index}`}
                alt={`${say('picture')}: ${name}`}
                loading="lazy"
              />
            </a>
          ))}
          {intent && (
            <span class="tag" title={intent.score.toFixed(2)}>
              {intent.name.replaceAll('_', ' ')} {Math.round(intent.score * 100)} %
            </span>
          )}
        </div>
      )}
      {replies.length > 0 && (
        <div class={`said ${by ? 'person' : 'bot'}`}>
          <span class="who">
            {by?.name ?? say('bot')} {by && <time>{clock(at)}</time>}
            {delivery === 'pending' && <span class="quiet-text"> · {say('pending')}</span>}
            {delivery === 'failed' && <span class="late"> · {say('undelivered')}</span>}
          </span>
          {replies.map((reply, index) => (
            <p class="text" key={index}>
              {reply.text}
              {reply.picture?.url === '' && `${say('picture')}: ${reply.picture.name}`}
              {reply.picture?.url && <img src={reply.picture.url} alt={`${say('picture')}: ${reply.picture.name}`} />}
            </p>
          ))}
        </div>
      )}
      {by && replies.length === 0 && !wrapUp && (
        <p class="mark">
          {by.name}: {say('dismiss')}
        </p>
      )}
      {wrapUp && (
        <p class="mark">
          {say('ended')} {wrapped ? own(wrapped.title) : wrapUp}
        </p>
      )}
      {rating !== undefined && (
        <p class="mark">
          {say('rated')} {'★'.repeat(rating)}
          {'☆'.repeat(5 - rating)}
        </p>
      )}
    </div>
  );
}
