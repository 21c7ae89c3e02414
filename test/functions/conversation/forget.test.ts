import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Channel, type Conversation, emptyDialog } from '../../../functions/conversation/document.ts';
import { conversationId, turnId, userId } from '../../../functions/conversation/identifier.ts';
import * as conversation from '../../../functions/conversation/transitions.ts';
import { flowAt } from './flow.ts';

const CHANNEL: Channel = { kind: 'activity', reference: { serviceUrl: 'https://channel.example' } };
const users = ['a', 'b', 'c'].map((name) => userId({ channel: 'x' }, name));

const answer: conversation.Answer = {
  said: { text: 'said', attachments: [] },
  replies: [{ text: 'reply' }],
  dialog: {
    flow: flowAt('shall_i', '1'),
    paused: [],
    misses: 0,
    handover: null,
  },
  skill: 'answer',
  kept: String,
  understanding: null,
  outcome: 'answered',
  timings: {},
};

function accept(document: Conversation, id: string, user: number, now: number): Conversation {
  const incoming = {
    id: turnId(id),
    givenId: id,
    sender: { id: `sender-${user}` },
    userId: users[user]!,
    customerId: null,
    text: `text-of-${user}`,
    attachments: [],
    localeAfter: () => 'en',
    fingerprint: id,
    traceparent: '',
    acceptedAt: now,
    attempts: 0,
    retryAt: 0,
  };
  const outcome = conversation.accept(document, incoming, CHANNEL, now);
  return outcome.kind === 'accepted' ? outcome.document : document;
}

type Step = { kind: 'accept'; user: number } | { kind: 'route' | 'claim' | 'answer' | 'send' | 'sent' | 'log' };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.nat({ max: 2 }).map((user): Step => ({ kind: 'accept', user })) },
  {
    weight: 6,
    arbitrary: fc
      .constantFrom('route', 'claim', 'answer', 'send', 'sent', 'log')
      .map((kind): Step => ({ kind }) as Step),
  },
);

/** A document after any steps, as any workers would leave it. */
function after(steps: Step[]): { document: Conversation; now: number } {
  let document: Conversation = conversation.open(conversationId({ channel: 'x' }, 'c'), users[0]!, CHANNEL, 'en', 0);
  let now = 1;
  for (const [index, action] of steps.entries()) {
    now += 1;
    const head = document.inbox[0]?.id;
    const routed = { skill: 'orders', understanding: null, timings: {} };
    const next =
      action.kind === 'accept'
        ? accept(document, `t${index}`, action.user, now)
        : action.kind === 'route'
          ? head && conversation.route(document, head, routed, now)
          : action.kind === 'claim'
            ? conversation.claim(document, 'orders', 'w', { ...answer, outcome: 'failed' }, now)
            : action.kind === 'answer'
              ? head && conversation.answer(document, head, document.active?.claim?.by ?? null, answer, now)
              : action.kind === 'send'
                ? conversation.claimDelivery(document, 's', now)
                : action.kind === 'sent'
                  ? conversation.delivered(
                      document,
                      's',
                      document.outbox.map(({ turnId: id }) => ({ turnId: id, ms: 1, ok: true })),
                      now,
                    )
                  : conversation.logged(
                      document,
                      document.recent.map(({ id }) => id),
                      now,
                    );
    document = next || document;
  }
  return { document, now };
}

test('nothing of who is erased stays, everything of the others does, in its order, and the conversation goes on', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat({ max: 2 }), (steps, gone) => {
      const { document, now } = after(steps);
      const user = users[gone]!;
      const left = conversation.forget(document, user, now, String, now + 1);
      const others = [...document.recent, ...document.inbox].filter((turn) => turn.userId !== user);
      if (left === 'empty') return assert.equal(others.length, 0);
      if (left === null) return assert.ok(!JSON.stringify(document).includes(user), 'there was nothing to forget');
      assert.ok(!JSON.stringify(left).includes(user));
      assert.ok(!JSON.stringify(left).includes(`sender-${gone}`) && !JSON.stringify(left).includes(`text-of-${gone}`));
      assert.deepEqual([...left.recent, ...left.inbox], others);
      for (const one of users.filter((other) => other !== user && left.participants.includes(other)))
        assert.deepEqual(conversation.dialogOf(left, one), conversation.dialogOf(document, one), 'theirs goes on');
      assert.deepEqual(conversation.dialogOf(left, user), emptyDialog);
      const known = new Set(left.recent.map(({ id }) => id));
      assert.ok(left.outbox.every(({ turnId: id }) => known.has(id)));
      assert.deepEqual(
        left.outbox,
        document.outbox.filter(({ turnId: id }) => known.has(id)),
      );
      if (left.active) assert.equal(left.active.turnId, left.inbox[0]!.id);
      assert.ok(left.participants.includes(left.userId));
      // Whatever waits is woken, and comes to its end.
      const due = left.inbox.length > 0 || left.outbox.length > 0 || conversation.unlogged(left).length > 0;
      assert.equal(left.wakeAt !== null, due);
      let going: Conversation = left;
      const later = now + 1_000_000;
      for (const { id } of left.inbox) {
        if (going.active)
          going = conversation.claim(going, 'orders', 'w2', { ...answer, outcome: 'failed' }, later) ?? going;
        going = conversation.answer(going, id, going.active?.claim?.by ?? null, answer, later) ?? going;
      }
      assert.equal(going.inbox.length, 0);
      const claimed = conversation.claimDelivery(going, 's2', later);
      assert.equal(claimed === null, going.outbox.length === 0);
    }),
    { numRuns: Number(process.env.PROPERTY_RUNS ?? 2_000) },
  );
});

test('what came after the erasure stays, and a conversation that was opened after it is another', () => {
  const first = accept(
    conversation.open(conversationId({ channel: 'x' }, 'c'), users[0]!, CHANNEL, 'en', 5),
    'old',
    0,
    10,
  );
  const both = accept(first, 'new', 0, 20);
  const left = conversation.forget(both, users[0]!, 15, String, 30);
  assert.ok(left !== 'empty' && left !== null);
  assert.deepEqual(
    left.inbox.map(({ givenId }) => givenId),
    ['new'],
  );
  assert.equal(conversation.forget(both, users[0]!, 4, String, 30), null);
  assert.equal(conversation.forget(both, users[1]!, 100, String, 30), null, 'who was never there');
  assert.equal(conversation.forget(both, users[0]!, 25, String, 30), 'empty');
});

test("the part of one user has nobody else's words, and no others among its participants", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.nat({ max: 2 }), (steps, own) => {
      const { document } = after(steps);
      const part = JSON.stringify(conversation.partOf(document, users[own]!));
      for (const [other, user] of users.entries())
        if (other !== own)
          assert.ok(!part.includes(user) && !part.includes(`text-of-${other}`) && !part.includes(`sender-${other}`));
    }),
  );
});
