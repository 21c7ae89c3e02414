import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BlobServiceClient } from '@azure/storage-blob';
import { QueueServiceClient } from '@azure/storage-queue';
import sharp from 'sharp';
import { conversationId, turnId, userId } from '../../functions/conversation/identifier.ts';
import { blobContainers, containers, queues } from '../../functions/services/stores.ts';
import { Door } from './door.ts';
import { eventually, request, unique, usePlatform } from './fixture.ts';

/** The channel's service, which pictures are read from, slowly where a test says so. */
const pictures = await Door.open();
const fixture = usePlatform({ ATTACHMENT_ORIGINS: pictures.url });

after(() => pictures.shut());
const picture = { status: 200, headers: { 'content-type': 'image/png' } };
const png = await sharp({ create: { width: 4, height: 4, channels: 3, background: '#0b6e4f' } })
  .png()
  .toBuffer();
pictures.rule = () => ({ ...picture, body: png });

/** A user's message over a channel, with an id of the user's own and perhaps a picture. */
async function say(
  user: { id: string; name: string },
  conversation: string,
  text: string,
  picture = '',
): Promise<void> {
  const { identity, appId, directLine } = fixture.platform;
  const authorization = `Bearer ${await identity.channelToken(appId, `${directLine.url}/`)}`;
  const body = {
    type: 'message',
    id: `${unique('activity')}-of-${user.id}`,
    channelId: 'directline',
    serviceUrl: `${directLine.url}/`,
    from: user,
    recipient: { id: 'maru' },
    conversation: { id: conversation },
    text,
    ...(picture
      ? {
          attachments: [
            {
              contentType: 'image/png',
              contentUrl: `${pictures.url}/${encodeURIComponent(picture)}`,
              name: `${picture}.png`,
            },
          ],
        }
      : {}),
  };
  const answer = await request(fixture.platform, 'POST', '/api/messages', body, { authorization });
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
}

const documents = async (name: string) => {
  const container = fixture.platform.cosmos.client.database('maru').container(name);
  return (await container.items.readAll<Record<string, unknown>>().fetchAll()).resources;
};
const document = async (conversation: string) => {
  const id = conversationId({ channel: 'directline' }, conversation);
  return (await documents('conversations')).find((known) => known.id === id) as
    | { inbox: unknown[]; recent: { userId: string; text: string; logged: boolean }[]; outbox: unknown[] }
    | undefined;
};
const settled = (conversation: string, turns: number) =>
  eventually(async () => {
    const found = await document(conversation);
    return (
      found &&
      found.inbox.length === 0 &&
      found.recent.length === turns &&
      found.recent.every(({ logged }) => logged) &&
      found
    );
  });
const blobs = async () => {
  const names: string[] = [];
  const service = BlobServiceClient.fromConnectionString(fixture.platform.azurite.connection);
  for (const name of Object.keys(blobContainers)) {
    const container = service.getContainerClient(name);
    if (!(await container.exists())) continue;
    for await (const blob of container.listBlobsFlat()) names.push(`${name}/${blob.name}`);
  }
  return names;
};
const messages = async () => {
  const service = QueueServiceClient.fromConnectionString(fixture.platform.azurite.connection);
  const texts: string[] = [];
  for (const name of queues.flatMap((queue) => [queue, `${queue}-poison`])) {
    const { peekedMessageItems } = await service.getQueueClient(name).peekMessages({ numberOfMessages: 32 });
    texts.push(...peekedMessageItems.map(({ messageText }) => messageText));
  }
  return texts;
};

/** Everything that is written anywhere, as text by its place. */
async function everything(): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const name of Object.keys(containers)) all[`container ${name}`] = JSON.stringify(await documents(name));
  all.blobs = (await blobs()).join('\n');
  all.queues = (await messages()).join('\n');
  const logs = join(fixture.platform.running.gateway!.logFile, '..');
  for (const name of await readdir(logs)) all[`log ${name}`] = await readFile(join(logs, name), 'utf8');
  return all;
}

async function assertNothing(words: string[]): Promise<void> {
  for (const [place, text] of Object.entries(await everything()))
    for (const word of words)
      assert.ok(!text.includes(word), `${place} has ${JSON.stringify(word)}: ${around(text, word)}`);
}
const around = (text: string, word: string) =>
  text.slice(Math.max(0, text.indexOf(word) - 200), text.indexOf(word) + 200);

