import { z } from 'zod';
import { name } from './name.ts';

/**
 * Flows are data of the bot's folder (flows.json): steps that collect what is needed, ask whether it shall be done, call actions
 * and say what came of it. The engine (engine.ts) goes through them; it is one for all flows.
 */
/** The id of a step of the same flow; `end`: the flow is over. */
const target = name;
const id = { id: name.optional() };

/** Answers that are not clear, before the flow ends and a person is offered. */
const TRIES = 3;

const collect = z.strictObject({
  ...id,
  /** The slot that is filled here. A slot that is filled already is not asked for. */
  collect: name,
  /** The phrase that asks for it. */
  ask: name,
  /** Asks again where it was not understood. */
  again: name.default('flow_again'),
  /** Several are meant. */
  several: name.default('flow_several'),
  /** It is not within its bounds, or none of those that there are; `{number}` is what was said. */
  unknown: name.default('flow_unknown'),
  /** Brings the user back after something else was answered; `{question}` is what `ask` says. */
  back: name.default('flow_back'),
  /** Ends the flow where it was not understood so often. */
  given_up: name.default('flow_given_up'),
  tries: z.int().min(1).max(10).default(TRIES),
  /** The action that gives what may be chosen. Its results but `options` lead to other steps. */
  options: name.optional(),
  results: z.record(name, target).default({}),
  /** What a line of the list says, made of the option's values; without it, what its button says. */
  line: name.optional(),
  /** How many are offered at once. */
  listed: z.int().min(1).max(10).default(5),
  /** The only one is taken without asking. */
  single: z.boolean().default(false),
  /** The user may skip it. */
  optional: z.boolean().default(false),
});

const confirm = z.strictObject({
  ...id,
  /** The phrase that shows what would be done, and asks whether it shall be. */
  confirm: name,
  /** Asks again, naming both choices. */
  again: name.default('flow_confirm_again'),
  back: name.default('flow_confirm_back'),
  given_up: name.default('flow_confirm_given_up'),
  tries: z.int().min(1).max(10).default(TRIES),
  /** What the two buttons say. */
  yes: name.default('flow_yes'),
  no: name.default('flow_no'),
  /** Whole answers to this question alone, by their name in short-answers.json. */
  answers: name.optional(),
  /** Where a no leads. */
  declined: target,
});

const call = z.strictObject({
  ...id,
  /** An action (actions.json). */
  call: name,
  /** Where each of its results leads. */
  results: z.record(name, target),
});

const say = z.strictObject({
  ...id,
  say: name,
  /** What the user may tap next. */
  suggest: z.array(name).max(6).default([]),
  /** Lines for the options that the last action gave. */
  line: name.optional(),
  /** Cards for them, where the channel has cards: title, text, and what a button says when it is tapped. */
  cards: z.strictObject({ title: name, text: name.optional(), button: name.optional() }).optional(),
  next: target.optional(),
});

const branch = z.strictObject({
  ...id,
  /** By the value of this slot. */
  branch: name,
  cases: z.record(z.string(), target),
  otherwise: target,
});

const handover = z.strictObject({
  ...id,
  /** The phrase that says that a person has been called. */
  handover: name,
});

const step = z.union([collect, confirm, call, say, branch, handover]);
export type Step = z.infer<typeof step>;
export type Collect = z.infer<typeof collect>;
export type Confirm = z.infer<typeof confirm>;
export type Say = z.infer<typeof say>;

export const flow = z.strictObject({
  description: z.string().optional(),
  /** The phrase for who is no customer that is signed in; without it, guests may use the flow. */
  signed_in: name.optional(),
  slots: z
    .record(
      name,
      z.strictObject({
        entity: name,
        /** Slots that it is chosen by: when one of them changes, it is asked for again. */
        depends_on: z.array(name).default([]),
      }),
    )
    .default({}),
  steps: z.array(step).min(1).max(60),
});
export type Flow = z.infer<typeof flow>;

/** What an action is, as flows need to know it (actions.json). */
export const action = z.strictObject({
  description: z.string().optional(),
  /** `none`: it only looks. `irreversible`: it can't be taken back, and runs only after a clear yes to what was shown. */
  effect: z.enum(['none', 'reversible', 'irreversible']),
  /** Every result that it may have. */
  results: z.array(name).min(1),
  /** Its address, where it is called over HTTP; without it, it is code of the bot's folder. */
  http: z
    .strictObject({
      /** `{NAME}` at the beginning is a setting that bot.json names. */
      url: z
        .string()
        .regex(/^(\{[A-Z][A-Z0-9_]*\}|https:\/\/[\w.-]+)(\/|$)/, 'must begin with https:// or with {A_SETTING}'),
      /** The setting that has the key of its signature (docs/actions.md). */
      key: z
        .string()
        .regex(/^[A-Z][A-Z0-9_]*$/)
        .optional(),
      timeout_seconds: z.number().min(0.1).max(8).default(3),
      /** The result by the status of an answer that is no success: `{"404": "unknown"}`. */
      statuses: z.record(z.string().regex(/^4(?!08|29)\d\d$/, 'must be a 4xx that is final'), name).default({}),
    })
    .optional(),
});
export type Action = z.infer<typeof action>;

const END = 'end';

/** The id of a step: its own, or made of its place. */
export function stepId(steps: readonly Step[], index: number): string {
  return steps[index]?.id ?? (index < steps.length ? `step_${index + 1}` : END);
}

