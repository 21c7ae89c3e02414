import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Conversation, Speaker } from '../../../functions/conversation/document.ts';
import { conversationId, userId } from '../../../functions/conversation/identifier.ts';
import { open } from '../../../functions/conversation/transitions.ts';
import { useDatabase } from '../database.ts';

const database = useDatabase();

test('the sweep takes a conversation from who does not answer, and ends one in which nobody writes', async () => {
  const { wake } = await import('../../../functions/timers/wake.ts');
  const agent = { id: 'mina', name: 'Mina' };
  const person = { kind: 'person', agent, since: 1, reason: 'person', ticket: 'A1', spoke: 1, last: 1 } as const;
  const container = database.container('conversations');
  const swept = async (given: string, speaker: Speaker): Promise<Conversation> => {
    const id = conversationId('api', given);
    await container.items.create({ ...open(id, userId('api', 'u'), { kind: 'api' }, 'en', 0), speaker, wakeAt: 1 });
    await wake({} as never, {} as never);
    return (await container.item(id, id).read()).resource;
  };
  const lost = await swept('lost', { ...person, unanswered: 1 });
  assert.equal(lost.speaker.kind, 'waiting');
  assert.match(lost.recent.at(-1)!.replies[0]!.text, /^I'm sorry for the wait: Mina had to go/);
  const over = await swept('over', { ...person, unanswered: null });
  assert.equal(over.speaker.kind, 'bot');
  const waited = await swept('waited', { kind: 'waiting', since: 1, reason: 'person', ticket: 'A1' });
  assert.deepEqual([waited.speaker.kind, waited.callback?.ticket], ['bot', 'A1']);
});
