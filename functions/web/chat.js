// The chat page: Web Chat over Direct Line. Remembers its conversation for a reload of this tab.
const KEY = 'maru.conversation';

// All that Web Chat makes as markup is text with a button to send again, and a worker of its own: nothing else becomes any.
const markup = /^(?:[^<]|<button data-markdown-href="\w+" type="button">|<\/button>)*$/;
window.trustedTypes?.createPolicy('default', {
  createHTML: (html) => (markup.test(html) ? html : null),
  createScriptURL: (url) => (url.startsWith(`blob:${location.origin}/`) ? url : null),
});
const korean = navigator.language.toLowerCase().startsWith('ko');
const texts = korean
  ? {
      intro: '주문, 배송, 반품, 무엇이든 물어보세요.',
      restart: '새 대화',
      lost: '연결할 수 없어요. 잠시 후 다시 시도합니다.',
      ended: '연결이 끊어졌어요. 새 대화를 시작해 주세요.',
      send: '메시지를 입력하세요',
    }
  : {
      intro: 'Ask about orders, delivery, returns, anything.',
      restart: 'New conversation',
      lost: 'No connection. Trying again in a moment.',
      ended: 'The connection has ended. Please start a new conversation.',
      send: 'Type your message',
    };

document.documentElement.lang = korean ? 'ko' : 'en';
document.querySelector('#intro').textContent = texts.intro;
const restart = document.querySelector('#restart');
restart.textContent = texts.restart;
restart.addEventListener('click', () => {
  sessionStorage.removeItem(KEY);
  location.reload();
});

const saved = await resume();
const session = saved ?? (await begin());
sessionStorage.setItem(KEY, JSON.stringify(session));
render(session);

/** The conversation of this tab, with a fresh token; null when there is none or it is over. */
async function resume() {
  const stored = sessionStorage.getItem(KEY);
  if (!stored) return null;
  try {
    const session = JSON.parse(stored);
    const response = await fetch(`${session.domain}/tokens/refresh`, {
      method: 'POST',
      headers: { authorization: `Bearer ${session.token}` },
    });
    if (!response.ok) return null;
    const { token } = await response.json();
    return { ...session, token };
  } catch {
    return null;
  }
}

/** The shop's word on who is signed in there; null for a guest. */
async function customerToken() {
  const url = document.querySelector('meta[name="customer-token-url"]').content;
  if (!url) return null;
  try {
    const response = await fetch(url, { credentials: 'include' });
    if (response.status !== 200) return null;
    return (await response.json()).token ?? null;
  } catch {
    // The shop is away: questions that need no account are answered all the same.
    return null;
  }
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
        return await response.json();
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
  window.WebChat.renderWebChat(
    {
      directLine,
      // The token names the user.
      username: 'you',
      locale: korean ? 'ko-KR' : 'en-US',
      styleOptions: {
        accent: '#0b6e4f',
        bubbleBorderRadius: 12,
        bubbleFromUserBackground: '#dff1e9',
        bubbleFromUserBorderRadius: 12,
        primaryFont: 'inherit',
        hideUploadButton: false,
        uploadAccept: 'image/*',
        suggestedActionLayout: 'flow',
        suggestedActionBorderRadius: 16,
        botAvatarInitials: 'M',
        botAvatarBackgroundColor: '#0b6e4f',
      },
    },
    document.querySelector('#webchat'),
  );
  document.querySelector('[data-id="webchat-sendbox-input"]')?.focus();
}

function say(text) {
  const status = document.querySelector('#status');
  status.textContent = text;
  status.hidden = text === '';
}
