import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';

const asked: (string | undefined)[] = [];
const server = createServer((request, response) => {
  asked.push(request.headers.authorization);
  const model = /^\/v2\/models\/(\w+)\/infer$/.exec(request.url ?? '')?.[1];
  if (model !== undefined) return void answerOf(model, request, response);
  response.end(JSON.stringify({ predictions: [{ label: 'greeting' }] }));
});
/** What the models answer each of two texts; one that is not named is not there. */
let failing = false;
let models: Record<string, { label: string; top: [string, number][] }[]> = {};
async function answerOf(model: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { inputs } = JSON.parse(Buffer.concat(await request.toArray()).toString());
  const rows = models[model];
  if (failing) return void response.writeHead(500).end('{}');
  if (!rows) return void response.writeHead(404).end('{"error":"there is no such model"}');
  assert.deepEqual(inputs, [{ name: 'text', datatype: 'BYTES', shape: [rows.length], data: ['a', 'b'] }]);
  const output = (name: string, data: unknown[], shape = [rows.length]) => ({ name, shape, data });
  response.end(
    JSON.stringify({
      model_name: model,
      model_version: '7',
      outputs: [
        output(
          'label',
          rows.map(({ label }) => label),
        ),
        output(
          'score',
          rows.map(({ top }) => top[0]![1]),
        ),
        output(
          'top_labels',
          rows.flatMap(({ top }) => top.map(([label]) => label)),
          [rows.length, 2],
        ),
        output(
          'top_scores',
          rows.flatMap(({ top }) => top.map(([, score]) => score)),
          [rows.length, 2],
        ),
      ],
    }),
  );
}
let url = '';
before(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const given = { COSMOS_ENDPOINT: url, STORAGE_CONNECTION: 'unused', SHOP_URL: url };
  Object.assign(process.env, { ...given, INFERENCE_URL: url, INFERENCE_KEY: 'who-asks-for-answers' });
});
after(() => server.close());

test('the model server is shown the key that it asks for', async () => {
  const { classify } = await import('../../../functions/services/inference.ts');
  assert.deepEqual((await classify(url, 'intents', ['hello'])).labels, ['greeting']);
  assert.deepEqual(asked, ['Bearer who-asks-for-answers']);
});

const rows = [
  {
    label: 'one',
    top: [
      ['one', 0.9],
      ['two', 0.1],
    ] as [string, number][],
  },
  {
    label: 'none',
    top: [
      ['two', 0.2],
      ['one', 0.1],
    ] as [string, number][],
  },
];
const model = (name: string) => ({ name, version: '7' });

test('each text is answered with its own label, score and next best, by either model', async () => {
  const { understand, findInFaq } = await import('../../../functions/services/inference.ts');
  models = { intents: rows, faq: rows };
  assert.deepEqual(await understand(['a', 'b']), [
    {
      intent: 'one',
      score: 0.9,
      top: [
        { intent: 'one', score: 0.9 },
        { intent: 'two', score: 0.1 },
      ],
      model: model('intents'),
    },
    {
      intent: 'none',
      score: 0.2,
      top: [
        { intent: 'two', score: 0.2 },
        { intent: 'one', score: 0.1 },
      ],
      model: model('intents'),
    },
  ]);
  assert.deepEqual(await findInFaq(['a', 'b']), [
    {
      entry: 'one',
      score: 0.9,
      top: [
        { entry: 'one', score: 0.9 },
        { entry: 'two', score: 0.1 },
      ],
      model: model('faq'),
    },
    {
      entry: 'none',
      score: 0.2,
      top: [
        { entry: 'two', score: 0.2 },
        { entry: 'one', score: 0.1 },
      ],
      model: model('faq'),
    },
  ]);
});

test('a container without a model of the FAQ has the intents answer alone; one without intents answers nothing', async () => {
  const { understand, findInFaq } = await import('../../../functions/services/inference.ts');
  models = { intents: rows };
  assert.equal(await findInFaq(['a', 'b']), null);
  assert.equal((await understand(['a', 'b'])).length, 2);
  failing = true;
  assert.equal(await findInFaq(['a', 'b']), null, 'a model that fails is no reason to answer nobody');
  failing = false;
  models = {};
  await assert.rejects(understand(['a', 'b']), /answered 404/);
});
