import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AnsweredTurn, Conversation } from '../../../functions/conversation/document.ts';
import { conversationId, turnId, userId } from '../../../functions/conversation/identifier.ts';
import { open } from '../../../functions/conversation/transitions.ts';
import { useDatabase } from '../database.ts';

const database = useDatabase();

const answered = (key: string): AnsweredTurn => ({
  id: turnId(key),
  givenId: key,
  sender: { id: 'somebody', name: 'Somebody' },
  userId: userId('api', 'u'),
  customerId: null,
  text: 'thanks',
  attachments: [],
  locale: 'en',
  fingerprint: '',
  traceparent: '',
  acceptedAt: 1,
  attempts: 0,
  retryAt: 0,
  answeredAt: 2,
  ordinal: 1,
  replies: [],
  outcome: 'answered',
  skill: 'answer',
  understanding: null,
  logged: false,
  deliveredAt: null,
  timings: {},
});

async function conversation(given: string, turns: number): Promise<Conversation> {
  const document = {
    ...open(conversationId('api', given), userId('api', 'u'), { kind: 'api' }, 'en', 0),
    recent: Array.from({ length: turns }, (_, at) => answered(`${given}-${at}`)),
  };
  await database.container('conversations').items.create(document);
  return document;
}

const logged = async (id: string) => {
  const query = { query: 'SELECT * FROM c WHERE c.conversationId = @id', parameters: [{ name: '@id', value: id }] };
  return (await database.container('turns').items.query(query).fetchAll()).resources;
};

test('two workers at once log every turn once, and take nothing away that the other has made room of', async () => {
  const { logTurns } = await import('../../../functions/queues/log.ts');
  const { id } = await conversation('busy', 40);
  const wake = () => logTurns({ conversationId: id }, { triggerMetadata: {} } as never);
  await Promise.all([wake(), wake(), wake()]);
  const turns = await logged(id);
  assert.equal(turns.length, 40);
  assert.ok(
    turns.every((turn) => turn.sender === undefined),
    'the name of the account is not needed any more',
  );
});

test('what was logged of a conversation that was erased meanwhile is taken out again', async () => {
  const { logTurns } = await import('../../../functions/queues/log.ts');
  const { id } = await conversation('erased', 3);
  const conversations = database.container('conversations');
  // After the first of its turns is written, and before they are marked: the emulator does one thing after the other.
  let gone = false;
  database.server().prependListener('request', (request) => {
    if (gone || request.method !== 'POST' || !request.url?.endsWith('/turns/docs')) return;
    gone = true;
    void conversations.item(id, id).delete();
  });
  await logTurns({ conversationId: id }, { triggerMetadata: {} } as never);
  assert.ok(gone);
  assert.equal((await conversations.item(id, id).read()).statusCode, 404);
  assert.deepEqual(await logged(id), []);
});

test('words of a person that the channel refused are an incident too, and are no turn that was answered', async () => {
  const { logTurns } = await import('../../../functions/queues/log.ts');
  const document = await conversation('refused', 1);
  const by = { id: 'mina', name: 'Mina' };
  const [turn] = document.recent;
  const words = {
    ...turn!,
    givenId: '',
    text: '',
    by,
    replies: [{ text: 'call 010-1234-5678' }],
    deliveryError: '403',
  };
  await database.container('conversations').items.upsert({ ...document, recent: [words] });
  const lines: string[] = [];
  const { info } = console;
  console.info = (line: string) => void lines.push(line);
  try {
    await logTurns({ conversationId: document.id }, {} as never);
  } finally {
    console.info = info;
  }
  const incidents = await database.container('incidents').items.readAll().fetchAll();
  const found = incidents.resources.filter((one) => one.conversationId === document.id);
  assert.deepEqual(
    found.map((one) => [one.kind, one.reason]),
    [['delivery_failed', '403']],
  );
  assert.ok(!lines.some((line) => line.includes('"message":"turn"')));
  assert.doesNotMatch(JSON.stringify(await logged(document.id)), /1234-5678/);
});
