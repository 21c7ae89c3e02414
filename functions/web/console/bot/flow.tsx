import { say } from '../texts.ts';
import type { Value } from './form.tsx';

interface Step {
  id?: string;
  [field: string]: unknown;
}

const KINDS = ['collect', 'confirm', 'call', 'say', 'branch', 'handover'] as const;
const SIGNS: Record<(typeof KINDS)[number], string> = {
  collect: '?',
  confirm: '✓?',
  call: '⚙',
  say: '“',
  branch: '⑂',
  handover: '☎',
};

/** A picture of a flow: its steps from above to below, and where each of them leads that does not go on to the next. */
export function Flow({ value }: { value: Value }) {
  const steps = Array.isArray(value.steps) ? (value.steps as Step[]) : [];
  return (
    <section aria-label={say('flowPicture')}>
      <h2>{say('flowPicture')}</h2>
      <ol class="flow">
        {steps.map((step, index) => {
          const kind = KINDS.find((one) => one in step);
          if (!kind) return null;
          return (
            <li key={step.id ?? index} class={`step ${kind}`}>
              <span class="sign" aria-hidden="true">
                {SIGNS[kind]}
              </span>
              <span>
                {step.id && <span class="tag">{step.id}</span>} <span class="quiet-text">{kind}</span>{' '}
                <b>{String(step[kind])}</b>
                {leads(step, kind).map(([when, target]) => (
                  <span key={when} class="lead">
                    {when} → {target}
                  </span>
                ))}
              </span>
            </li>
          );
        })}
      </ol>
    </section>
  );
}

function leads(step: Step, kind: (typeof KINDS)[number]): [string, string][] {
  const named = (record: unknown) => Object.entries((record ?? {}) as Record<string, string>);
  if (kind === 'confirm') return [['no', String(step.declined ?? '')]];
  if (kind === 'branch') return [...named(step.cases), ['*', String(step.otherwise ?? '')]];
  if (kind === 'say') return step.next ? [['', String(step.next)]] : [];
  return named(step.results);
}