test('who has everything is erased from every store, also of what others opened; others keep theirs; no log ever had any of it', async () => {
  const { platform } = fixture;
  const mina = { id: 'mina-7f3a', name: 'Mina Zimtstern' };
  const other = { id: 'joon-91bd', name: 'Joon Quittenbaum' };
  const [own, group] = [unique('own'), unique('group')];
  const words = [mina.id, mina.name, 'zanzibar', 'photo-of-mina', own];
  const stored = userId({ channel: 'directline' }, mina.id);

  await say(mina, own, 'zanzibar: where is my order? my card is 4111 1111 1111 1111, call 010-1234-5678');
  await settled(own, 1);
  await say(mina, own, 'zanzibar', 'photo-of-mina 010-2345-6789');
  await settled(own, 2);
  // A group that another one opened, and one that she did.
  await say(other, group, 'apfelbaum: what are your opening hours?');
  await say(mina, group, 'zanzibar: how do I return this?');
  await settled(group, 2);
  // An incident of hers beside those of deliveries that failed.
  await platform.cosmos.client
    .database('maru')
    .container('incidents')
    .items.create({
      id: 'incident-1',
      kind: 'turn_failed',
      userId: stored,
      acceptedAt: 1,
      at: Date.now() + 60_000,
      reason: 'inference: no answer',
      conversationId: null,
      turnId: null,
    });

  // What is kept of a turn has no personal details, before anybody asks for erasure.
  const before = await everything();
  for (const [place, text] of Object.entries(before)) {
    assert.doesNotMatch(text, /4111 1111|010-1234-5678|010-2345-6789/, place);
    if (place.startsWith('log ') || place === 'queues')
      for (const word of words) assert.ok(!text.includes(word), `${place} has ${word}: ${around(text, word)}`);
  }
  assert.match(before['container turns']!, /my card is \[card\], call \[phone\]/);

  const exported = await request(platform, 'GET', `/api/users/${mina.id}/export?channel=directline`);
  const [data] = exported.body.users;
  assert.equal(data.user.givenId, mina.id);
  assert.deepEqual(data.conversations.map(({ recent }: { recent: unknown[] }) => recent.length).sort(), [1, 2]);
  assert.equal(data.turns.length, 3);
  // The stand-in's connector knows no such conversations: a failed delivery each, and the one above.
  assert.equal(data.incidents.length, 4);
  assert.deepEqual(
    data.attachments.map(({ contentType, bytes }: { contentType: string; bytes: number }) => [contentType, bytes]),
    [['image/png', png.length]],
  );
  assert.ok(!JSON.stringify(data).includes('apfelbaum'), "another's words are not hers");

  const erased = await request(platform, 'DELETE', `/api/users/${mina.id}?channel=directline`);
  assert.deepEqual(erased.body.removed, { users: 1, conversations: 2, turns: 3, incidents: 4, attachments: 1 });
  await assertNothing(words);
  assert.equal((await request(platform, 'GET', `/api/users/${mina.id}/export?channel=directline`)).status, 404);
  const kept = (await document(group))!;
  assert.deepEqual(
    kept.recent.map(({ text }) => text),
    ['apfelbaum: what are your opening hours?'],
  );
  // What says that she was erased does not say who she is, and ends by itself.
  const [erasure] = await documents('erasures');
  assert.equal(erasure!.id, stored);
  assert.equal(erasure!.ttl, 2 * 86_400);
  // The group goes on, and so may she, as somebody new.
  await say(other, group, 'thanks');
  await eventually(async () => (await document(group))!.recent.length === 2);
  await say(mina, own, 'thanks');
  await settled(own, 1);
});

test('whoever opened a group leaves it to the others', async () => {
  const [first, second] = [
    { id: 'opener-1', name: 'Opener' },
    { id: 'guest-2', name: 'Guest' },
  ];
  const group = unique('group');
  await say(first, group, 'what are your opening hours?');
  await say(second, group, 'how do I return this?');
  await settled(group, 2);
  await request(fixture.platform, 'DELETE', `/api/users/${first.id}?channel=directline`);
  const left = (await document(group))! as unknown as { userId: string; participants: string[]; recent: unknown[] };
  assert.equal(left.userId, userId({ channel: 'directline' }, second.id));
  assert.deepEqual(left.participants, [left.userId]);
  assert.equal(left.recent.length, 1);
  await request(fixture.platform, 'DELETE', `/api/users/${second.id}?channel=directline`);
  assert.equal(await document(group), undefined);
});

