import { signal } from '@preact/signals';
import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import { LocationProvider, lazy, Route, Router } from 'preact-iso';
import { api, type Schemas } from './api.ts';
import { online, signedOut } from './live.ts';
import { language, say, speak } from './texts.ts';

const Desk = lazy(() => import('./desk/desk.tsx').then(({ Desk }) => Desk));

type State = { kind: 'asking' } | { kind: 'nobody' } | { kind: 'here'; me: Schemas['Me'] } | { kind: 'lost' };
const state = signal<State>({ kind: 'asking' });

async function ask(): Promise<void> {
  try {
    const { data, response } = await api.GET('/api/admin/me');
    if (data) state.value = { kind: 'here', me: data };
    else if (response.status === 401 || response.status === 403) state.value = { kind: 'nobody' };
    else state.value = { kind: 'lost' };
  } catch {
    state.value = { kind: 'lost' };
  }
  if (state.value.kind === 'lost') setTimeout(() => void ask(), 2_000);
}

function Console() {
  // Also once a session is over: a page that only looks must not go on showing what was.
  useEffect(() => void ask(), [signedOut.value]);
  document.documentElement.lang = language.value;
  const now = state.value;
  if (now.kind === 'asking') return null;
  if (now.kind === 'lost')
    return (
      <p class="notice" role="status">
        {say('lost')}
      </p>
    );
  if (now.kind === 'nobody') return <SignIn />;
  const isAgent = now.me.roles.some((role) => role === 'agent' || role === 'admin');
  return (
    <>
      <header>
        <h1>{document.body.dataset.bot}</h1>
        <nav aria-label={say('console')}>
          <a href="/console/desk" aria-current="page">
            {say('desk')}
          </a>
        </nav>
        <span class="grow" />
        {!online.value && (
          <span class="lost" role="status">
            {say('lost')}
          </span>
        )}
        <button
          type="button"
          class="quiet"
          lang={language.value === 'en' ? 'ko' : 'en'}
          onClick={() => speak(language.value === 'en' ? 'ko' : 'en')}
        >
          {say('language')}
        </button>
        <span class="me">{now.me.name}</span>
        <button type="button" class="quiet" onClick={() => void signOut()}>
          {say('signOut')}
        </button>
      </header>
      {isAgent ? (
        <Router>
          <Route path="/console/desk" component={Desk} me={now.me} />
          <Route path="/console/desk/:id" component={Desk} me={now.me} />
          <Route default component={Desk} me={now.me} />
        </Router>
      ) : (
        <p class="notice">{say('noRole')}</p>
      )}
    </>
  );
}

function SignIn() {
  const back = location.pathname.startsWith('/console/desk') ? location.pathname : '/console/desk';
  // The ids of conversations have dots, which no address to come back to may have.
  const to = /^[\w/-]+$/.test(back) ? back : '/console/desk';
  return (
    <main class="sign-in">
      <h1>
        {document.body.dataset.bot} · {say('console')}
      </h1>
      <p>{say('signInWhy')}</p>
      <a class="button primary" href={`/auth/sign-in?back=${encodeURIComponent(to)}`} target="_self">
        {say('signIn')}
      </a>
      <button type="button" class="quiet" onClick={() => speak(language.value === 'en' ? 'ko' : 'en')}>
        {say('language')}
      </button>
    </main>
  );
}

async function signOut(): Promise<void> {
  const { data } = await api.POST('/api/admin/sign-out');
  location.href = data?.location ?? '/console';
}

render(
  <LocationProvider scope="/console">
    <Console />
  </LocationProvider>,
  document.getElementById('app')!,
);
