import { useSignal } from '@preact/signals';
import type { Schemas } from '../api.ts';
import { say, type Text } from '../texts.ts';

export type Value = Record<string, unknown>;

interface Props {
  kind: string;
  value: Value;
  list: Schemas['ContentList'];
  disabled: boolean;
  change(value: Value): void;
  /** What was typed is no value; null: it is. */
  broken(why: string | null): void;
}

type Texts = Record<string, string[] | string>;

/** Fields of texts by language: several, a line each, or one. */
const FIELDS: Record<string, { name: string; many: boolean }[]> = {
  intent: [
    { name: 'utterances', many: true },
    { name: 'not', many: true },
    { name: 'answers', many: true },
    { name: 'suggestions', many: true },
  ],
  faq: [
    { name: 'question', many: false },
    { name: 'other_ways', many: true },
    { name: 'answer', many: false },
    { name: 'suggestions', many: true },
  ],
};

/** An item as a form; flows and entities as the JSON of the bot's folder. */
export function Form({ kind, value, list, disabled, change, broken }: Props) {
  if (kind === 'flow' || kind === 'entity' || kind === 'part')
    return <Json value={value} disabled={disabled} change={change} broken={broken} />;
  if (kind === 'phrase')
    return (
      <div class="languages">
        {list.languages.map(({ tag, name }) => (
          <Area
            key={tag}
            title={name}
            tag={tag}
            text={String(value[tag] ?? '')}
            disabled={disabled}
            change={(text) => change(without({ ...value, [tag]: text }, text === '' ? tag : null))}
          />
        ))}
      </div>
    );
  return (
    <>
      {FIELDS[kind]!.map(({ name, many }) => (
        <fieldset key={name} class="languages">
          <legend>{say(`field_${name}` as Text)}</legend>
          {list.languages.map(({ tag, name: language }) => {
            const texts = (value[name] ?? {}) as Texts;
            const own = texts[tag];
            return (
              <Area
                key={tag}
                title={many ? `${language} · ${Array.isArray(own) ? own.length : 0}` : language}
                tag={tag}
                text={Array.isArray(own) ? own.join('\n') : (own ?? '')}
                tall={name === 'utterances'}
                lines={many}
                disabled={disabled}
                change={(text) => {
                  const next = many ? text.split('\n') : text;
                  const all = without({ ...texts, [tag]: next }, text === '' ? tag : null);
                  change(
                    without({ ...value, [name]: all }, Object.keys(all).length === 0 && isOptional(name) ? name : null),
                  );
                }}
              />
            );
          })}
        </fieldset>
      ))}
      {kind === 'intent' && (
        <div class="filters">
          <Choice title="flow" value={value} kind="flow" list={list} disabled={disabled} change={change} />
          <Choice title="handover" value={value} kind="phrase" list={list} disabled={disabled} change={change} />
        </div>
      )}
    </>
  );
}

const isOptional = (name: string) => ['not', 'answers', 'suggestions'].includes(name);

function without<T extends object>(value: T, name: string | null): T {
  if (name === null) return value;
  const { [name as keyof T]: _, ...rest } = value;
  return rest as T;
}

interface AreaProps {
  title: string;
  tag: string;
  text: string;
  tall?: boolean;
  /** A line each: blank ones are none. */
  lines?: boolean;
  disabled: boolean;
  change(text: string): void;
}

function Area({ title, tag, text, tall = false, lines = false, disabled, change }: AreaProps) {
  return (
    <label>
      {title}
      <textarea
        lang={tag}
        rows={tall ? 10 : 3}
        value={text}
        readOnly={disabled}
        // Blank lines are typed on the way to the next, and are none in the end.
        onInput={(event) => change(event.currentTarget.value)}
        onBlur={(event) => {
          if (!lines) return;
          const kept = event.currentTarget.value
            .split('\n')
            .filter((line) => line.trim() !== '')
            .join('\n');
          if (kept !== text) change(kept);
        }}
      />
    </label>
  );
}

interface ChoiceProps {
  title: 'flow' | 'handover';
  kind: string;
  value: Value;
  list: Schemas['ContentList'];
  disabled: boolean;
  change(value: Value): void;
}

function Choice({ title, kind, value, list, disabled, change }: ChoiceProps) {
  const names = list.items.filter((item) => item.kind === kind).map(({ name }) => name);
  const now = String(value[title] ?? '');
  return (
    <label>
      {say(`field_${title}` as Text)}
      <select
        value={now}
        disabled={disabled}
        onChange={(event) => {
          const chosen = event.currentTarget.value;
          change(without({ ...value, [title]: chosen }, chosen === '' ? title : null));
        }}
      >
        <option value="">{say('none')}</option>
        {[...new Set([...names, ...(now ? [now] : [])])].sort().map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

function Json({ value, disabled, change, broken }: Pick<Props, 'value' | 'disabled' | 'change' | 'broken'>) {
  const text = useSignal(JSON.stringify(value, null, 2));
  const wrong = useSignal('');
  return (
    <label class="json">
      JSON
      <textarea
        rows={20}
        spellcheck={false}
        value={text.value}
        readOnly={disabled}
        aria-invalid={wrong.value !== ''}
        onInput={(event) => {
          text.value = event.currentTarget.value;
          try {
            const next: unknown = JSON.parse(text.value);
            if (typeof next !== 'object' || next === null || Array.isArray(next)) throw new Error('{ … }');
            wrong.value = '';
            broken(null);
            change(next as Value);
          } catch (error) {
            wrong.value = (error as Error).message;
            broken(wrong.value);
          }
        }}
      />
      {wrong.value && <span class="late">{wrong.value}</span>}
    </label>
  );
}
