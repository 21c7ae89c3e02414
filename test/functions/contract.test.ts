import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

const root = join(import.meta.dirname, '../..');

/** Loads the built app in a process of its own, as the Functions worker does, and lists what it registers. */
function load(environment: Record<string, string>): { name: string; trigger: string }[] {
  const script = `
    import { functions, install } from ${JSON.stringify(join(root, 'scripts/local/functions-core.ts'))};
    install();
    await import(${JSON.stringify(pathToFileURL(join(root, 'dist/functions/index.js')).href)});
    const list = [...functions.values()].map(({ name, bindings }) => {
      const trigger = Object.values(bindings).find((binding) => binding.type.endsWith('Trigger'));
      const { type, methods, route, authLevel, queueName, connection, schedule } = trigger;
      return { name, trigger: [type, methods, route, authLevel, queueName, connection, schedule].flat().filter(Boolean).join(' ') };
    });
    console.log(JSON.stringify(list));`;
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
    env: { PATH: process.env.PATH!, ...environment },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return JSON.parse(output);
}

const settings = {
  COSMOS_ENDPOINT: 'https://maru.documents.azure.com',
  DESK: 'tickets',
  STORAGE_CONNECTION__queueServiceUri: 'https://maru.queue.core.windows.net',
  STORAGE_CONNECTION__blobServiceUri: 'https://maru.blob.core.windows.net',
  INFERENCE_URL: 'https://maru.azurewebsites.net',
  SHOP_URL: 'https://shop.example',
  AZURE_CLIENT_ID: '00000000-0000-4000-8000-000000000002',
  MicrosoftAppId: '00000000-0000-4000-8000-000000000001',
  WEBSITE_SITE_NAME: 'maru',
};

