import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { QueueServiceClient } from '@azure/storage-queue';
import { conversationId, turnId, userId } from '../../functions/conversation/identifier.ts';
import { eventually, request, say, unique, usePlatform } from './fixture.ts';

const fixture = usePlatform();

interface Message {
  status: string;
  turnId: string;
  replies: { text: string; suggestions?: string[] }[];
}

const messages = async (id: string): Promise<Message[]> =>
  (await request(fixture.platform, 'GET', `/api/conversations/${id}/messages`)).body.messages;
const incidents = async () =>
  (await request(fixture.platform, 'GET', '/api/incidents')).body.incidents as {
    kind: string;
    conversationId: string;
    turnId: string;
    reason: string;
  }[];
const queue = (name: string) =>
  QueueServiceClient.fromConnectionString(fixture.platform.azurite.connection).getQueueClient(name);

describe('what waits, what is answered after, and what ends', () => {
  test('messages that are no wake-up calls end as poison with a reason, and harm no other', async () => {
    const bad = ['not json {', '{"conversation":"x"}', '[]', '"a wake-up"'];
    for (const text of bad) await queue('turns').sendMessage(text);
    const id = unique('c');
    assert.equal((await say(fixture.platform, id, 'many thanks')).body.status, 'answered');
    const found = await eventually(async () => {
      const poison = (await incidents()).filter((incident) => incident.kind === 'poison_message');
      return poison.length === bad.length && poison;
    }, 60);
    for (const incident of found) assert.match(incident.reason, /not a wake-up call/);
    assert.equal((await queue('turns-poison').getProperties()).approximateMessagesCount, 0);
  });

  test('a wake-up for a conversation that does not exist does nothing', async () => {
    await queue('turns').sendMessage(JSON.stringify({ conversationId: conversationId('api', 'gone') }));
    await eventually(async () => (await queue('turns').getProperties()).approximateMessagesCount === 0);
  });

  test('a lost wake-up costs seconds: the sweep sends it again', async () => {
    const { platform } = fixture;
    await platform.running.gateway!.stop();
    const { database } = { database: platform.cosmos.client.database('maru') };
    const id = unique('c');
    const now = Date.now();
    const turn = {
      id: turnId('t1'),
      givenId: 't1',
      userId: userId('api', 'u'),
      customerId: null,
      text: 'many thanks',
      attachments: [],
      locale: 'en',
      fingerprint: '',
      traceparent: '',
      acceptedAt: now,
      attempts: 0,
      retryAt: 0,
    };
    const { open } = await import('../../functions/conversation/transitions.ts');
    await database.container('conversations').items.create({
      ...open(conversationId('api', id), userId('api', 'u'), { kind: 'api' }, 'en', now),
      inbox: [turn],
      wakeAt: now,
    } as never);
    await platform.startGateway();
    await eventually(async () => (await messages(id))[0]?.status === 'answered', 25);
  });

  test('inference down for 20 s: turns wait and are answered after', async () => {
    const { platform } = fixture;
    await platform.running.inference!.kill();
    const ids = [unique('c'), unique('c')];
    const sent = ids.map((id) =>
      request(platform, 'POST', `/api/conversations/${id}/messages`, { userId: 'u', text: 'many thanks' }),
    );
    for (const answer of await Promise.all(sent)) assert.equal(answer.status, 202);
    await sleep(20_000);
    for (const id of ids) assert.equal((await messages(id))[0]!.status, 'accepted');
    await platform.startInference();
    for (const id of ids) await eventually(async () => (await messages(id))[0]!.status === 'answered', 20);
  });

  test('inference down for good: each turn gets the apology, the operator has it, nothing is blocked', async () => {
    const { platform } = fixture;
    await platform.running.inference!.kill();
    const ids = [unique('c'), unique('c'), unique('c')];
    await Promise.all(
      ids.map((id) =>
        request(platform, 'POST', `/api/conversations/${id}/messages`, { userId: 'u', text: '배송비 무료인가요?' }),
      ),
    );
    for (const id of ids) {
      const [message] = await eventually(async () => {
        const found = await messages(id);
        return found[0]!.status === 'failed' && found;
      }, 60);
      assert.match(message!.replies[0]!.text, /죄송합니다/);
      assert.deepEqual(message!.replies[0]!.suggestions, ['상담원 연결해 주세요']);
      const incident = await eventually(async () =>
        (await incidents()).find((known) => known.conversationId === conversationId('api', id)),
      );
      assert.equal(incident.kind, 'turn_failed');
      assert.equal(incident.turnId, turnId(message!.turnId));
      assert.match(incident.reason, /inference/);
    }
    await platform.startInference();
    for (const id of ids) {
      const answer = await request(
        platform,
        'POST',
        `/api/conversations/${id}/messages`,
        { userId: 'u', text: 'many thanks' },
        { prefer: 'wait=20' },
      );
      assert.equal(answer.body.status, 'answered');
    }
  });
});
