import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  conversationId,
  customerId,
  type Space,
  storedConversationId,
  storedTurnId,
  turnId,
  userId,
} from '../../../functions/conversation/identifier.ts';
import { hostileId } from '../hostile.ts';

const space = fc.oneof(
  fc.constant<Space>('api'),
  fc.record({ channel: fc.oneof(fc.constantFrom('api', 'channel', 'directline', 'msteams', '.', '..'), hostileId) }),
);

test('whatever an id is, what is stored is one harmless word of a fixed length', () => {
  fc.assert(
    fc.property(space, hostileId, (where, given) => {
      assert.match(conversationId(where, given), /^conversation\.[\w-]{43}$/);
      assert.match(userId(where, given), /^user\.[\w-]{43}$/);
      assert.match(turnId(given), /^turn\.[\w-]{43}$/);
      assert.equal(storedConversationId(conversationId(where, given)), conversationId(where, given));
      assert.equal(storedTurnId(turnId(given)), turnId(given));
    }),
  );
});

test('two ids are stored as one only if they are the same, of the same space', () => {
  fc.assert(
    fc.property(space, hostileId, space, hostileId, (where, given, elsewhere, other) => {
      const same = JSON.stringify([where, given]) === JSON.stringify([elsewhere, other]);
      assert.equal(userId(where, given) === userId(elsewhere, other), same);
      assert.equal(turnId(given) === turnId(other), given === other);
    }),
  );
});

test("an id that is what another is stored as is still its own; a channel's name and an id can't be divided otherwise", () => {
  const victim = userId('api', 'victim');
  assert.notEqual(userId('api', victim), victim);
  assert.notEqual(userId({ channel: 'api' }, 'victim'), victim);
  assert.notEqual(userId({ channel: 'a' }, 'b.c'), userId({ channel: 'a.b' }, 'c'));
  assert.notEqual(userId({ channel: 'a","b' }, 'c'), userId({ channel: 'a' }, 'b","c'));
});

test('a conversation that has the id of its user tells nothing of the user', () => {
  const [, conversation] = conversationId('api', 'kim').split('.');
  const [, user] = userId('api', 'kim').split('.');
  assert.notEqual(conversation, user);
});

test('a queue message names only what is stored so', () => {
  for (const text of [
    '',
    'api.c1',
    '..',
    'api..',
    `api.${'x'.repeat(44)}`,
    `api.${'/'.repeat(43)}`,
    `${conversationId('api', 'c')}\n`,
  ])
    assert.equal(storedConversationId(text), null, text);
});

test("a customer's id is taken as the shop writes it, but for what could be another path", () => {
  for (const id of ['demo', '10021', 'kim@example.com', 'a.b-c_d:e+f', 'a..']) assert.equal(customerId(id), id);
  for (const id of [
    '',
    '.',
    '..',
    '...',
    '.a',
    'a/b',
    'a\\b',
    '%2e%2e',
    'a?b',
    'a#b',
    'a b',
    'a\n',
    'é',
    'x'.repeat(129),
  ])
    assert.equal(customerId(id), null, id);
});
