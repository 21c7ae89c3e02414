import type { HttpMethod } from '@azure/functions';
import type { Role } from '../services/sign-in.ts';
import type { Route as Handler } from './route.ts';

export interface Route {
  name: string;
  methods: HttpMethod[];
  /** As the Functions host writes it: `{name}` is a parameter. */
  route: string;
  /** `function`: the caller sends a key of the function app; the host checks it. */
  authLevel: 'anonymous' | 'function';
  /** Of the staff's routes: who may, beside admins. */
  role?: Role;
  /** Loads the handler at its first call. */
  load(): Promise<Handler>;
}

/** The console: its pages, its sign-in, and what it does. */
const desk = 'api/admin/desk';
const one = `${desk}/{conversationId}`;
const incident = 'api/admin/incidents';
const content = 'api/admin/content';
const contentItem = `${content}/items/{itemId}`;
const console: readonly Route[] = [
  {
    name: 'console',
    methods: ['GET', 'HEAD'],
    route: 'console/{*path}',
    authLevel: 'anonymous',
    load: async () => (await import('./console.ts')).getConsole,
  },
  {
    name: 'auth-sign-in',
    methods: ['GET', 'HEAD'],
    route: 'auth/sign-in',
    authLevel: 'anonymous',
    load: async () => (await import('./sign-in.ts')).signIn,
  },
  {
    name: 'auth-signed-in',
    methods: ['GET', 'HEAD'],
    route: 'auth/signed-in',
    authLevel: 'anonymous',
    load: async () => (await import('./sign-in.ts')).signedIn,
  },
  staff('admin-sign-out', 'POST', 'api/admin/sign-out', 'viewer', async () => (await import('./sign-in.ts')).signOut),
  staff('admin-me', 'GET', 'api/admin/me', 'viewer', async () => (await import('./admin/me.ts')).getMe),
  staff('today', 'GET', 'api/admin/today', 'viewer', async () => (await import('./admin/today.ts')).getToday),
  staff('turns', 'GET', 'api/admin/turns', 'viewer', async () => (await import('./admin/turns.ts')).getTurns),
  staff(
    'turns-export',
    'GET',
    'api/admin/turns/export',
    'editor',
    async () => (await import('./admin/turns.ts')).exportTurns,
  ),
  staff(
    'conversation',
    'GET',
    'api/admin/conversations/{conversationId}',
    'viewer',
    async () => (await import('./admin/turns.ts')).getConversation,
  ),
  staff('admin-incidents', 'GET', incident, 'viewer', async () => (await import('./admin/incidents.ts')).getIncidents),
  staff(
    'incident-acknowledge',
    'POST',
    `${incident}/{incidentId}/acknowledge`,
    'releaser',
    async () => (await import('./admin/incidents.ts')).acknowledge,
  ),
  staff(
    'incident-repeat',
    'POST',
    `${incident}/{incidentId}/repeat`,
    'releaser',
    async () => (await import('./admin/incidents.ts')).repeat,
  ),
  staff(
    'admin-releases',
    'GET',
    'api/admin/releases',
    'viewer',
    async () => (await import('./admin/releases.ts')).getReleases,
  ),
  staff(
    'release-swap',
    'POST',
    'api/admin/releases/swap',
    'releaser',
    async () => (await import('./admin/releases.ts')).postSwap,
  ),
  staff(
    'release-ramp',
    'POST',
    'api/admin/releases/ramp',
    'releaser',
    async () => (await import('./admin/releases.ts')).postRamp,
  ),
  staff(
    'release-rollback',
    'POST',
    'api/admin/releases/rollback',
    'releaser',
    async () => (await import('./admin/releases.ts')).postRollback,
  ),
  staff(
    'trainings',
    'GET',
    'api/admin/trainings',
    'viewer',
    async () => (await import('./admin/trainings.ts')).getTrainings,
  ),
  staff(
    'training-begin',
    'POST',
    'api/admin/trainings',
    'editor',
    async () => (await import('./admin/trainings.ts')).postTraining,
  ),
  staff('replays', 'GET', 'api/admin/replays', 'viewer', async () => (await import('./admin/replays.ts')).getReplays),
  staff(
    'replay-turns',
    'GET',
    'api/admin/replays/{replayId}/turns',
    'editor',
    async () => (await import('./admin/replays.ts')).getReplayTurns,
  ),
  staff(
    'training',
    'GET',
    'api/admin/trainings/{trainingId}',
    'viewer',
    async () => (await import('./admin/trainings.ts')).getTraining,
  ),
  staff(
    'training-report',
    'GET',
    'api/admin/trainings/{trainingId}/report',
    'editor',
    async () => (await import('./admin/trainings.ts')).getReport,
  ),
  staff(
    'training-trials',
    'GET',
    'api/admin/trainings/{trainingId}/trials',
    'viewer',
    async () => (await import('./admin/trainings.ts')).getTrials,
  ),
  staff(
    'training-cancel',
    'POST',
    'api/admin/trainings/{trainingId}/cancel',
    'editor',
    async () => (await import('./admin/trainings.ts')).postCancel,
  ),
  staff(
    'training-release',
    'POST',
    'api/admin/trainings/{trainingId}/release',
    'releaser',
    async () => (await import('./admin/trainings.ts')).postRelease,
  ),
  staff('review', 'POST', 'api/admin/review', 'editor', async () => (await import('./admin/review.ts')).postNext),
  staff(
    'review-decide',
    'POST',
    'api/admin/review/{reviewId}',
    'editor',
    async () => (await import('./admin/review.ts')).postReview,
  ),
  staff(
    'review-undo',
    'POST',
    'api/admin/review/{reviewId}/undo',
    'editor',
    async () => (await import('./admin/review.ts')).postUndo,
  ),
  staff('content', 'GET', content, 'viewer', async () => (await import('./admin/content.ts')).getContent),
  staff('content-item', 'GET', contentItem, 'viewer', async () => (await import('./admin/content.ts')).getItem),
  staff('content-edit', 'PUT', contentItem, 'editor', async () => (await import('./admin/content.ts')).putItem),
  staff(
    'content-discard',
    'DELETE',
    contentItem,
    'editor',
    async () => (await import('./admin/content.ts')).deleteDraft,
  ),
  staff(
    'content-publish',
    'POST',
    `${content}/publish`,
    'editor',
    async () => (await import('./admin/content.ts')).publish,
  ),
  staff(
    'content-check',
    'POST',
    `${content}/check`,
    'editor',
    async () => (await import('./admin/draft.ts')).checkItem,
  ),
  staff('content-try', 'POST', `${content}/try`, 'editor', async () => (await import('./admin/draft.ts')).tryDraft),
  staff(
    'content-effect',
    'GET',
    `${content}/effect`,
    'editor',
    async () => (await import('./admin/draft.ts')).getEffect,
  ),
  staff(
    'content-versions',
    'GET',
    `${content}/versions`,
    'viewer',
    async () => (await import('./admin/content.ts')).getVersions,
  ),
  staff(
    'content-version',
    'GET',
    `${content}/versions/{serial}`,
    'viewer',
    async () => (await import('./admin/content.ts')).getVersion,
  ),
  staff(
    'content-revert',
    'POST',
    `${content}/versions/{serial}/revert`,
    'editor',
    async () => (await import('./admin/content.ts')).revert,
  ),
  staff(
    'people-export',
    'POST',
    'api/admin/people/export',
    'admin',
    async () => (await import('./admin/people.ts')).exportPerson,
  ),
  staff(
    'people-erase',
    'POST',
    'api/admin/people/erase',
    'admin',
    async () => (await import('./admin/people.ts')).erasePerson,
  ),
  staff('audit', 'GET', 'api/admin/audit', 'admin', async () => (await import('./admin/audit.ts')).getAudit),
  staff('desk', 'GET', desk, 'agent', async () => (await import('./admin/desk.ts')).getDesk),
  staff(
    'desk-content',
    'GET',
    'api/admin/desk-content',
    'agent',
    async () => (await import('./admin/desk.ts')).getDeskContent,
  ),
  staff('desk-one', 'GET', one, 'agent', async () => (await import('./admin/transcript.ts')).getTranscript),
  staff('desk-older', 'GET', `${one}/turns`, 'agent', async () => (await import('./admin/transcript.ts')).getOlder),
  staff(
    'desk-customer',
    'GET',
    `${one}/customer`,
    'agent',
    async () => (await import('./admin/customer.ts')).getCustomer,
  ),
  staff('desk-lesson', 'POST', `${one}/lessons`, 'agent', async () => (await import('./admin/lessons.ts')).postLesson),
  staff('desk-take', 'POST', `${one}/take`, 'agent', async () => (await import('./admin/speak.ts')).take),
  staff('desk-say', 'POST', `${one}/messages`, 'agent', async () => (await import('./admin/speak.ts')).say),
  staff('desk-typing', 'POST', `${one}/typing`, 'agent', async () => (await import('./admin/speak.ts')).typing),
  staff('desk-pass', 'POST', `${one}/pass`, 'agent', async () => (await import('./admin/speak.ts')).pass),
  staff('desk-back', 'POST', `${one}/give-back`, 'agent', async () => (await import('./admin/speak.ts')).giveBack),
  staff('desk-close', 'POST', `${one}/close`, 'agent', async () => (await import('./admin/speak.ts')).close),
  staff('desk-dismiss', 'POST', `${one}/dismiss`, 'agent', async () => (await import('./admin/speak.ts')).dismiss),
  staff('desk-note', 'POST', `${one}/notes`, 'agent', async () => (await import('./admin/notes.ts')).postNote),
  staff('desk-draft', 'PUT', `${one}/draft`, 'agent', async () => (await import('./admin/notes.ts')).putDraft),
  staff(
    'desk-send-picture',
    'POST',
    `${one}/pictures`,
    'agent',
    async () => (await import('./admin/pictures.ts')).postPicture,
  ),
  staff(
    'desk-picture',
    'GET',
    `${one}/pictures/{turnId}/{index}`,
    'agent',
    async () => (await import('./admin/pictures.ts')).getPicture,
  ),
];

