import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { api, type Schemas } from '../api.ts';
import { language, say } from '../texts.ts';

/** Who the customer is, and what the bot's own actions know of them: their orders. Asked when it is opened, and again on a wish. */
export function Customer({ id }: { id: string }) {
  const customer = useSignal<Schemas['DeskCustomer'] | null>(null);
  const isOpen = useSignal(false);
  useEffect(() => {
    if (!isOpen.value) return;
    const query = { language: language.value };
    void api
      .GET('/api/admin/desk/{conversationId}/customer', { params: { path: { conversationId: id }, query } })
      .then(({ data }) => {
        customer.value = data ?? null;
      });
  }, [isOpen.value, language.value]);
  const known = customer.value;
  return (
    <details
      class="notes"
      onToggle={(event) => {
        isOpen.value = event.currentTarget.open;
      }}
    >
      <summary>{say('profile')}</summary>
      {known && (
        <>
          <p class="hint">
            {known.customerId ?? say('guest')}
            {known.since !== null &&
              ` · ${say('since')} ${new Intl.DateTimeFormat(language.value, { dateStyle: 'medium' }).format(known.since)}`}
          </p>
          {known.known.map(({ action, rows, failed }) => (
            <section key={action}>
              <h2>{action.replaceAll('_', ' ')}</h2>
              {failed && <p class="late">{say('away')}</p>}
              {!failed && rows.length === 0 && <p class="hint">{say('none')}</p>}
              <ul>
                {rows.map(({ title, text }) => (
                  <li key={title}>
                    <b>{title}</b> <span class="text">{text}</span>
                  </li>
                ))}
              </ul>
            </section>
          ))}
        </>
      )}
    </details>
  );
}
