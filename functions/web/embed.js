// Puts the chat on a shop's page: <script src="https://<the gateway>/chat/embed.js" data-customer-token="<the shop's signed word>" async>.
// The page's origin must be in CHAT_FRAME_ANCESTORS. Who is not signed in has no token, and is a guest.
(() => {
  const { currentScript: script } = document;
  const { origin } = new URL(script.src);
  const { label = 'Chat', position = 'right' } = script.dataset;

  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = label;
  button.setAttribute('aria-expanded', 'false');
  style(button, {
    position: 'fixed',
    bottom: '1rem',
    [position === 'left' ? 'left' : 'right']: '1rem',
    zIndex: '2147483000',
    padding: '0.75rem 1.25rem',
    border: '0',
    borderRadius: '999px',
    background: '#0b6e4f',
    color: 'white',
    font: '1rem system-ui, sans-serif',
    cursor: 'pointer',
  });
  let frame = null;

  button.addEventListener('click', () => show(frame === null || frame.hidden));
  document.addEventListener('keydown', ({ key }) => {
    if (key === 'Escape' && frame && !frame.hidden) show(false);
  });
  window.addEventListener('message', ({ source, data }) => {
    // The frame alone is told, and nobody but the gateway's own page.
    if (source !== frame?.contentWindow || data !== 'maru: who is it?') return;
    frame.contentWindow.postMessage({ maru: 'customer', token: script.dataset.customerToken ?? null }, origin);
  });
  document.body.append(button);

  function show(open) {
    // Nothing is loaded before somebody wants it.
    frame ??= made();
    frame.hidden = !open;
    button.setAttribute('aria-expanded', String(open));
    (open ? frame : button).focus();
  }

  function made() {
    const made = document.createElement('iframe');
    made.src = `${origin}/chat`;
    made.title = label;
    style(made, {
      position: 'fixed',
      bottom: '4.75rem',
      [position === 'left' ? 'left' : 'right']: '1rem',
      zIndex: '2147483000',
      width: 'min(26rem, calc(100vw - 2rem))',
      height: 'min(40rem, calc(100vh - 6rem))',
      border: '0',
      borderRadius: '1rem',
      boxShadow: '0 0.5rem 2rem rgb(0 0 0 / 30%)',
    });
    document.body.append(made);
    return made;
  }

  function style(element, rules) {
    Object.assign(element.style, rules);
  }
})();
