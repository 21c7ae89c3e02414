import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { generateKeyPair, SignJWT } from 'jose';
import sharp from 'sharp';
import { WebSocket } from 'ws';
import { conversationId } from '../../functions/conversation/identifier.ts';
import { listen } from '../../scripts/local/listening.ts';
import { eventually, request, root, unique, usePlatform } from './fixture.ts';

const fixture = usePlatform();

interface Activity {
  id: string;
  type: string;
  text?: string;
  from: { id: string; role?: string };
  replyToId?: string;
  suggestedActions?: { actions: { title: string }[] };
  attachments?: { contentType: string; contentUrl: string }[];
  [key: string]: unknown;
}

/** A Direct Line conversation as a client has it. */
async function open(customer = unique('customer')) {
  const response = await request(fixture.platform, 'POST', '/api/direct-line/token', {
    customerToken: await fixture.platform.shop.customerToken(customer),
  });
  const token = response.body;
  const { domain, userId } = token as { domain: string; userId: string };
  const headers = { authorization: `Bearer ${(token as { token: string }).token}`, 'content-type': 'application/json' };
  const started = await (await fetch(`${domain}/conversations`, { method: 'POST', headers })).json();
  const { conversationId, streamUrl } = started as { conversationId: string; streamUrl: string };
  const activities = async () => {
    const response = await fetch(`${domain}/conversations/${conversationId}/activities`, { headers });
    return ((await response.json()) as { activities: Activity[] }).activities;
  };
  const send = async (text: string, more: object = {}) => {
    const body = JSON.stringify({ type: 'message', from: { id: userId }, text, ...more });
    return await fetch(`${domain}/conversations/${conversationId}/activities`, { method: 'POST', headers, body });
  };
  const replies = (count: number) =>
    eventually(async () => {
      const found = (await activities()).filter(
        (activity) => activity.from.role === 'bot' && activity.type === 'message',
      );
      return found.length >= count && found;
    });
  return { domain, userId, headers, conversationId, streamUrl, activities, send, replies };
}

/** An activity as a channel posts it. */
function activity(more: object = {}) {
  return {
    type: 'message',
    id: unique('activity'),
    channelId: 'directline',
    serviceUrl: `${fixture.platform.directLine.url}/`,
    from: { id: 'user-1', name: 'User' },
    recipient: { id: 'maru' },
    conversation: { id: unique('conversation') },
    text: 'what are your opening hours?',
    ...more,
  };
}

async function post(body: unknown, authorization?: string) {
  const headers = { 'x-functions-key': '', ...(authorization === undefined ? {} : { authorization }) };
  return await request(fixture.platform, 'POST', '/api/messages', body, headers);
}

async function token(claims: { issuer?: string; expiresIn?: string; audience?: string; serviceUrl?: string } = {}) {
  const { identity, appId, directLine } = fixture.platform;
  return `Bearer ${await identity.channelToken(claims.audience ?? appId, claims.serviceUrl ?? `${directLine.url}/`, claims)}`;
}

test('a turn over Direct Line gets its reply, typing first, over the WebSocket', async () => {
  const line = await open();
  const received: Activity[] = [];
  const socket = new WebSocket(line.streamUrl);
  socket.on('message', (data) => {
    const text = String(data);
    if (text) received.push(...(JSON.parse(text) as { activities: Activity[] }).activities);
  });
  await new Promise((resolve) => socket.once('open', resolve));
  assert.equal((await line.send('where is my order?')).status, 200);
  const reply = await eventually(async () =>
    received.find((found) => found.from.role === 'bot' && found.type === 'message'),
  );
  assert.match(reply.text!, /ORD-10021/);
  assert.deepEqual(
    reply.suggestedActions!.actions.map((action) => action.title),
    ['ORD-10021', 'ORD-10022', 'ORD-10023'],
  );
  assert.ok(received.some((found) => found.type === 'typing'));
  assert.ok(
    received.some((found) => found.from.role === 'user' && found.text === 'where is my order?'),
    'the client sees its own activity',
  );
  assert.equal(reply.replyToId, received.find((found) => found.from.role === 'user')!.id);
  socket.close();
});

