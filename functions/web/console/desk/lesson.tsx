import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { Schemas } from '../api.ts';
import { say } from '../texts.ts';

type Lesson = Schemas['Lesson'];

interface Props {
  turns: Schemas['DeskTurn'][];
  intents: string[];
  teach(lesson: Lesson): Promise<boolean>;
  done(): void;
}

/** The last question that a person answered, with the answer: filled in, to be corrected before it is kept. */
export function questionAndAnswer(turns: Schemas['DeskTurn'][]) {
  const answered = turns.findLastIndex(
    ({ by, replies, attachments }) => by && attachments.length === 0 && isSaid(replies),
  );
  const asked = turns.slice(0, Math.max(0, answered)).findLast(({ by, text }) => !by && text !== '');
  if (!asked) return null;
  const from = turns.indexOf(asked);
  const answers = turns.slice(from + 1).filter(({ by, step }) => by && !step);
  return {
    key: turns[answered]!.turnId,
    asked,
    answer: answers.map(({ replies }) => replies.map(({ text }) => text).join(' ')).join(' '),
  };
}

function isSaid(replies: Schemas['DeskTurn']['replies']): boolean {
  return replies.some(({ text }) => text !== '');
}

/** What the bot should have answered: offered where a conversation ends. */
export function LessonForm({ turns, intents, teach, done }: Props) {
  const found = questionAndAnswer(turns);
  const kind = useSignal<Lesson['kind']>('faq');
  const question = useSignal(found?.asked.text.slice(0, 300) ?? '');
  const answer = useSignal(found?.answer ?? '');
  const guess = found?.asked.intent?.name;
  const intent = useSignal(guess && intents.includes(guess) ? guess : (intents[0] ?? ''));
  const key = useRef(crypto.randomUUID());
  if (!found) return null;
  const kinds: [Lesson['kind'], string][] = [
    ['faq', say('teachFaq')],
    ['utterance', say('teachUtterance')],
    ['answer', say('teachAnswer')],
  ];
  return (
    <form
      class="lesson"
      onSubmit={async (event) => {
        event.preventDefault();
        const said = await teach({
          key: key.current,
          kind: kind.value,
          question: question.value,
          answer: answer.value,
          intent: kind.value === 'faq' ? null : intent.value,
          turnId: found.asked.turnId,
        });
        if (said) done();
      }}
    >
      <label>
        {say('teachAs')}
        <select
          value={kind.value}
          onChange={(event) => {
            kind.value = event.currentTarget.value as Lesson['kind'];
          }}
        >
          {kinds.map(([value, title]) => (
            <option key={value} value={value}>
              {title}
            </option>
          ))}
        </select>
      </label>
      {kind.value !== 'faq' && (
        <label>
          {say('intent')}
          <select
            value={intent.value}
            onChange={(event) => {
              intent.value = event.currentTarget.value;
            }}
          >
            {intents.map((name) => (
              <option key={name} value={name}>
                {name.replaceAll('_', ' ')}
              </option>
            ))}
          </select>
        </label>
      )}
      <label>
        {say('question')}
        <input
          required
          maxLength={300}
          value={question.value}
          onInput={(event) => {
            question.value = event.currentTarget.value;
          }}
        />
      </label>
      {kind.value !== 'utterance' && (
        <label>
          {say('answer')}
          <textarea
            required
            rows={3}
            maxLength={4_000}
            value={answer.value}
            onInput={(event) => {
              answer.value = event.currentTarget.value;
            }}
          />
        </label>
      )}
      <button type="submit">{say('keep')}</button>
    </form>
  );
}