export function stepAt(steps: readonly Step[], id: string): number {
  if (id === END) return steps.length;
  return steps.findIndex((_, index) => stepId(steps, index) === id);
}

/** Where a step may lead. */
function targets(steps: readonly Step[], index: number): string[] {
  const one = steps[index]!;
  const next = stepId(steps, index + 1);
  if ('collect' in one) return [next, ...Object.values(one.results)];
  if ('confirm' in one) return [next, one.declined];
  if ('call' in one) return Object.values(one.results);
  if ('say' in one) return [one.next ?? next];
  if ('branch' in one) return [...Object.values(one.cases), one.otherwise];
  return [END];
}

/** Something that is wrong with a flow: at which path in it, what, and what to do. */
export interface FlowProblem {
  path: (string | number)[];
  message: string;
}

/** What the schema can't say of a flow. */
export function problemsOf({ slots, steps }: Flow, actions: Readonly<Record<string, Action>>): FlowProblem[] {
  const problems: FlowProblem[] = [];
  const ids = new Set<string>([END]);
  steps.forEach(({ id }, index) => {
    if (id === undefined) return;
    if (ids.has(id)) problems.push({ path: ['steps', index, 'id'], message: `another step is called "${id}"` });
    ids.add(id);
  });
  steps.forEach((_, index) => {
    ids.add(stepId(steps, index));
  });
  for (const [slot, { depends_on }] of Object.entries(slots))
    for (const other of depends_on)
      if (!slots[other]) problems.push({ path: ['slots', slot, 'depends_on'], message: `there is no slot "${other}"` });
  steps.forEach((one, index) => {
    const at = ['steps', index];
    for (const id of targets(steps, index))
      if (!ids.has(id)) problems.push({ path: at, message: `there is no step "${id}" to go to` });
    if ('collect' in one && !slots[one.collect])
      problems.push({ path: [...at, 'collect'], message: `there is no slot "${one.collect}": add it to "slots"` });
    if ('branch' in one && !slots[one.branch])
      problems.push({ path: [...at, 'branch'], message: `there is no slot "${one.branch}"` });
    const [name, handled] =
      'call' in one ? [one.call, one.results] : 'collect' in one && one.options ? [one.options, one.results] : [null];
    if (name === null) return;
    const known = actions[name!];
    if (!known) {
      problems.push({ path: at, message: `there is no action "${name}" in actions.json` });
      return;
    }
    const expected = 'collect' in one ? known.results.filter((result) => result !== 'options') : known.results;
    for (const result of expected)
      if (!handled![result])
        problems.push({
          path: [...at, 'results'],
          message: `the action "${name}" may answer "${result}": say where to go`,
        });
    for (const result of Object.keys(handled!))
      if (!expected.includes(result))
        problems.push({ path: [...at, 'results', result], message: `the action "${name}" never answers so` });
    if ('collect' in one && (known.effect !== 'none' || !known.results.includes('options')))
      problems.push({ path: [...at, 'options'], message: `"${name}" must only look, and have the result "options"` });
  });
  if (problems.length > 0) return problems;
  return [...unreachable(steps), ...unasked(steps, actions), ...endless(steps)];
}

function unreachable(steps: readonly Step[]): FlowProblem[] {
  const reached = new Set<number>();
  const visit = (index: number) => {
    if (index >= steps.length || reached.has(index)) return;
    reached.add(index);
    for (const id of targets(steps, index)) visit(stepAt(steps, id));
  };
  visit(0);
  return steps.flatMap((_, index) =>
    reached.has(index) ? [] : [{ path: ['steps', index], message: 'no step leads here' }],
  );
}

/** What can't be undone must be asked for, and nothing may be done before the last question: an answer goes through the flow anew. */
function unasked(steps: readonly Step[], actions: Readonly<Record<string, Action>>): FlowProblem[] {
  const problems = new Map<number, FlowProblem>();
  const seen = new Set<string>();
  const visit = (index: number, agreed: boolean, done: number | null) => {
    const key = `${index} ${agreed} ${done}`;
    if (index >= steps.length || seen.has(key)) return;
    seen.add(key);
    const one = steps[index]!;
    const effect = 'call' in one ? actions[one.call]!.effect : 'none';
    if (effect === 'irreversible' && !agreed)
      problems.set(index, {
        path: ['steps', index, 'call'],
        message: 'can be reached without a yes: put a "confirm" step before it, after the last "collect"',
      });
    if (done !== null && ('collect' in one || 'confirm' in one))
      problems.set(done, {
        path: ['steps', done, 'call'],
        message: 'would run again when the question after it is answered: ask everything first',
      });
    const after = effect === 'none' ? done : index;
    targets(steps, index).forEach((id, place) => {
      // A no is a yes to nothing, also to what was asked before.
      const asks = 'collect' in one || 'confirm' in one;
      visit(stepAt(steps, id), asks ? 'confirm' in one && place === 0 : agreed, after);
    });
  };
  visit(0, false, null);
  return [...problems.values()];
}

/** Steps that lead back to themselves, whether the user says something or not: each flow goes forward, and so it ends. */
function endless(steps: readonly Step[]): FlowProblem[] {
  const problems: FlowProblem[] = [];
  steps.forEach((_, index) => {
    for (const id of targets(steps, index)) {
      if (stepAt(steps, id) <= index)
        problems.push({
          path: ['steps', index],
          message: `goes back to "${id}": a flow goes forward, or it may never end`,
        });
    }
  });
  return problems;
}