test('what is under way when its user is erased is found and removed: a turn that waits, a picture that is being read', async () => {
  const { platform } = fixture;
  const kim = { id: 'kim-in-flight', name: 'Kim Pflaume' };
  const conversation = unique('flight');
  const reading = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  pictures.rule = async ({ path }) => {
    if (path.includes('slow')) {
      reading.resolve();
      await go.promise;
    }
    return { ...picture, body: png };
  };
  await say(kim, conversation, 'kumquat', 'slow-picture');
  await reading.promise;
  await say(kim, conversation, 'kumquat waits behind it');
  const erased = await request(platform, 'DELETE', `/api/users/${kim.id}?channel=directline`);
  assert.equal(erased.body.removed.conversations, 1);
  go.resolve();
  await sleep(2_000);
  assert.deepEqual(
    (await blobs()).filter((name) => name.includes(userId({ channel: 'directline' }, kim.id))),
    [],
  );
  await assertNothing([kim.id, kim.name, 'kumquat', conversation]);
});

test('an erasure is repeated for what a crashed worker leaves behind it, and takes nothing that came after', async () => {
  const { platform } = fixture;
  const user = { id: 'crashed-worker', name: 'Crash' };
  const conversation = unique('crash');
  await say(user, conversation, 'thanks');
  await settled(conversation, 1);
  await request(platform, 'DELETE', `/api/users/${user.id}?channel=directline`);
  // As if a worker that had died after the write came to light only now.
  const stored = userId({ channel: 'directline' }, user.id);
  const id = conversationId({ channel: 'directline' }, conversation);
  const late = (acceptedAt: number, name: string) => ({
    id: turnId(name),
    conversationId: id,
    userId: stored,
    text: 'nachzügler',
    acceptedAt,
    answeredAt: acceptedAt,
  });
  const turns = platform.cosmos.client.database('maru').container('turns');
  await turns.items.create(late(Date.now() - 60_000, 'before'));
  await turns.items.create(late(Date.now() + 1_000, 'after'));
  const service = BlobServiceClient.fromConnectionString(platform.azurite.connection).getContainerClient('attachments');
  for (const [name, accepted] of [
    ['before', Date.now() - 60_000],
    ['after', Date.now() + 1_000],
  ] as const)
    await service
      .getBlockBlobClient(`${stored}/${id}/${turnId(name)}-0.png`)
      .uploadData(png, { metadata: { accepted: String(accepted) } });
  await eventually(async () => (await documents('turns')).filter((known) => known.userId === stored).length === 1, 45);
  assert.equal((await documents('turns')).find((known) => known.userId === stored)!.id, turnId('after'));
  await eventually(async () => (await blobs()).filter((name) => name.includes(stored)).length === 1, 5);
  assert.ok((await blobs()).some((name) => name.includes(turnId('after'))));
});

test('a customer of the shop is found whoever she was in the channels, and only she', async () => {
  const { platform } = fixture;
  const customer = unique('customer');
  const say = (user: string, id: string) =>
    request(
      platform,
      'POST',
      `/api/conversations/${unique('c')}/messages`,
      { userId: user, text: 'thanks', customerId: id },
      { prefer: 'wait=20' },
    );
  const [phone, web, stranger] = [unique('phone'), unique('web'), unique('stranger')];
  for (const [user, id] of [
    [phone, customer],
    [web, customer],
    [stranger, `${customer}-2`],
  ] as const)
    await say(user, id);
  const exported = await request(platform, 'GET', `/api/customers/${customer}/export`);
  assert.deepEqual(
    exported.body.users.map(({ user }: { user: { givenId: string } }) => user.givenId).sort(),
    [phone, web].sort(),
  );
  const erased = await request(platform, 'DELETE', `/api/customers/${customer}`);
  assert.equal(erased.body.removed.users, 2);
  assert.equal((await request(platform, 'GET', `/api/customers/${customer}/export`)).status, 404);
  assert.equal((await request(platform, 'GET', `/api/users/${stranger}/export`)).status, 200);
  for (const nobody of [`/api/customers/${customer}`, `/api/users/${phone}`, '/api/users/nobody-ever'])
    assert.equal((await request(platform, 'DELETE', nobody)).body.removed.users, 0, nobody);
  // Whoever spoke for two is found by either.
  const both = unique('both');
  for (const id of [`${customer}-3`, `${customer}-4`]) await say(both, id);
  for (const id of [`${customer}-3`, `${customer}-4`])
    assert.equal((await request(platform, 'GET', `/api/customers/${id}/export`)).body.users.length, 1);
});

test('local files that hold what people wrote are for nobody else', async () => {
  const folder = join(fixture.platform.running.gateway!.logFile, '../..');
  assert.equal((await stat(folder)).mode & 0o077, 0);
  for (const name of await readdir(folder, { recursive: true })) {
    const found = await stat(join(folder, name)).catch(() => null);
    if (found) assert.equal(found.mode & 0o077, 0, name);
  }
});
