import { useSignal } from '@preact/signals';
import { api, type Problem, type Schemas } from '../api.ts';
import { once } from '../load.ts';
import { percent, say } from '../texts.ts';
import { Trouble } from '../trouble.tsx';

/** Talking to the drafts: nothing is changed anywhere, and nobody is called. */
export function Trial() {
  const turns = useSignal<Schemas['Tried']['turns']>([]);
  const signedIn = useSignal(false);
  const problem = useSignal<Problem | null>(null);
  const isLoading = useSignal(false);
  const said = useSignal('');
  const tell = async (text: string) => {
    if (text.trim() === '' || isLoading.value) return;
    const texts = [...turns.value.map((turn) => turn.text), text].slice(-20);
    isLoading.value = true;
    const found = await once(() => api.POST('/api/admin/content/try', { body: { texts, signedIn: signedIn.value } }));
    isLoading.value = false;
    problem.value = found.problem;
    if (!found.data) return;
    turns.value = found.data.turns;
    said.value = '';
  };
  return (
    <>
      <h2 class="title">{say('tryIt')}</h2>
      <p class="hint">{say('tryWhy')}</p>
      <Trouble problem={problem.value} />
      <div class="log" role="log" aria-label={say('conversation')}>
        {turns.value.map((turn, index) => (
          <div key={index}>
            <div class="said customer">
              <p class="text" lang={turn.locale}>
                {turn.text}
              </p>
              <span class="tag">
                {turn.intent.replaceAll('_', ' ')} {percent(turn.score)} · {turn.skill}
              </span>
            </div>
            {turn.replies.map((reply, place) => (
              <div class="said bot" key={place}>
                <p class="text" lang={turn.locale}>
                  {reply.text}
                </p>
                {reply.suggestions.map((suggestion) => (
                  <button type="button" key={suggestion} onClick={() => void tell(suggestion)}>
                    {suggestion}
                  </button>
                ))}
              </div>
            ))}
            {turn.notDone.map((action) => (
              <p class="mark" key={action}>
                {say('notDone')} {action}
              </p>
            ))}
          </div>
        ))}
      </div>
      <form
        class="filters"
        onSubmit={(event) => {
          event.preventDefault();
          void tell(said.value);
        }}
      >
        <label class="wide">
          {say('trySay')}
          <input
            value={said.value}
            maxLength={1000}
            autocomplete="off"
            onInput={(event) => {
              said.value = event.currentTarget.value;
            }}
          />
        </label>
        <button type="submit" class="primary" disabled={isLoading.value}>
          {say('send')}
        </button>
        <label class="check">
          <input
            type="checkbox"
            checked={signedIn.value}
            onChange={(event) => {
              signedIn.value = event.currentTarget.checked;
            }}
          />
          {say('trySignedIn')}
        </label>
        <button
          type="button"
          onClick={() => {
            turns.value = [];
          }}
        >
          {say('startOver')}
        </button>
      </form>
    </>
  );
}
