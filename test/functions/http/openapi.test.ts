import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, test } from 'node:test';
import type { Operation } from '../../../functions/http/route.ts';
import { install } from '../../../scripts/local/functions-core.ts';

/** The document is made of what stands beside each route; whether answers keep to it is looked at in test/platform/fixture.ts. */
install();

interface Documented {
  security?: object[];
  parameters?: { in: string; name: string; required?: boolean; schema: object }[];
  requestBody?: { required: boolean; content: object };
  responses: Record<string, { content?: object }>;
}
let routes: readonly {
  name: string;
  route: string;
  methods: readonly string[];
  authLevel: string;
  operation: Operation;
}[];
let documentedPath: (route: string) => string;
let paths: Record<string, Record<string, Documented>>;
let schemas: Record<string, { additionalProperties: boolean; properties: Record<string, object> }>;

before(async () => {
  Object.assign(process.env, {
    COSMOS_ENDPOINT: 'http://127.0.0.1:9',
    STORAGE_CONNECTION: 'unused',
    INFERENCE_URL: 'http://127.0.0.1:9',
    SHOP_URL: 'http://127.0.0.1:9',
  });
  const { routes: all } = await import('../../../functions/http/routes.ts');
  routes = await Promise.all(all.map(async ({ load, ...rest }) => ({ ...rest, operation: (await load()).operation })));
  const { openApi, documentedPath: pathOf } = await import('../../../functions/http/openapi.ts');
  documentedPath = pathOf;
  const document = (await openApi()) as unknown as { paths: typeof paths; components: { schemas: typeof schemas } };
  paths = document.paths;
  schemas = document.components.schemas;
});

test('every route is in the document, with its method, its parameters and who may call it', () => {
  for (const { route, methods, authLevel, operation, name } of routes) {
    assert.equal(operation.access === 'key', authLevel === 'function', name);
    if (route.startsWith('{*')) continue;
    const [method, ...more] = methods.filter((known) => known !== 'HEAD');
    assert.deepEqual(more, [], name);
    assert.equal(methods.includes('HEAD'), method === 'GET', `${name}: what can be read can be asked for by HEAD`);
    const documented = paths[documentedPath(route)]?.[method!.toLowerCase()];
    assert.ok(documented, name);
    const inPath = [...route.matchAll(/\{\*?(\w+)\??\}/g)].map(([, parameter]) => parameter);
    assert.deepEqual(
      documented.parameters?.filter((one) => one.in === 'path').map((one) => one.name) ?? [],
      inPath,
      name,
    );
    assert.deepEqual(documented.security, operation.access === 'anyone' ? [] : [{ [operation.access]: [] }], name);
    assert.equal(documented.requestBody !== undefined, (operation.body ?? operation.bytes) !== undefined, name);
  }
  assert.equal(
    Object.values(paths).flatMap((path) => Object.keys(path)).length,
    routes.filter(({ route }) => !route.startsWith('{*')).length,
    'and nothing else',
  );
});

test('the types of the console’s client are of this API', async () => {
  const { consoleApi, digestOf, target } = await import('../../../scripts/build/console-api.ts');
  const [first] = readFileSync(target, 'utf8').split('\n');
  assert.equal(
    first,
    `// Made by npm run console:api, of the OpenAPI ${digestOf(await consoleApi())}.`,
    'npm run console:api',
  );
});

test('every answer is named: what is wrong with a body, a key, a parameter, and the limits of anonymous routes', () => {
  for (const { name, route, methods, operation } of routes) {
    if (route.startsWith('{*')) continue;
    const method = methods.find((known) => known !== 'HEAD')!.toLowerCase();
    const statuses = Object.keys(paths[documentedPath(route)]![method]!.responses);
    const named = (status: number) => assert.ok(statuses.includes(String(status)), `${name} does not name ${status}`);
    named(500);
    if (operation.access !== 'anyone') named(401);
    else named(429);
    if (operation.body) for (const status of [400, 413, 415]) named(status);
    if (operation.path && !/^(chat|console|pictures)/.test(route)) named(400);
    for (const status of Object.keys(operation.answers)) named(Number(status));
  }
});

test('the document says what is refused: other fields, sizes, signs', () => {
  const { MessageRequest: message } = schemas;
  assert.equal(message!.additionalProperties, false);
  const text = message!.properties.text as { maxLength: number; allOf: { pattern: string }[] };
  assert.equal(text.maxLength, 4_000);
  const taken = (value: string) => text.allOf.every(({ pattern }) => new RegExp(pattern, 'u').test(value));
  assert.ok(taken('hello\n안녕'));
  for (const value of ['', '  ', 'a\0b', 'a\u007fb']) assert.ok(!taken(value), JSON.stringify(value));
});