test('a client that reconnects gets what it missed, from its watermark', async () => {
  const line = await open();
  await line.send('안녕하세요');
  await line.replies(1);
  const again = await fetch(`${line.domain}/conversations/${line.conversationId}?watermark=1`, {
    headers: line.headers,
  });
  const { streamUrl } = (await again.json()) as { streamUrl: string };
  const socket = new WebSocket(streamUrl);
  const missed = await new Promise<string>((resolve) => socket.once('message', (data) => resolve(String(data))));
  const { activities } = JSON.parse(missed) as { activities: Activity[] };
  assert.equal(activities.length, 1);
  assert.match(activities[0]!.text!, /\p{Script=Hangul}/u);
  socket.close();
});

test('a picture is kept; what is not a picture is refused, whatever it says it is', async () => {
  const line = await open();
  const png = Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
    'base64',
  );
  const upload = async (bytes: Uint8Array<ArrayBuffer>, name: string) => {
    const form = new FormData();
    form.append(
      'activity',
      new Blob([JSON.stringify({ type: 'message', from: { id: line.userId } })], {
        type: 'application/vnd.microsoft.activity',
      }),
      'blob',
    );
    form.append('file', new Blob([bytes], { type: 'image/png' }), name);
    const response = await fetch(`${line.domain}/conversations/${line.conversationId}/upload?userId=${line.userId}`, {
      method: 'POST',
      headers: { authorization: line.headers.authorization },
      body: form,
    });
    assert.equal(response.status, 200);
  };
  await upload(new Uint8Array(png), 'photo.png');
  const [first] = await line.replies(2);
  assert.match(first!.text!, /received your picture photo\.png/);
  await upload(new TextEncoder().encode('<script>alert(1)</script>'), 'evil.png');
  const replies = await line.replies(4);
  assert.match(replies[2]!.text!, /can't take evil\.png/);

  // A photograph of what the shop has: what it looks like is said, and what there is of it.
  const shirt = await readFile(join(root, 'test/data/pictures/garments/tshirt-white-sheet.jpg'));
  await upload(new Uint8Array(shirt), 'shirt.jpg');
  const looks = (await line.replies(7)).slice(4);
  assert.match(looks[0]!.text!, /received your picture shirt\.jpg/);
  assert.equal(looks[1]!.text, 'That looks like a T-shirt.');
  assert.match(JSON.stringify(looks[2]), /Cotton T-shirt/);
  const erased = await request(fixture.platform, 'DELETE', `/api/users/${line.userId}?channel=directline`);
  assert.equal(erased.body.removed.attachments, 2);
});

test('an activity with a valid token is accepted once and answered by the connector', async () => {
  const line = await open();
  const message = activity({ conversation: { id: line.conversationId } });
  const authorization = await token();
  for (let time = 0; time < 3; time += 1) assert.equal((await post(message, authorization)).status, 202);
  const [reply] = await line.replies(1);
  assert.match(reply!.text!, /10/);
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal((await line.replies(1)).length, 1, 'sent three times, answered once');
  const logged = await eventually(async () => {
    const { resources } = await fixture.platform.cosmos.client
      .database('maru')
      .container('turns')
      .items.query({
        query: 'SELECT * FROM c WHERE c.conversationId = @id',
        parameters: [{ name: '@id', value: conversationId({ channel: 'directline' }, line.conversationId) }],
      })
      .fetchAll();
    return resources[0];
  });
  assert.equal(logged.understanding.intent, 'store_hours');
  assert.equal(logged.understanding.model.name, 'intents');
  assert.ok(logged.deliveredAt >= logged.answeredAt && logged.timings.inference >= 0);
});

