import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSettings, SettingsError } from '../../../functions/services/settings.ts';

const good = {
  COSMOS_ENDPOINT: 'http://127.0.0.1:8081/',
  COSMOS_KEY: 'key',
  STORAGE_CONNECTION: 'UseDevelopmentStorage=true',
  INFERENCE_URL: 'http://127.0.0.1:8080',
  SHOP_URL: 'http://127.0.0.1:4000',
};

function problemsOf(environment: Record<string, string | undefined>): string[] {
  try {
    parseSettings(environment);
  } catch (error) {
    assert.ok(error instanceof SettingsError);
    return error.problems;
  }
  return [];
}

test('settings are parsed once, with defaults, and frozen', () => {
  const settings = parseSettings(good);
  assert.equal(settings.COSMOS_ENDPOINT, 'http://127.0.0.1:8081');
  assert.equal(settings.CALL_LOG_DAYS, 90);
  assert.ok(Object.isFrozen(settings));
});

test('three mistakes are reported together', () => {
  const problems = problemsOf({ ...good, COSMOS_ENDPOINT: 'nowhere', CALL_LOG_DAYS: '0', SHOP_URL: undefined });
  assert.deepEqual(
    problems.map((problem) => problem.split(':')[0]),
    ['COSMOS_ENDPOINT', 'SHOP_URL', 'CALL_LOG_DAYS'],
  );
});

test('a blank setting is one that is not set', () => {
  assert.equal(parseSettings({ ...good, CALL_LOG_DAYS: ' ' }).CALL_LOG_DAYS, 90);
  assert.match(problemsOf({ ...good, SHOP_URL: '' }).join(), /SHOP_URL/);
});

test('in Azure: an app id is needed, keys and plain http are refused', () => {
  const problems = problemsOf({ ...good, WEBSITE_SITE_NAME: 'maru', BOT_TOKEN_ISSUER: 'x' });
  const names = problems.map((problem) => problem.split(':')[0]);
  assert.deepEqual(names, [
    'MicrosoftAppId',
    'AZURE_CLIENT_ID',
    'CONSOLE_CLIENT_ID',
    'COSMOS_KEY',
    'STORAGE_CONNECTION',
    'COSMOS_ENDPOINT',
    'INFERENCE_URL',
    'SHOP_URL',
    'BOT_TOKEN_ISSUER, BOT_OPENID_METADATA',
  ]);
});

test("the shop's keys are public ones, at most two: whoever reads the settings can sign nobody in", () => {
  const key = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' };
  const set = (...keys: object[]) => ({ ...good, SHOP_SIGNING_KEYS: JSON.stringify({ keys }) });
  assert.equal(parseSettings(set(key, key)).SHOP_SIGNING_KEYS!.keys.length, 2);
  for (const wrong of [set(), set(key, key, key), set({ ...key, d: 'private' }), set({ kty: 'oct', k: 'shared' })])
    assert.match(problemsOf(wrong).join(), /SHOP_SIGNING_KEYS/, wrong.SHOP_SIGNING_KEYS);
  assert.match(problemsOf({ ...good, SHOP_SIGNING_KEYS: 'not json' }).join(), /must be a JSON Web Key Set/);
});

test('a profile outlives what is found by it', () => {
  assert.match(problemsOf({ ...good, USER_DAYS: '90' }).join(), /USER_DAYS/);
  assert.match(problemsOf({ ...good, CALL_LOG_DAYS: '400' }).join(), /USER_DAYS/);
  assert.equal(parseSettings({ ...good, USER_DAYS: '97' }).USER_DAYS, 97);
});

test('in Azure nobody is sent to a desk that cannot be opened; other desks need their addresses', () => {
  const azure = { ...good, WEBSITE_SITE_NAME: 'maru' };
  const desk = (more: object) => problemsOf({ ...azure, ...more }).filter((one) => /CONSOLE|HUB|REPLIES/.test(one));
  assert.match(desk({}).join(), /CONSOLE_CLIENT_ID/);
  for (const more of [
    { DESK: 'tickets' },
    { WEBSITE_AUTH_ENABLED: 'True' },
    { CONSOLE_CLIENT_ID: 'id', CONSOLE_SESSION_KEY: 'k'.repeat(32) },
  ])
    assert.deepEqual(desk(more), [], JSON.stringify(more));
  assert.match(desk({ CONSOLE_CLIENT_ID: 'id' }).join(), /CONSOLE_SESSION_KEY/);
  assert.match(problemsOf({ ...good, DESK: 'webhook' }).join(), /HUB_URL, HUB_KEY/);
  assert.match(problemsOf({ ...good, REPLIES_URL: 'https://client.example' }).join(), /REPLIES_KEY/);
});
