import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { after, before, test } from 'node:test';
import { conversationId } from '../../../functions/conversation/identifier.ts';
import { Bot } from '../../../functions/dialog/bot.ts';
import type { Action } from '../../../functions/dialog/flow.ts';
import { act } from '../../../functions/services/actions.ts';
import { listen, type Running } from '../../../scripts/local/listening.ts';
import { content } from '../../bot.ts';

let service: Running;
let answer: { status: number; body: unknown; headers?: Record<string, string> };
const asked: { url: string; headers: IncomingHttpHeaders; body: string }[] = [];

before(async () => {
  service = await listen(
    createServer(async (request, response) => {
      const body = Buffer.concat(await request.toArray()).toString();
      asked.push({ url: request.url ?? '', headers: request.headers, body });
      response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
      response.end(JSON.stringify(answer.body));
    }),
    0,
  );
  Object.assign(process.env, { CLINIC_URL: `${service.url}/`, CLINIC_KEY: 'a key of ours' });
});
after(() => service.close());

const http = { url: '{CLINIC_URL}/book', key: 'CLINIC_KEY', timeout_seconds: 1, statuses: { '409': 'taken' } };
const book: Action = { effect: 'reversible', results: ['done', 'taken'], http };
const bot = new Bot({ ...content, actions: { ...content.actions, book } });
const request = {
  slots: { day: '2026-11-28' },
  customerId: null,
  conversationId: conversationId('api', 'c'),
  text: 'yes',
  locale: 'en',
  key: 'c/t/book',
};

test('an action over HTTP is signed, keyed, and told what was collected', async () => {
  answer = { status: 200, body: { result: 'done', values: { number: 'A-1' } } };
  asked.length = 0;
  assert.deepEqual(await act(bot, 'book', request), { result: 'done', values: { number: 'A-1' } });
  const [{ url, headers, body }] = asked as [(typeof asked)[number]];
  assert.equal(url, '/book');
  assert.equal(headers['idempotency-key'], 'c/t/book');
  const { key: _, ...said } = request;
  assert.deepEqual(JSON.parse(body), { action: 'book', ...said });
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const mac = createHmac('sha256', 'a key of ours').update(signed).digest('base64');
  assert.equal(headers['webhook-signature'], `v1,${mac}`);
  assert.ok(Math.abs(Date.now() / 1_000 - Number(headers['webhook-timestamp'])) < 5);
});

test('a status may be a result; another refusal is final, and what may pass is tried once more', async () => {
  answer = { status: 409, body: {} };
  assert.deepEqual(await act(bot, 'book', request), { result: 'taken' });
  answer = { status: 404, body: {} };
  await assert.rejects(act(bot, 'book', request), { name: 'Rejected', message: /answered 404/ });
  answer = { status: 503, body: {} };
  asked.length = 0;
  await assert.rejects(act(bot, 'book', request), { name: 'Unavailable' });
  assert.equal(asked.length, 2);
  answer = { status: 302, body: {}, headers: { location: `${service.url}/elsewhere` } };
  await assert.rejects(act(bot, 'book', request), { name: 'Rejected', message: /leads elsewhere/ });
});

test('what an action says is bounded, and of its shape', async () => {
  const options = (count: number) => Array.from({ length: count }, (_, index) => ({ value: `${index}` }));
  for (const body of [
    { result: 'nothing of ours' },
    { result: 'unknown' },
    { result: 'done', more: 1 },
    { result: 'done', values: { constructor: 'x' } },
    { result: 'done', values: { a: { date: 'tomorrow' } } },
    { result: 'done', values: { a: 'x'.repeat(1_001) } },
    { result: 'done', options: options(31) },
    { result: 'done', options: [{ value: '1', image: { url: 'javascript:alert(1)', alt: '' } }] },
    [],
    null,
  ]) {
    answer = { status: 200, body };
    await assert.rejects(act(bot, 'book', request), { name: 'Rejected' }, JSON.stringify(body).slice(0, 80));
  }
  answer = { status: 200, body: { result: 'done', values: { a: 'x'.repeat(250_000) } } };
  await assert.rejects(act(bot, 'book', request), /more than 200000 bytes/);
});

test('an action that nothing runs, and a setting that is not there, are said', async () => {
  await assert.rejects(act(bot, 'nothing', request), /there is no action "nothing"/);
  const lacking = { ...book, http: { ...http, url: '{NO_SUCH_URL}/book' } };
  const other = new Bot({ ...content, actions: { book: lacking, code: { effect: 'none', results: ['done'] } } });
  await assert.rejects(act(other, 'book', request), /the setting NO_SUCH_URL is missing/);
  await assert.rejects(act(other, 'code', request), /has neither an address nor code/);
});