test("in a group what one does not get across counts for nobody else, and one's person is not another's", async () => {
  const line = await open();
  const authorization = await token();
  const say = async (user: string, text: string, count: number) => {
    const from = { id: `${user}-${line.conversationId}` };
    const message = activity({ conversation: { id: line.conversationId, isGroup: true }, from, text });
    assert.equal((await post(message, authorization)).status, 202);
    return (await line.replies(count)).at(-1)!.text!;
  };
  // Two in a row that nobody understands call a person: these are two people's.
  assert.match(await say('ann', 'blue banana philosophy', 1), /not sure I understood/);
  assert.match(await say('ben', 'blue banana philosophy', 2), /not sure I understood/);
  // Not by who opened it, whose dialog stands elsewhere in the document.
  assert.match(await say('ben', 'zzkqx wwpf mmvb', 4), /number \d+ in the queue/);
  assert.match(await say('ann', 'what are your opening hours?', 5), /10:00/, 'ann talks to the bot');
  assert.match(await say('ben', 'what are your opening hours?', 6), /kept that for my colleague/, 'and ben waits');
  assert.match(await say('ben', 'stop', 7), /back with the bot/);
});

test('whatever is wrong with the token is 401, never 500', async () => {
  const { identity, appId, directLine } = fixture.platform;
  const stranger = await generateKeyPair('RS256');
  const forge = (key: Parameters<SignJWT['sign']>[0], header: { alg: string; kid?: string }) =>
    new SignJWT({ serviceurl: `${directLine.url}/` })
      .setProtectedHeader(header)
      .setIssuer(identity.issuer)
      .setAudience(appId)
      .setIssuedAt()
      .setExpirationTime('1h')
      .sign(key);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const payload = part({ iss: identity.issuer, aud: appId, exp: 9_999_999_999, serviceurl: `${directLine.url}/` });
  const hs256 = `${part({ alg: 'HS256', kid: 'local' })}.${payload}`;
  const good = await token();
  const cases: Record<string, string | undefined> = {
    missing: undefined,
    empty: '',
    garbage: 'Bearer garbage',
    'not a bearer': `Basic ${good.slice(7)}`,
    'wrong audience': await token({ audience: 'another-bot' }),
    'wrong issuer': await token({ issuer: 'https://sts.windows.net/any/' }),
    expired: await token({ expiresIn: '-1h' }),
    'wrong service URL': await token({ serviceUrl: 'https://elsewhere.example/' }),
    'bad signature': `Bearer ${await forge(stranger.privateKey, { alg: 'RS256', kid: 'local' })}`,
    'unknown key': `Bearer ${await forge(stranger.privateKey, { alg: 'RS256', kid: 'unknown' })}`,
    'no key id': `Bearer ${await forge(stranger.privateKey, { alg: 'RS256' })}`,
    'no algorithm': `Bearer ${part({ alg: 'none', kid: 'local' })}.${payload}.x`,
    'another algorithm': `Bearer ${hs256}.${createHmac('sha256', 'key').update(hs256).digest('base64url')}`,
    tampered: `${good.slice(0, -12)}AAAAAAAAAAAA`,
  };
  for (const [name, authorization] of Object.entries(cases)) {
    const answer = await post(activity(), authorization);
    assert.equal(answer.status, 401, name);
    assert.equal(answer.body.code, 'unauthorized', name);
  }
});

test('activities that the bot does not handle are accepted and ignored', async () => {
  const authorization = await token();
  for (const more of [
    { type: 'conversationUpdate', text: undefined },
    { type: 'typing' },
    { type: 'event', name: 'x' },
    { type: 'something-new' },
    { text: '   ' },
    { text: undefined },
  ]) {
    const answer = await post(activity(more), authorization);
    assert.equal(answer.status, 202, JSON.stringify(more));
    assert.deepEqual(answer.body, {});
  }
});

test('malformed activities are refused with the field', async () => {
  const authorization = await token();
  for (const more of [
    { type: 1 },
    { serviceUrl: 'not a url' },
    { channelId: 'a/b' },
    { from: 'me' },
    { attachments: [{}] },
    { entities: 'x' },
  ]) {
    const answer = await post(activity(more), authorization);
    assert.equal(answer.status, 400, JSON.stringify(more));
  }
  assert.equal((await post('{', authorization)).status, 400);
});

