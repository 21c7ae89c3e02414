import { useSignal } from '@preact/signals';
import { useLocation } from 'preact-iso';
import { act, api, type Problem, type Schemas } from '../api.ts';
import { useLoaded } from '../load.ts';
import { moment, say } from '../texts.ts';
import { Trouble } from '../trouble.tsx';

type Incident = Schemas['ListedIncidents']['incidents'][number];

const KINDS = ['turn_failed', 'delivery_failed', 'poison_message'] as const;

/** What an operator must look at. */
export function Incidents({ me }: { me: Schemas['Me'] }) {
  const { query, route } = useLocation();
  const { kind, before } = query;
  const open = query.open ?? 'true';
  const changes = useSignal(0);
  const problem = useSignal<Problem | null>(null);
  const loaded = useLoaded(
    JSON.stringify([kind, open, before, changes.value]),
    () => api.GET('/api/admin/incidents', { params: { query: { kind, open, before } as never } }),
    10_000,
  );
  document.title = `${say('incidents')} · ${document.body.dataset.bot}`;
  const { data } = loaded.value;
  const choose = (change: Record<string, string>) => {
    const next = Object.entries({ open, ...(kind ? { kind } : {}), ...change }).filter(([, value]) => value !== '');
    route(`/console/incidents?${new URLSearchParams(next)}`);
  };
  const mayChange = me.roles.includes('releaser') || me.roles.includes('admin');
  const done = async (incident: Incident, what: 'acknowledge' | 'repeat') => {
    const params = { path: { incidentId: incident.id } };
    problem.value = await act(() =>
      what === 'acknowledge'
        ? api.POST('/api/admin/incidents/{incidentId}/acknowledge', { params, body: {} })
        : api.POST('/api/admin/incidents/{incidentId}/repeat', { params, body: {} }),
    );
    changes.value += 1;
  };
  return (
    <main class="page">
      <div class="filters">
        <label>
          {say('kind')}
          <select value={kind ?? ''} onChange={(event) => choose({ kind: event.currentTarget.value })}>
            <option value="">{say('all')}</option>
            {KINDS.map((one) => (
              <option key={one} value={one}>
                {say(one)}
              </option>
            ))}
          </select>
        </label>
        <label class="check">
          <input
            type="checkbox"
            checked={open === 'true'}
            onChange={(event) => choose({ open: String(event.currentTarget.checked) })}
          />
          {say('onlyOpen')}
        </label>
      </div>
      <Trouble problem={problem.value ?? loaded.value.problem} />
      {data?.incidents.length === 0 && <p class="hint">{say('noIncidents')}</p>}
      <ul class="cards">
        {data?.incidents.map((incident) => (
          <li class="card" key={incident.id}>
            <p class="line">
              <b>{say(incident.kind)}</b>
              <time>{moment(incident.at)}</time>
            </p>
            <p class="text">{incident.reason}</p>
            <p class="quiet-text">
              {incident.conversationId && (
                <a
                  href={`/console/conversations/${incident.conversationId}${incident.turnId ? `?turn=${incident.turnId}` : ''}`}
                >
                  {say('conversation')}
                </a>
              )}
              {incident.acknowledged &&
                ` · ${say('seenTo')} ${incident.acknowledged.by.name}, ${moment(incident.acknowledged.at)}`}
              {incident.repeated &&
                ` · ${say('repeated')} ${incident.repeated.by.name}, ${moment(incident.repeated.at)}`}
            </p>
            {mayChange && (
              <p class="actions">
                {!incident.acknowledged && (
                  <button type="button" onClick={() => void done(incident, 'acknowledge')}>
                    {say('acknowledge')}
                  </button>
                )}
                {incident.repeatable && (
                  <button type="button" onClick={() => void done(incident, 'repeat')}>
                    {say('repeat')}
                  </button>
                )}
              </p>
            )}
          </li>
        ))}
      </ul>
      {data?.next && (
        <button type="button" onClick={() => choose({ before: String(data.next) })}>
          {say('older')}
        </button>
      )}
    </main>
  );
}