function staff(name: string, method: HttpMethod, route: string, role: Role, load: Route['load']): Route {
  return { name, methods: method === 'GET' ? ['GET', 'HEAD'] : [method], route, authLevel: 'anonymous', role, load };
}

const conversations = 'api/conversations/{conversationId}/messages';

/** Every HTTP route of the gateway. */
export const routes: readonly Route[] = [
  {
    name: 'messages',
    methods: ['POST'],
    route: 'api/messages',
    authLevel: 'anonymous',
    load: async () => (await import('./messages.ts')).postActivity,
  },
  {
    name: 'conversations-post',
    methods: ['POST'],
    route: conversations,
    authLevel: 'function',
    load: async () => (await import('./conversations.ts')).postMessage,
  },
  {
    name: 'conversations-list',
    methods: ['GET', 'HEAD'],
    route: conversations,
    authLevel: 'function',
    load: async () => (await import('./conversations.ts')).listMessages,
  },
  {
    name: 'conversations-get',
    methods: ['GET', 'HEAD'],
    route: `${conversations}/{turnId}`,
    authLevel: 'function',
    load: async () => (await import('./conversations.ts')).getMessage,
  },
  {
    name: 'conversations-replies',
    methods: ['GET', 'HEAD'],
    route: 'api/conversations/{conversationId}/replies',
    authLevel: 'function',
    load: async () => (await import('./replies.ts')).listReplies,
  },
  {
    name: 'hub',
    methods: ['POST'],
    route: 'api/hub/{conversationId}',
    authLevel: 'anonymous',
    load: async () => (await import('./hub.ts')).postHub,
  },
  {
    name: 'pictures',
    methods: ['GET', 'HEAD'],
    route: 'api/pictures/{token}',
    authLevel: 'anonymous',
    load: async () => (await import('./pictures.ts')).getSentPicture,
  },
  {
    name: 'picture-look',
    methods: ['POST'],
    route: 'api/pictures',
    authLevel: 'anonymous',
    load: async () => (await import('./pictures.ts')).postPicture,
  },
  {
    name: 'pictures-page',
    methods: ['GET', 'HEAD'],
    route: 'pictures/{file?}',
    authLevel: 'anonymous',
    load: async () => (await import('./pictures-page.ts')).getPicturesPage,
  },
  {
    name: 'feedback',
    methods: ['POST'],
    route: `${conversations}/{turnId}/feedback`,
    authLevel: 'function',
    load: async () => (await import('./feedback.ts')).postFeedback,
  },
  {
    name: 'users-export',
    methods: ['GET', 'HEAD'],
    route: 'api/users/{userId}/export',
    authLevel: 'function',
    load: async () => (await import('./users.ts')).exportUserData,
  },
  {
    name: 'users-delete',
    methods: ['DELETE'],
    route: 'api/users/{userId}',
    authLevel: 'function',
    load: async () => (await import('./users.ts')).deleteUser,
  },
  {
    name: 'customers-export',
    methods: ['GET', 'HEAD'],
    route: 'api/customers/{customerId}/export',
    authLevel: 'function',
    load: async () => (await import('./users.ts')).exportCustomerData,
  },
  {
    name: 'customers-delete',
    methods: ['DELETE'],
    route: 'api/customers/{customerId}',
    authLevel: 'function',
    load: async () => (await import('./users.ts')).deleteCustomer,
  },
  {
    name: 'incidents',
    methods: ['GET', 'HEAD'],
    route: 'api/incidents',
    authLevel: 'function',
    load: async () => (await import('./incidents.ts')).getIncidents,
  },
  {
    name: 'direct-line-token',
    methods: ['POST'],
    route: 'api/direct-line/token',
    authLevel: 'anonymous',
    load: async () => (await import('./direct-line-token.ts')).postDirectLineToken,
  },
  {
    name: 'registry-webhook',
    methods: ['POST'],
    route: 'api/registry/webhook',
    authLevel: 'anonymous',
    load: async () => (await import('./registry-webhook.ts')).postRegistryWebhook,
  },
  {
    name: 'releases',
    methods: ['GET', 'HEAD'],
    route: 'api/releases',
    authLevel: 'function',
    load: async () => (await import('./releases.ts')).getReleases,
  },
  {
    name: 'health',
    methods: ['GET', 'HEAD'],
    route: 'api/health',
    authLevel: 'anonymous',
    load: async () => (await import('./health.ts')).getHealth,
  },
  {
    name: 'openapi',
    methods: ['GET', 'HEAD'],
    route: 'api/openapi.json',
    authLevel: 'anonymous',
    load: async () => (await import('./openapi.ts')).getOpenApi,
  },
  {
    name: 'chat',
    methods: ['GET', 'HEAD'],
    route: 'chat/{file?}',
    authLevel: 'anonymous',
    load: async () => (await import('./chat.ts')).getChat,
  },
  ...console,
  {
    // The Functions host tries routes in the order of the functions' names: this one must be the last.
    name: 'zz-not-found',
    // Not TRACE: @azure/functions can't make a request of it; the host answers 404 and repeats nothing.
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    route: '{*path}',
    authLevel: 'anonymous',
    load: async () => (await import('./not-found.ts')).notFound,
  },
];