test('an attachment from elsewhere than the channel is never read', async () => {
  const line = await open();
  const attachments = [
    { contentType: 'image/png', contentUrl: `${fixture.platform.cosmos.url}/dbs`, name: 'inside.png' },
  ];
  const answer = await post(
    activity({ conversation: { id: line.conversationId }, text: 'thanks', attachments }),
    await token(),
  );
  assert.equal(answer.status, 202);
  const [refused, thanks] = await line.replies(2);
  assert.match(refused!.text!, /can't take inside\.png/);
  assert.match(thanks!.text!, /welcome|glad/i, 'the text beside it is answered');
});

test('what of a message can not be taken is said in the conversation', async () => {
  const authorization = await token();
  const said = async (count: number, more: object) => {
    const line = await open();
    const answer = await post(activity({ conversation: { id: line.conversationId }, ...more }), authorization);
    assert.equal(answer.status, 202, JSON.stringify(answer.body));
    return (await line.replies(count)).map(({ text }) => text).join('\n');
  };
  assert.match(await said(1, { text: 'x'.repeat(4_001) }), /too long for me/);
  const attachments = Array.from({ length: 7 }, (_, index) => ({
    contentType: 'image/png',
    contentUrl: `${fixture.platform.directLine.url}/attachments/none-${index}`,
    name: `${index}.png`,
  }));
  assert.match(await said(7, { text: '', attachments }), /can't take 4\.png[\s\S]*five pictures at a time/);
});

test('mentions, signs that nobody sees and absent fields do not change what is meant', async () => {
  const authorization = await token();
  for (const more of [
    {
      text: '<at>Maru Bot</at> what are your opening hours?',
      entities: [{ type: 'mention', text: '<at>Maru Bot</at>', mentioned: { id: 'maru', name: 'Maru Bot' } }],
    },
    { text: 'what are your opening\u0000 hours?' },
    { text: 'what are your opening hours?', entities: null, attachments: null, locale: null },
    {
      text: 'what are your opening hours?',
      attachments: [{ contentType: 'text/html', content: '<p>what are your opening hours?</p>' }],
    },
  ]) {
    const line = await open();
    const answer = await post(activity({ conversation: { id: line.conversationId }, ...more }), authorization);
    assert.equal(answer.status, 202, JSON.stringify(answer.body));
    const [reply] = await line.replies(1);
    assert.match(reply!.text!, /10:00/, JSON.stringify(more));
    assert.equal((await line.replies(1)).length, 1);
  }
});

test("a picture behind the bot's token is fetched with it; one that leads elsewhere is refused at once", async () => {
  const png = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#3c3' } })
    .png()
    .toBuffer();
  const replies: string[] = [];
  const asked: { url: string; authorization: string | undefined }[] = [];
  const service = await listen(
    createServer(async (request, response) => {
      const { url = '', headers, method } = request;
      asked.push({ url, authorization: headers.authorization });
      if (method === 'POST') {
        const activity = JSON.parse(Buffer.concat(await request.toArray()).toString()) as Activity;
        if (activity.type === 'message') replies.push(activity.text!);
        return response.writeHead(200, { 'content-type': 'application/json' }).end('{"id":"1"}');
      }
      if (url === '/moved.png') return response.writeHead(302, { location: `${fixture.platform.shop.url}/x` }).end();
      if (!headers.authorization) return response.writeHead(401).end();
      return response.writeHead(200, { 'content-type': 'image/png' }).end(png);
    }),
    0,
  );
  const serviceUrl = `${service.url}/`;
  const attachments = ['private.png', 'moved.png'].map((name) => ({
    contentType: 'image/png',
    contentUrl: `${service.url}/${name}`,
    name,
  }));
  const sent = activity({ serviceUrl, text: '', attachments, from: { id: unique('user') } });
  assert.equal((await post(sent, await token({ serviceUrl }))).status, 202);
  await eventually(async () => replies.length >= 3);
  await service.close();
  assert.match(replies.join('\n'), /received your picture private\.png[\s\S]*can't take moved\.png/);
  const own = asked.filter(({ url }) => url === '/private.png').map(({ authorization }) => authorization);
  assert.equal(own[0], undefined, 'not shown to whoever does not ask for it');
  assert.match(own[1]!, /^Bearer ./);
  assert.equal(asked.filter(({ url }) => url === '/moved.png').length, 1);
});
