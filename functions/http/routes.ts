import type { HttpMethod } from '@azure/functions';
import type { Route as Handler } from './route.ts';

export interface Route {
  name: string;
  methods: HttpMethod[];
  /** As the Functions host writes it: `{name}` is a parameter. */
  route: string;
  /** `function`: the caller sends a key of the function app; the host checks it. */
  authLevel: 'anonymous' | 'function';
  /** Loads the handler at its first call. */
  load(): Promise<Handler>;
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
