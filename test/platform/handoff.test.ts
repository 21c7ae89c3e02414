import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conversationId } from '../../functions/conversation/identifier.ts';
import { eventually, request, unique, usePlatform } from './fixture.ts';

/** The channel's own desk, by the Bot Framework's hand-off events. */
const fixture = usePlatform({ DESK: 'channel' });

test('a channel’s own desk is asked by handoff.initiate, and says by handoff.status that it has it and gives it back', async () => {
  const { platform } = fixture;
  const { directLine, identity, appId } = platform;
  const opened = await fetch(`${directLine.domain}/conversations`, {
    method: 'POST',
    headers: { authorization: `Bearer ${directLine.secret}` },
  });
  const { conversationId: id } = (await opened.json()) as { conversationId: string };
  const authorization = `Bearer ${await identity.channelToken(appId, `${directLine.url}/`)}`;
  const post = (activity: object) =>
    request(
      platform,
      'POST',
      '/api/messages',
      {
        id: unique('activity'),
        channelId: 'directline',
        serviceUrl: `${directLine.url}/`,
        from: { id: `user-${id}` },
        recipient: { id: 'maru' },
        conversation: { id },
        ...activity,
      },
      { authorization },
    );
  interface Activity {
    type: string;
    name?: string;
    text?: string;
    value?: { reason: string; ticket: string; text: string };
  }
  const activities = async () => {
    const response = await fetch(`${directLine.domain}/conversations/${id}/activities`, {
      headers: { authorization: `Bearer ${directLine.secret}` },
    });
    return ((await response.json()) as { activities: Activity[] }).activities;
  };
  const speaker = async () => {
    const stored = conversationId({ channel: 'directline' }, id);
    const { resource } = await platform.cosmos.client
      .database('maru')
      .container('conversations')
      .item(stored, stored)
      .read();
    return resource.speaker;
  };
  await post({ type: 'message', text: 'Talk to a person' });
  const initiate = await eventually(async () => (await activities()).find(({ name }) => name === 'handoff.initiate'));
  assert.equal(initiate.type, 'event');
  assert.deepEqual([initiate.value!.reason, initiate.value!.text], ['person', 'Talk to a person']);
  assert.equal((await speaker()).kind, 'waiting');

  await post({ type: 'event', name: 'handoff.status', value: { state: 'accepted' } });
  assert.equal((await speaker()).kind, 'person');
  await eventually(async () => (await activities()).some(({ text }) => /A colleague is here/.test(text ?? '')));
  const before = (await activities()).filter(({ type }) => type === 'message').length;
  await post({ type: 'message', text: 'what are your opening hours?' });
  await eventually(async () => (await speaker()).unanswered !== null && (await speaker()).last > 0);
  await new Promise((done) => setTimeout(done, 1_500));
  assert.equal((await activities()).filter(({ type }) => type === 'message').length, before, 'the bot is silent');

  // What does not fit is left alone.
  for (const value of [undefined, {}, { state: 'whatever' }, 'completed'])
    assert.equal((await post({ type: 'event', name: 'handoff.status', value })).status, 202);
  assert.equal((await speaker()).kind, 'person');
  await post({ type: 'event', name: 'handoff.status', value: { state: 'completed' } });
  assert.equal((await speaker()).kind, 'bot');
  await post({ type: 'message', text: 'what are your opening hours?' });
  await eventually(async () => (await activities()).some(({ text }) => /10:00/.test(text ?? '')));
});
