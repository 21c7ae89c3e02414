// The chat page: Web Chat over Direct Line. Remembers its conversation for a reload and for other tabs.
const KEY = 'maru.conversation';
const HERO = 'application/vnd.microsoft.card.hero';

// All that Web Chat makes as markup is text with a button to send again, and a worker of its own: nothing else becomes any.
const markup = /^(?:[^<]|<button data-markdown-href="\w+" type="button">|<\/button>)*$/;
window.trustedTypes?.createPolicy('default', {
  createHTML: (html) => (markup.test(html) ? html : null),
  createScriptURL: (url) => (url.startsWith(`blob:${location.origin}/`) ? url : null),
});
const { name, languages } = JSON.parse(document.querySelector('#texts').textContent);
const texts = spoken();
const dark = matchMedia('(prefers-color-scheme: dark)').matches;

document.documentElement.lang = texts.tag;
document.querySelector('#intro').textContent = texts.intro;
const restart = document.querySelector('#restart');
restart.textContent = texts.restart;
restart.addEventListener('click', () => {
  if (!confirm(texts.restartAsk)) return;
  localStorage.removeItem(KEY);
  location.reload();
});

/** The texts in the first of the reader's languages that the bot speaks, else in the bot's own. */
function spoken() {
  for (const wanted of navigator.languages) {
    const [main] = wanted.toLowerCase().split('-');
    const found =
      languages.find(({ tag }) => tag.toLowerCase() === wanted.toLowerCase()) ??
      languages.find(({ tag }) => tag.toLowerCase().split('-')[0] === main);
    if (found) return found;
  }
  return languages[0];
}

const saved = await resume();
const session = saved ?? (await begin());
localStorage.setItem(KEY, JSON.stringify(session));
render(session);

/** The conversation of this browser, with a fresh token; null when there is none or it is over. */
async function resume() {
  const stored = localStorage.getItem(KEY);
  if (!stored) return null;
  try {
    const session = JSON.parse(stored);
    // Whoever is signed in at the shop by now, or nobody is: another's conversation is not theirs.
    const token = await customerToken();
    if (token !== undefined && subjectOf(token) !== session.subject) return null;
    const response = await fetch(`${session.domain}/tokens/refresh`, {
      method: 'POST',
      headers: { authorization: `Bearer ${session.token}` },
    });
    if (!response.ok) return null;
    return { ...session, token: (await response.json()).token };
  } catch {
    return null;
  }
}

/** The shop's word on who is signed in there; null for a guest, undefined where the shop can't be asked. */
async function customerToken() {
  const told = await fromShop();
  if (told !== undefined) return told;
  const url = document.querySelector('meta[name="customer-token-url"]').content;
  if (!url) return null;
  try {
    const response = await fetch(url, { credentials: 'include' });
    if (response.status >= 500) return undefined;
    return response.status === 200 ? ((await response.json()).token ?? null) : null;
  } catch {
    // The shop is away: questions that need no account are answered all the same.
    return undefined;
  }
}

/** Whom the shop's word is of, as far as it can be read here; the gateway checks it. Null: a guest. */
function subjectOf(token) {
  try {
    return JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'))).sub ?? null;
  } catch {
    return null;
  }
}

/** What the page that shows this one in a frame says (embed.js); undefined where none does. */
function fromShop() {
  if (window.parent === window) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), 2000);
    window.addEventListener('message', ({ source, data }) => {
      if (source !== window.parent || data?.maru !== 'customer') return;
      clearTimeout(timer);
      // The gateway checks whose word it is.
      resolve(typeof data.token === 'string' ? data.token : null);
    });
    window.parent.postMessage('maru: who is it?', '*');
  });
}

async function begin() {
  for (;;) {
    try {
      const token = await customerToken();
      const response = await fetch('/api/direct-line/token', {
        method: 'POST',
        ...(token
          ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify({ customerToken: token }) }
          : {}),
      });
      if (response.ok) {
        say('');
        return { ...(await response.json()), subject: subjectOf(token) };
      }
      say(`${texts.lost} (${response.status})`);
    } catch {
      say(texts.lost);
    }
    await new Promise((resolve) => setTimeout(resolve, 3000));
  }
}

