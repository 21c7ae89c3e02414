import { useSignal } from '@preact/signals';
import type { Schemas } from '../api.ts';
import { duration, moment, number, percent, say, type Text } from '../texts.ts';

type Shown = NonNullable<Schemas['ListedReleases']['ramp']>;
export type RampAction = Schemas['RampAction']['action'];

const isActive = ({ state }: Shown) => state === 'running' || state === 'waiting' || state === 'swapping';

/** A release that answers a growing share of conversations: how far it is, and what was measured of it beside what is live. */
export function Ramp({ ramp, title, act }: { ramp: Shown; title: string; act: ((action: RampAction) => void) | null }) {
  const isSure = useSignal(false);
  const { state, share, shares, step, reasons, evidence, least, history } = ramp;
  return (
    <section class="card" aria-label={say('ramp')}>
      <p class="line">
        <b>
          {say('ramp')}: {title}
        </b>
        <span class={state === 'stopped' || state === 'waiting' ? 'late' : 'tag'}>{say(`ramp_${state}` as Text)}</span>
      </p>
      {isActive(ramp) && (
        <ol class="ramp" aria-label={say('rampShare')}>
          {shares.map((one, place) => (
            <li key={one} aria-current={place === step ? 'step' : undefined} class={place < step ? 'over' : undefined}>
              {one === 0 ? say('shadow') : percent(one)}
            </li>
          ))}
        </ol>
      )}
      {state === 'running' && evidence && (
        <p class="line">
          <progress max={least} value={Math.min(least, evidence.asked)} aria-label={say('messagesOfStep')} />
          <span>
            {number(evidence.asked)} / {number(least)} {say('messagesOfStep')}
          </span>
        </p>
      )}
      {reasons.length > 0 && state !== 'running' && (
        <ul class="problems">
          {reasons.map((reason) => (
            <li key={reason} class="late">
              {reason}
            </li>
          ))}
        </ul>
      )}
      {evidence && evidence.asked > 0 && <Measured evidence={evidence} isShadow={step === 0} />}
      {act && isActive(ramp) && (
        <p class="actions">
          {state === 'waiting' && (
            <button type="button" class="primary" onClick={() => act('continue')}>
              {say('rampContinue')}
            </button>
          )}
          {isSure.value ? (
            <>
              <button type="button" class="primary" onClick={() => act('stop')}>
                {say('rampStopSure')}
              </button>
              <button
                type="button"
                onClick={() => {
                  isSure.value = false;
                }}
              >
                {say('cancel')}
              </button>
            </>
          ) : (
            <button
              type="button"
              onClick={() => {
                isSure.value = true;
              }}
            >
              {say('rampStop')}
            </button>
          )}
          <span class="hint">{share > 0 ? `${percent(share)} ${say('rampNow')}` : say('shadowWhy')}</span>
        </p>
      )}
      <details>
        <summary>{say('steps')}</summary>
        <ol class="plain">
          {history.map(({ share: one, at, by, note }, place) => (
            <li key={at}>
              {moment(at)} · {place === 0 ? say('shadow') : percent(one)} {by && `· ${by}`} {note && `· ${note}`}
            </li>
          ))}
        </ol>
      </details>
    </section>
  );
}

function Measured({ evidence, isShadow }: { evidence: NonNullable<Shown['evidence']>; isShadow: boolean }) {
  const { asked, failed, differed, p95, ramp, live } = evidence;
  const rate = (count: number, of: number) => (of === 0 ? '–' : percent(count / of));
  const rows: [string, string, string][] = [
    [say('noAnswerInTime'), rate(failed, asked), '–'],
    ['p95', duration(p95.ramp), duration(p95.live)],
    [say('not_understood'), rate(ramp.missed, ramp.conversations), rate(live.missed, live.conversations)],
    ...(isShadow
      ? ([[say('otherwise'), rate(differed, asked - failed), '–']] as [string, string, string][])
      : ([
          [say('handed_over'), rate(ramp.handedOver, ramp.conversations), rate(live.handedOver, live.conversations)],
          [say('reason_thumbs_down'), rate(ramp.down, ramp.conversations), rate(live.down, live.conversations)],
        ] as [string, string, string][])),
  ];
  return (
    <section class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">{say('inThisStep')}</th>
            <th scope="col">{say('rampedModel')}</th>
            <th scope="col">{say('liveModel')}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([title, own, other]) => (
            <tr key={title}>
              <th scope="row">{title}</th>
              <td>{own}</td>
              <td>{other}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
