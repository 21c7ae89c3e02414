import { signal } from '@preact/signals';
import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import { LocationProvider, lazy, Route, Router, useLocation } from 'preact-iso';
import { api, type Schemas } from './api.ts';
import { online, signedOut } from './live.ts';
import { language, say, speak } from './texts.ts';

const Desk = lazy(() => import('./desk/desk.tsx').then(({ Desk }) => Desk));
const Today = lazy(() => import('./today/today.tsx').then(({ Today }) => Today));
const Conversations = lazy(() => import('./conversations/conversations.tsx').then((page) => page.Conversations));
const Conversation = lazy(() => import('./conversations/conversation.tsx').then((page) => page.Conversation));
const Review = lazy(() => import('./review/review.tsx').then((page) => page.Review));
const Bot = lazy(() => import('./bot/bot.tsx').then((page) => page.Bot));
const Incidents = lazy(() => import('./incidents/incidents.tsx').then(({ Incidents }) => Incidents));
const Releases = lazy(() => import('./releases/releases.tsx').then(({ Releases }) => Releases));
const Training = lazy(() => import('./training/training.tsx').then((page) => page.Training));
const People = lazy(() => import('./people/people.tsx').then(({ People }) => People));

/** The pages, and who may open them: whoever has the role, and admins. */
const PAGES = [
  { path: 'today', title: 'today' },
  { path: 'desk', title: 'desk', role: 'agent' },
  { path: 'conversations', title: 'list' },
  { path: 'review', title: 'review', role: 'editor' },
  { path: 'bot', title: 'bot' },
  { path: 'incidents', title: 'incidents' },
  { path: 'training', title: 'training' },
  { path: 'releases', title: 'releases' },
  { path: 'people', title: 'people', role: 'admin' },
] as const;

const mayOpen = ({ roles }: Schemas['Me'], role?: Schemas['Me']['roles'][number]) =>
  role === undefined || roles.includes(role) || roles.includes('admin');

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
  return <Pages me={now.me} />;
}

function Pages({ me }: { me: Schemas['Me'] }) {
  const { path } = useLocation();
  const current = path.split('/')[2];
  // Agents are here to answer; everybody else to look.
  const isAgent = me.roles.includes('agent') && !me.roles.includes('admin');
  const First = isAgent ? Desk : Today;
  const closed = PAGES.find((page) => page.path === current && 'role' in page && !mayOpen(me, page.role));
  return (
    <>
      <header>
        <h1>{document.body.dataset.bot}</h1>
        <nav aria-label={say('console')}>
          {PAGES.filter((page) => mayOpen(me, 'role' in page ? page.role : undefined)).map(({ path, title }) => (
            <a
              key={path}
              href={`/console/${path}`}
              aria-current={(current ?? (isAgent ? 'desk' : 'today')) === path ? 'page' : undefined}
            >
              {say(title)}
            </a>
          ))}
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
        <span class="me">{me.name}</span>
        <button type="button" class="quiet" onClick={() => void signOut()}>
          {say('signOut')}
        </button>
      </header>
      {closed ? (
        <p class="notice">
          {say('noRole')} “{'role' in closed ? closed.role : ''}”
        </p>
      ) : (
        <Router>
          <Route path="/console/today" component={Today} />
          <Route path="/console/desk" component={Desk} me={me} />
          <Route path="/console/desk/:id" component={Desk} me={me} />
          <Route path="/console/conversations" component={Conversations} me={me} />
          <Route path="/console/conversations/:id" component={Conversation} me={me} />
          <Route path="/console/review" component={Review} />
          <Route path="/console/bot" component={Bot} me={me} />
          <Route path="/console/bot/:id" component={Bot} me={me} />
          <Route path="/console/incidents" component={Incidents} me={me} />
          <Route path="/console/training" component={Training} me={me} />
          <Route path="/console/training/:id" component={Training} me={me} />
          <Route path="/console/releases" component={Releases} me={me} />
          <Route path="/console/people" component={People} />
          <Route default component={First} me={me} />
        </Router>
      )}
    </>
  );
}

function SignIn() {
  // The ids of conversations have dots, which no address to come back to may have: their list it is, then.
  const to = /^\/console(?:\/[\w-]+)*/.exec(location.pathname)?.[0] ?? '/console';
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