function render({ token, conversationId, domain }) {
  const resuming = saved !== null;
  // A conversation that is given is resumed: Direct Line sends all that was said.
  const directLine = window.WebChat.createDirectLine({
    domain,
    token,
    ...(resuming ? { conversationId, watermark: '0' } : {}),
  });
  directLine.connectionStatus$.subscribe((status) => {
    // 4: failed to connect, 5: ended (botframework-directlinejs).
    if (status === 4 || status === 5) say(texts.ended);
    if (status === 2) say('');
  });
  const store = window.WebChat.createStore({}, ({ dispatch }) => (next) => (action) => {
    // The page greets by itself: nobody has said anything yet that the bot could answer.
    if (action.type === 'DIRECT_LINE/CONNECT_FULFILLED' && !resuming) setTimeout(() => dispatch(greeting()));
    return next(action);
  });
  window.WebChat.renderWebChat(
    {
      directLine,
      store,
      // Where a person has the conversation, they see that an answer is being written.
      sendTypingIndicator: true,
      attachmentMiddleware:
        () =>
        (next) =>
        (...given) =>
          given[0]?.attachment?.contentType === HERO ? card(given[0].attachment.content, store) : next(...given),
      // The token names the user.
      username: 'you',
      locale: locale(),
      styleOptions: {
        accent: dark ? '#63d3a6' : '#0b6e4f',
        backgroundColor: dark ? '#131a17' : 'white',
        bubbleBackground: dark ? '#1f2a25' : 'white',
        bubbleBorderColor: dark ? '#34443c' : '#e6e6e6',
        bubbleTextColor: dark ? '#e7efea' : '#1d2b26',
        bubbleBorderRadius: 12,
        bubbleFromUserBackground: dark ? '#1d4636' : '#dff1e9',
        bubbleFromUserTextColor: dark ? '#f1f7f4' : '#1d2b26',
        bubbleFromUserBorderRadius: 12,
        sendBoxBackground: dark ? '#1f2a25' : 'white',
        sendBoxTextColor: dark ? '#e7efea' : '#1d2b26',
        sendBoxPlaceholderColor: dark ? '#a9b8b0' : '#5c6b64',
        sendBoxButtonColor: dark ? '#a9b8b0' : '#5c6b64',
        suggestedActionBackgroundColor: dark ? '#1f2a25' : 'white',
        suggestedActionTextColor: dark ? '#63d3a6' : '#0b6e4f',
        timestampColor: dark ? '#a9b8b0' : '#5c6b64',
        subtle: dark ? '#a9b8b0' : '#5c6b64',
        // A turn may wait for a service that is slow.
        typingAnimationDuration: 30_000,
        groupTimestamp: 300_000,
        primaryFont: 'inherit',
        hideUploadButton: false,
        uploadAccept: 'image/*',
        suggestedActionLayout: 'flow',
        suggestedActionBorderRadius: 16,
        botAvatarInitials: [...name][0].toUpperCase(),
        botAvatarBackgroundColor: '#0b6e4f',
      },
    },
    document.querySelector('#webchat'),
  );
  const box = document.querySelector('[data-id="webchat-sendbox-input"]');
  box?.focus();
  // As much as the bot takes.
  box?.setAttribute('maxlength', '4000');
}

/** As Web Chat writes it: a language of a country. */
function locale() {
  const known = navigator.languages.find((one) => one.toLowerCase().startsWith(`${texts.tag.toLowerCase()}-`));
  return known ?? { en: 'en-US', ko: 'ko-KR', ja: 'ja-JP' }[texts.tag] ?? texts.tag;
}

/** A card with its picture, link and buttons: Web Chat's small bundle shows none itself. */
function card({ title, text, images = [], buttons = [] }, { dispatch }) {
  const tap = (value) => () => dispatch({ type: 'WEB_CHAT/SEND_MESSAGE', payload: { text: value } });
  return element('div', { className: 'card' }, [
    ...images.map(({ url, alt }) => element('img', { src: url, alt })),
    ...(title ? [element('strong', {}, title)] : []),
    ...(text ? [element('span', {}, text)] : []),
    ...buttons.map(({ type, title: says, value }) =>
      type === 'openUrl'
        ? element('a', { href: value, target: '_blank', rel: 'noopener noreferrer' }, says)
        : element('button', { type: 'button', onClick: tap(value) }, says),
    ),
  ]);
}

/** An element as the React inside of Web Chat's bundle reads it, which gives nobody its own function for it. */
function element(type, props, children) {
  const inside = Array.isArray(children) ? children.map((child, key) => ({ ...child, key: String(key) })) : children;
  const given = inside === undefined ? props : { ...props, children: inside };
  return { $$typeof: Symbol.for('react.element'), type, key: null, ref: null, props: given, _owner: null };
}

function greeting() {
  const actions = texts.starters.map((text) => ({ type: 'imBack', title: text, value: text }));
  const activity = {
    id: 'greeting',
    type: 'message',
    text: texts.greeting,
    from: { id: 'maru', role: 'bot' },
    timestamp: new Date().toISOString(),
    suggestedActions: { to: [], actions },
  };
  return { type: 'DIRECT_LINE/QUEUE_INCOMING_ACTIVITY', payload: { activity } };
}

function say(text) {
  const status = document.querySelector('#status');
  status.textContent = text;
  status.hidden = text === '';
}
