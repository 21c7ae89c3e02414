import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { api, type Schemas } from '../api.ts';
import { own, say } from '../texts.ts';

interface Props {
  id: string;
  draft: string;
  locale: string;
  canned: Schemas['DeskContent']['canned'];
  send(text: string, key: string): Promise<boolean>;
  sendPicture(file: File, key: string): Promise<boolean>;
}

/** How long nothing is typed before a draft is kept, and how often "is writing" is sent, in milliseconds. */
const REST = 700;
const TYPING = 4_000;

/** Where an agent writes: Enter sends, "/" finds an answer that is written already, and what is begun is kept on the server. */
export function Composer({ id, draft, locale, canned, send, sendPicture }: Props) {
  const text = useSignal(draft);
  const chosen = useSignal(0);
  const sending = useSignal(false);
  const box = useRef<HTMLTextAreaElement>(null);
  const kept = useRef(draft);
  const typed = useRef(0);
  // Of one text: tried again, it is said once.
  const key = useRef(crypto.randomUUID());
  const path = { params: { path: { conversationId: id } } };

  useEffect(() => box.current?.focus(), []);
  useEffect(() => {
    const timer = setTimeout(() => {
      if (text.value === kept.current || sending.value) return;
      kept.current = text.value;
      void api.PUT('/api/admin/desk/{conversationId}/draft', { ...path, body: { text: text.value } }).catch(() => {});
    }, REST);
    return () => clearTimeout(timer);
  }, [text.value]);

  const wanted = text.value.startsWith('/') ? text.value.slice(1).toLowerCase() : null;
  const found =
    wanted === null
      ? []
      : canned.filter(
          ({ name, text: all }) =>
            name.includes(wanted.replaceAll(' ', '_')) || own(all, locale).toLowerCase().includes(wanted),
        );
  const at = Math.min(chosen.value, Math.max(0, found.length - 1));

  const write = (next: string) => {
    text.value = next;
    chosen.value = 0;
    if (next === '' || Date.now() - typed.current < TYPING) return;
    typed.current = Date.now();
    void api.POST('/api/admin/desk/{conversationId}/typing', { ...path, body: {} }).catch(() => {});
  };
  const submit = async () => {
    if (text.value.trim() === '' || sending.value) return;
    sending.value = true;
    const said = await send(text.value, key.current);
    sending.value = false;
    if (!said) return;
    kept.current = '';
    text.value = '';
    typed.current = 0;
    key.current = crypto.randomUUID();
    box.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // While a syllable is put together, Enter ends the syllable.
    if (event.isComposing) return;
    if (wanted !== null && found.length > 0) {
      if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
        event.preventDefault();
        chosen.value = (at + (event.key === 'ArrowDown' ? 1 : found.length - 1)) % found.length;
        return;
      }
      if (event.key === 'Enter' || event.key === 'Tab') {
        event.preventDefault();
        write(own(found[at]!.text, locale));
        return;
      }
    }
    if (wanted !== null && event.key === 'Escape') return write('');
    if (event.key !== 'Enter' || event.shiftKey) return;
    event.preventDefault();
    // A "/" that finds nothing is nothing that a customer should read.
    if (wanted === null || found.length > 0) void submit();
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      {wanted !== null && (
        <div class="canned" role="listbox" aria-label={say('write')}>
          {found.length === 0 && <p class="hint">{say('nothing')}</p>}
          {found.map(({ name, text: all }, index) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the box below
            <div
              key={name}
              id={`canned-${index}`}
              role="option"
              tabIndex={-1}
              aria-selected={index === at}
              onClick={() => {
                write(own(all, locale));
                box.current?.focus();
              }}
            >
              <b>/{name}</b> {own(all, locale)}
            </div>
          ))}
        </div>
      )}
      <textarea
        ref={box}
        rows={3}
        maxLength={4_000}
        aria-label={say('write')}
        placeholder={say('write')}
        aria-activedescendant={found.length > 0 ? `canned-${at}` : undefined}
        value={text.value}
        onInput={(event) => write(event.currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      <label class="button">
        {say('sendPicture')}
        <input
          type="file"
          class="hidden"
          accept="image/png,image/jpeg,image/webp,image/gif"
          onChange={async (event) => {
            const chosenFiles = event.currentTarget;
            for (const file of chosenFiles.files ?? []) await sendPicture(file, crypto.randomUUID());
            chosenFiles.value = '';
          }}
        />
      </label>
      <button type="submit" class="primary" disabled={sending.value}>
        {say('send')}
      </button>
    </form>
  );
}
