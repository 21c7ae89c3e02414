import { useSignal } from '@preact/signals';
import { act, api, type Problem, type Schemas } from '../api.ts';
import { useLoaded } from '../load.ts';
import { duration, moment, percent, say, type Text } from '../texts.ts';
import { Trouble } from '../trouble.tsx';
import { Ramp, type RampAction } from './ramp.tsx';

type Release = Schemas['ListedReleases']['releases'][number];
type Kind = 'swap' | 'rollback';

/** Models on their way to production, with what was measured of each. */
export function Releases({ me }: { me: Schemas['Me'] }) {
  const changes = useSignal(0);
  const problem = useSignal<Problem | null>(null);
  const asked = useSignal<{ kind: Kind; release: string; title: string } | null>(null);
  const loaded = useLoaded(`releases ${changes.value}`, () => api.GET('/api/admin/releases'), 3_000);
  document.title = `${say('releases')} · ${document.body.dataset.bot}`;
  const { data } = loaded.value;
  const mayRelease = me.roles.includes('releaser') || me.roles.includes('admin');
  const swap = async (kind: Kind, release: string) => {
    asked.value = null;
    const body = { release };
    // Not repeated by itself: a second one would undo the first.
    problem.value = await act(
      () =>
        kind === 'swap'
          ? api.POST('/api/admin/releases/swap', { body })
          : api.POST('/api/admin/releases/rollback', { body }),
      1,
    );
    changes.value += 1;
  };
  const ramp = async (action: RampAction, release: string, step?: number) => {
    const body = { action, release, ...(step !== undefined && { step }) };
    problem.value = await act(() => api.POST('/api/admin/releases/ramp', { body }), 1);
    changes.value += 1;
  };
  const isRamped = data?.ramp !== null && ['running', 'waiting', 'swapping'].includes(data?.ramp?.state ?? '');
  // What was asked for, and not what came there meanwhile.
  const stands = asked.value === null || data === null || data[asked.value.kind].release === asked.value.release;
  return (
    <main class="page">
      <Trouble problem={problem.value ?? loaded.value.problem} />
      {data?.last && (
        <p class={data.last.state === 'refused' ? 'late' : 'mark'} role="status">
          {say(data.last.action === 'release.swap' ? 'swap' : 'rollback')} · {data.last.by.name} ·{' '}
          {moment(data.last.at)} ·{' '}
          {data.last.state === 'begun'
            ? `${data.last.note ?? say('begun')} …`
            : `${say(data.last.state)} ${data.last.state === 'refused' ? (data.last.note ?? '') : ''}`}
        </p>
      )}
      {data && mayRelease && (
        <section class="card">
          {(['swap', 'rollback'] as const).map((kind) => (
            <p key={kind} class="actions">
              <button
                type="button"
                class={kind === 'swap' ? 'primary' : ''}
                disabled={data[kind].release === null}
                aria-describedby={`why-${kind}`}
                onClick={() => {
                  const release = data[kind].release!;
                  asked.value = { kind, release, title: titleOf(data.releases, release) };
                }}
              >
                {say(kind)}
              </button>
              {kind === 'swap' && !isRamped && data.swap.release !== null && (
                <button type="button" onClick={() => void ramp('begin', data.swap.release!)}>
                  {say('rampBegin')}
                </button>
              )}
              <span id={`why-${kind}`} class="hint">
                {data[kind].refusal ?? titleOf(data.releases, data[kind].release)}
              </span>
            </p>
          ))}
        </section>
      )}
      {data?.ramp && (
        <Ramp
          ramp={data.ramp}
          title={titleOf(data.releases, data.ramp.release)}
          act={mayRelease ? (action) => void ramp(action, data.ramp!.release, data.ramp!.step) : null}
        />
      )}
      {asked.value && stands && (
        <Sure
          kind={asked.value.kind}
          title={asked.value.title}
          yes={() => void swap(asked.value!.kind, asked.value!.release)}
          no={() => {
            asked.value = null;
          }}
        />
      )}
      {data?.releases.length === 0 && <p class="hint">{say('noReleases')}</p>}
      <ul class="cards">
        {data?.releases.map((release) => (
          <li class="card" key={release.id}>
            <One release={release} />
          </li>
        ))}
      </ul>
    </main>
  );
}

function titleOf(releases: Release[], id: string | null): string {
  const release = releases.find((one) => one.id === id);
  return release ? release.models.join(', ') || release.digest.slice(0, 19) : '';
}

/** Customers are answered by another model from then on: it is said which, and asked once more. */
function Sure({ kind, title, yes, no }: { kind: Kind; title: string; yes(): void; no(): void }) {
  const open = (element: HTMLDialogElement | null) => {
    if (element && !element.open) element.showModal();
  };
  return (
    <dialog ref={open} onClose={no} aria-label={say(kind)}>
      <p>
        {say(kind === 'swap' ? 'swapSure' : 'rollbackSure')} <b>{title}</b>
      </p>
      <p class="actions">
        <button type="button" class="primary" onClick={yes}>
          {say(kind)}
        </button>
        <button type="button" onClick={no}>
          {say('cancel')}
        </button>
      </p>
    </dialog>
  );
}

function One({ release }: { release: Release }) {
  const { models, digest, state, since, steps, checks, reason } = release;
  const evidence: [string, string][] = [];
  if (checks)
    evidence.push([say('golden'), `${checks.golden.passed} / ${checks.golden.passed + checks.golden.failed}`]);
  if (checks?.comparison) {
    const { compared, same, stagingP95, productionP95 } = checks.comparison;
    evidence.push([say('sameAsProduction'), `${percent(same / Math.max(1, compared))} (${compared})`]);
    evidence.push(['p95', `${duration(stagingP95)} / ${duration(productionP95)}`]);
  }
  return (
    <>
      <p class="line">
        <b>{models.join(', ') || digest.slice(0, 19)}</b>
        <span class={state === 'failed' ? 'late' : 'tag'}>{say(`state_${state}` as Text)}</span>
      </p>
      <p class="quiet-text">
        {digest.slice(0, 19)} · {moment(since)}
      </p>
      {reason && <p class="text late">{reason.split('\n')[0]}</p>}
      <dl class="small">
        {evidence.map(([title, value]) => (
          <div key={title}>
            <dt>{title}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <details>
        <summary>{say('steps')}</summary>
        <ol class="plain">
          {steps.map((step) => (
            <li key={`${step.state}${step.at}`}>
              {moment(step.at)} · {say(`state_${step.state}` as Text)} {step.by && `· ${step.by}`}{' '}
              {step.note && `· ${step.note}`}
            </li>
          ))}
        </ol>
      </details>
    </>
  );
}