test('the built app registers every function with its trigger', () => {
  const registered = Object.fromEntries(load(settings).map(({ name, trigger }) => [name, trigger]));
  const one = 'api/admin/desk/{conversationId}';
  const queue = (name: string) => `queueTrigger ${name} STORAGE_CONNECTION`;
  assert.deepEqual(registered, {
    messages: 'httpTrigger POST api/messages anonymous',
    'conversations-post': 'httpTrigger POST api/conversations/{conversationId}/messages function',
    'conversations-list': 'httpTrigger GET HEAD api/conversations/{conversationId}/messages function',
    'conversations-get': 'httpTrigger GET HEAD api/conversations/{conversationId}/messages/{turnId} function',
    'conversations-replies': 'httpTrigger GET HEAD api/conversations/{conversationId}/replies function',
    console: 'httpTrigger GET HEAD console/{*path} anonymous',
    'auth-sign-in': 'httpTrigger GET HEAD auth/sign-in anonymous',
    'auth-signed-in': 'httpTrigger GET HEAD auth/signed-in anonymous',
    'admin-sign-out': 'httpTrigger POST api/admin/sign-out anonymous',
    'admin-me': 'httpTrigger GET HEAD api/admin/me anonymous',
    desk: 'httpTrigger GET HEAD api/admin/desk anonymous',
    'desk-content': 'httpTrigger GET HEAD api/admin/desk-content anonymous',
    'desk-one': `httpTrigger GET HEAD ${one} anonymous`,
    'desk-older': `httpTrigger GET HEAD ${one}/turns anonymous`,
    'desk-customer': `httpTrigger GET HEAD ${one}/customer anonymous`,
    'desk-lesson': `httpTrigger POST ${one}/lessons anonymous`,
    'desk-take': `httpTrigger POST ${one}/take anonymous`,
    'desk-say': `httpTrigger POST ${one}/messages anonymous`,
    'desk-typing': `httpTrigger POST ${one}/typing anonymous`,
    'desk-pass': `httpTrigger POST ${one}/pass anonymous`,
    'admin-incidents': 'httpTrigger GET HEAD api/admin/incidents anonymous',
    'admin-releases': 'httpTrigger GET HEAD api/admin/releases anonymous',
    audit: 'httpTrigger GET HEAD api/admin/audit anonymous',
    conversation: 'httpTrigger GET HEAD api/admin/conversations/{conversationId} anonymous',
    'incident-acknowledge': 'httpTrigger POST api/admin/incidents/{incidentId}/acknowledge anonymous',
    'incident-repeat': 'httpTrigger POST api/admin/incidents/{incidentId}/repeat anonymous',
    'people-erase': 'httpTrigger POST api/admin/people/erase anonymous',
    'people-export': 'httpTrigger POST api/admin/people/export anonymous',
    'release-ramp': 'httpTrigger POST api/admin/releases/ramp anonymous',
    'release-rollback': 'httpTrigger POST api/admin/releases/rollback anonymous',
    'release-swap': 'httpTrigger POST api/admin/releases/swap anonymous',
    content: 'httpTrigger GET HEAD api/admin/content anonymous',
    'content-discard': 'httpTrigger DELETE api/admin/content/items/{itemId} anonymous',
    'content-edit': 'httpTrigger PUT api/admin/content/items/{itemId} anonymous',
    'content-item': 'httpTrigger GET HEAD api/admin/content/items/{itemId} anonymous',
    'content-publish': 'httpTrigger POST api/admin/content/publish anonymous',
    'content-revert': 'httpTrigger POST api/admin/content/versions/{serial}/revert anonymous',
    'content-check': 'httpTrigger POST api/admin/content/check anonymous',
    'content-try': 'httpTrigger POST api/admin/content/try anonymous',
    'content-effect': 'httpTrigger GET HEAD api/admin/content/effect anonymous',
    'content-version': 'httpTrigger GET HEAD api/admin/content/versions/{serial} anonymous',
    'content-versions': 'httpTrigger GET HEAD api/admin/content/versions anonymous',
    replays: 'httpTrigger GET HEAD api/admin/replays anonymous',
    'replay-turns': 'httpTrigger GET HEAD api/admin/replays/{replayId}/turns anonymous',
    trainings: 'httpTrigger GET HEAD api/admin/trainings anonymous',
    'training-begin': 'httpTrigger POST api/admin/trainings anonymous',
    training: 'httpTrigger GET HEAD api/admin/trainings/{trainingId} anonymous',
    'training-report': 'httpTrigger GET HEAD api/admin/trainings/{trainingId}/report anonymous',
    'training-trials': 'httpTrigger GET HEAD api/admin/trainings/{trainingId}/trials anonymous',
    'training-cancel': 'httpTrigger POST api/admin/trainings/{trainingId}/cancel anonymous',
    'training-release': 'httpTrigger POST api/admin/trainings/{trainingId}/release anonymous',
    review: 'httpTrigger POST api/admin/review anonymous',
    'review-decide': 'httpTrigger POST api/admin/review/{reviewId} anonymous',
    'review-undo': 'httpTrigger POST api/admin/review/{reviewId}/undo anonymous',
    today: 'httpTrigger GET HEAD api/admin/today anonymous',
    turns: 'httpTrigger GET HEAD api/admin/turns anonymous',
    'turns-export': 'httpTrigger GET HEAD api/admin/turns/export anonymous',
    'desk-back': `httpTrigger POST ${one}/give-back anonymous`,
    'desk-close': `httpTrigger POST ${one}/close anonymous`,
    'desk-send-picture': `httpTrigger POST ${one}/pictures anonymous`,
    hub: 'httpTrigger POST api/hub/{conversationId} anonymous',
    pictures: 'httpTrigger GET HEAD api/pictures/{token} anonymous',
    'desk-dismiss': `httpTrigger POST ${one}/dismiss anonymous`,
    'desk-note': `httpTrigger POST ${one}/notes anonymous`,
    'desk-draft': `httpTrigger PUT ${one}/draft anonymous`,
    'desk-picture': `httpTrigger GET HEAD ${one}/pictures/{turnId}/{index} anonymous`,
    feedback: 'httpTrigger POST api/conversations/{conversationId}/messages/{turnId}/feedback function',
    'users-export': 'httpTrigger GET HEAD api/users/{userId}/export function',
    'users-delete': 'httpTrigger DELETE api/users/{userId} function',
    'customers-export': 'httpTrigger GET HEAD api/customers/{customerId}/export function',
    'customers-delete': 'httpTrigger DELETE api/customers/{customerId} function',
    incidents: 'httpTrigger GET HEAD api/incidents function',
    'registry-webhook': 'httpTrigger POST api/registry/webhook anonymous',
    releases: 'httpTrigger GET HEAD api/releases function',
    'direct-line-token': 'httpTrigger POST api/direct-line/token anonymous',
    health: 'httpTrigger GET HEAD api/health anonymous',
    openapi: 'httpTrigger GET HEAD api/openapi.json anonymous',
    chat: 'httpTrigger GET HEAD chat/{file?} anonymous',
    'picture-look': 'httpTrigger POST api/pictures anonymous',
    'pictures-page': 'httpTrigger GET HEAD pictures/{file?} anonymous',
    'zz-not-found': 'httpTrigger GET HEAD POST PUT PATCH DELETE OPTIONS {*path} anonymous',
    understand: queue('turns'),
    deliver: queue('replies'),
    log: queue('call-log'),
    release: queue('releases'),
    'skill-flow': queue('skill-flow'),
    'skill-person': queue('skill-person'),
    'skill-images': queue('skill-images'),
    'poison-turns': queue('turns-poison'),
    'poison-replies': queue('replies-poison'),
    'poison-call-log': queue('call-log-poison'),
    'poison-releases': queue('releases-poison'),
    'poison-training': queue('training-poison'),
    'poison-skill-flow': queue('skill-flow-poison'),
    'poison-skill-person': queue('skill-person-poison'),
    'poison-skill-images': queue('skill-images-poison'),
    wake: 'timerTrigger */15 * * * * *',
    'count-statistics': 'timerTrigger 15 1-59/5 * * * *',
    'watch-releases': 'timerTrigger 30 * * * * *',
    'watch-ramp': 'timerTrigger */10 * * * * *',
    'watch-trainings': 'timerTrigger 5-59/30 * * * * *',
  });
});

test('the same build is the app that trains, by one setting: it does nothing else, and needs no bot', () => {
  const { MicrosoftAppId: _, DESK: __, ...training } = { ...settings, APP: 'training' };
  assert.deepEqual(load(training), [{ name: 'train', trigger: 'queueTrigger training STORAGE_CONNECTION' }]);
});

test('in Azure the app does not start without a bot app id', () => {
  const { MicrosoftAppId: _, ...without } = settings;
  assert.throws(() => load(without), /MicrosoftAppId: needed in Azure/);
});
