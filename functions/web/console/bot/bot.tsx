import { useSignal } from '@preact/signals';
import { useLocation } from 'preact-iso';
import { api, type Schemas } from '../api.ts';
import { useLoaded } from '../load.ts';
import { say, type Text } from '../texts.ts';
import { Trouble } from '../trouble.tsx';
import { Item } from './item.tsx';
import { Publication } from './publication.tsx';
import { Trial } from './trial.tsx';
import { written } from './written.ts';

const KINDS = ['intent', 'faq', 'phrase', 'flow', 'entity'] as const;

/** What the bot says: its items on the left, one of them or all drafts on the right. */
export function Bot({ me, id }: { me: Schemas['Me']; id?: string }) {
  const { query, route } = useLocation();
  const loaded = useLoaded(`content ${written.value}`, () => api.GET('/api/admin/content'));
  const { data, problem } = loaded.value;
  const sought = useSignal('');
  const kind = id?.split('.')[0] ?? query.kind ?? 'intent';
  const mayEdit = me.roles.includes('editor') || me.roles.includes('admin');
  document.title = `${id ?? say('bot')} · ${document.body.dataset.bot}`;
  const items = (data?.items ?? [])
    .filter((item) => item.kind === kind && item.name.includes(sought.value.trim().toLowerCase().replaceAll(' ', '_')))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return (
    <main class={`desk bot ${id ? 'chosen' : ''}`}>
      <section class="list" aria-label={say('items')}>
        <Trouble problem={problem} />
        <fieldset class="segments">
          <legend class="hidden">{say('kind')}</legend>
          {KINDS.map((one) => (
            <button
              type="button"
              key={one}
              aria-pressed={one === kind}
              onClick={() => route(`/console/bot?kind=${one}`)}
            >
              {say(`kind_${one}` as Text)}
            </button>
          ))}
        </fieldset>
        <input
          type="search"
          class="seek"
          aria-label={say('search')}
          placeholder={say('search')}
          value={sought.value}
          onInput={(event) => {
            sought.value = event.currentTarget.value;
          }}
        />
        <a class="row" href="/console/bot" aria-current={!id && query.trial === undefined ? 'true' : undefined}>
          <b>{say('draftsAndVersions')}</b>{' '}
          {data && <span class="count">{data.items.filter(({ draft }) => draft).length}</span>}
        </a>
        {mayEdit && (
          <a class="row" href="/console/bot?trial" aria-current={query.trial === undefined ? undefined : 'true'}>
            <b>{say('tryIt')}</b>
          </a>
        )}
        {mayEdit && <New kind={kind} />}
        <ul>
          {items.map((item) => (
            <li key={item.id}>
              <a class="row" href={`/console/bot/${item.id}`} aria-current={item.id === id ? 'true' : undefined}>
                {item.name.replaceAll('_', ' ')}{' '}
                {item.draft && <span class="tag">{say(`draft_${item.draft.state}` as Text)}</span>}
              </a>
            </li>
          ))}
        </ul>
      </section>
      <section class="conversation page" aria-label={say('bot')}>
        {id && data ? (
          <Item key={id} id={id} list={data} mayEdit={mayEdit} />
        ) : query.trial !== undefined ? (
          <Trial />
        ) : (
          data && <Publication list={data} mayEdit={mayEdit} />
        )}
      </section>
    </main>
  );
}

/** A name for something new. */
function New({ kind }: { kind: string }) {
  const { route } = useLocation();
  return (
    <form
      class="new"
      onSubmit={(event) => {
        event.preventDefault();
        const name = String(new FormData(event.currentTarget as HTMLFormElement).get('name'))
          .trim()
          .toLowerCase()
          .replaceAll(/\s+/g, '_');
        if (/^[\w-]{1,64}$/.test(name)) route(`/console/bot/${kind}.${name}`);
      }}
    >
      <input name="name" aria-label={say('newName')} placeholder={say('newName')} maxLength={64} autocomplete="off" />
      <button type="submit">{say('add')}</button>
    </form>
  );
}
