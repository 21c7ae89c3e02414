import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { api, type Problem, type Schemas } from '../api.ts';
import { useLoaded } from '../load.ts';
import { moment, number, say } from '../texts.ts';
import { Trouble } from '../trouble.tsx';

type Person = Schemas['Person'];
type Kind = 'api' | 'channel' | 'customer';

/** What is kept of somebody, erasing it, and who of the staff did what. */
export function People() {
  const kind = useSignal<Kind>('api');
  const problem = useSignal<Problem | null>(null);
  const said = useSignal('');
  const asked = useSignal<{ person: Person; id: string } | null>(null);
  const changes = useSignal(0);
  document.title = `${say('people')} · ${document.body.dataset.bot}`;
  const answer = async (work: Promise<{ error?: unknown; response: Response }>, success: () => void) => {
    try {
      const { error, response } = await work;
      problem.value = response.ok
        ? null
        : { status: response.status, code: '', title: response.statusText, ...(error as object) };
      if (response.ok) success();
    } catch {
      problem.value = { status: 0, code: 'lost', title: say('lost') };
    }
    changes.value += 1;
  };
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    said.value = '';
    const fields = new FormData(event.currentTarget as HTMLFormElement);
    const id = String(fields.get('id')).trim();
    const channel = String(fields.get('channel') ?? '').trim();
    const person: Person =
      kind.value === 'customer' ? { customerId: id } : { userId: id, ...(kind.value === 'channel' ? { channel } : {}) };
    if ((event.submitter as HTMLButtonElement | null)?.value === 'erase') {
      asked.value = { person, id };
      return;
    }
    const found = api.POST('/api/admin/people/export', { body: person });
    await answer(found, () => {
      void found.then(({ data }) => download(data));
      said.value = say('exported');
    });
  };
  const erase = async ({ person }: { person: Person }) => {
    asked.value = null;
    const work = api.POST('/api/admin/people/erase', { body: person });
    const { data } = await work.catch(() => ({ data: undefined }));
    await answer(work, () => {
      said.value = `${say('erased')} ${data ? `${number(data.removed.conversations)} ${say('list')}, ${number(data.removed.turns)} ${say('turns')}` : ''}`;
    });
  };
  return (
    <main class="page">
      <section class="card">
        <h2>{say('peopleTitle')}</h2>
        <p class="hint">{say('peopleWhy')}</p>
        <form class="filters" onSubmit={(event) => void submit(event)}>
          <label>
            {say('who')}
            <select value={kind.value} onChange={(event) => (kind.value = event.currentTarget.value as Kind)}>
              <option value="api">{say('userOfApi')}</option>
              <option value="channel">{say('userOfChannel')}</option>
              <option value="customer">{say('customerOfShop')}</option>
            </select>
          </label>
          {kind.value === 'channel' && (
            <label>
              {say('channel')}
              <input name="channel" required maxLength={64} pattern="[\w.\-]+" />
            </label>
          )}
          <label class="wide">
            {say('id')}
            <input name="id" required maxLength={512} autocomplete="off" />
          </label>
          <button type="submit" value="export">
            {say('export')}
          </button>
          <button type="submit" value="erase" class="danger">
            {say('erase')}
          </button>
        </form>
        <Trouble problem={problem.value} />
        <p role="status">{said.value}</p>
      </section>
      {asked.value && <Sure id={asked.value.id} yes={() => void erase(asked.value!)} no={() => (asked.value = null)} />}
      <Audit changes={changes.value} />
    </main>
  );
}

/** What can't be taken back is written once more. */
function Sure({ id, yes, no }: { id: string; yes(): void; no(): void }) {
  const written = useSignal('');
  const place = useRef<HTMLDialogElement | null>(null);
  const open = (element: HTMLDialogElement | null) => {
    place.current = element;
    if (element && !element.open) element.showModal();
  };
  return (
    <dialog ref={open} onClose={no} aria-label={say('erase')}>
      <form
        class="choices"
        onSubmit={(event) => {
          event.preventDefault();
          if (written.value === id) yes();
        }}
      >
        <p>{say('eraseSure')}</p>
        <p>
          <b>{id}</b>
        </p>
        <label>
          {say('writeId')}
          <input autocomplete="off" onInput={(event) => (written.value = event.currentTarget.value.trim())} />
        </label>
        <p class="actions">
          <button type="submit" class="danger" disabled={written.value !== id}>
            {say('erase')}
          </button>
          <button type="button" onClick={() => place.current?.close()}>
            {say('cancel')}
          </button>
        </p>
      </form>
    </dialog>
  );
}

function download(data: unknown): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([JSON.stringify(data, null, 2)], { type: 'application/json' }));
  link.download = 'user-export.json';
  link.click();
  URL.revokeObjectURL(link.href);
}

function Audit({ changes }: { changes: number }) {
  const { query } = useLocation();
  const before = query.before;
  const loaded = useLoaded(JSON.stringify([before, changes]), () =>
    api.GET('/api/admin/audit', { params: { query: { before } as never } }),
  );
  const { data, problem } = loaded.value;
  return (
    <section class="card">
      <h2>{say('audit')}</h2>
      <Trouble problem={problem} />
      {data?.entries.length === 0 && <p class="hint">{say('nothingYet')}</p>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section class="scroll" tabIndex={0} aria-label={say('audit')}>
        <table>
          <thead>
            <tr>
              <th scope="col">{say('time')}</th>
              <th scope="col">{say('who')}</th>
              <th scope="col">{say('what')}</th>
              <th scope="col">{say('of')}</th>
              <th scope="col">{say('result')}</th>
            </tr>
          </thead>
          <tbody>
            {data?.entries.map(({ id, at, by, action, of, state, note, after }) => (
              <tr key={id}>
                <td>{moment(at)}</td>
                <td>{by.name}</td>
                <td>{say(action)}</td>
                <td class="id">
                  {of &&
                    (of.startsWith('conversation.') ? (
                      <a href={`/console/conversations/${of}`}>{short(of)}</a>
                    ) : (
                      short(of)
                    ))}
                </td>
                <td class={state === 'refused' ? 'late' : undefined}>
                  {say(state)} {note} {after !== undefined && <span class="quiet-text">{JSON.stringify(after)}</span>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {data?.next && (
        <a class="button" href={`/console/people?before=${data.next}`}>
          {say('older')}
        </a>
      )}
    </section>
  );
}

const short = (id: string) => (id.length > 28 ? `${id.slice(0, 28)}…` : id);
