import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Conversation } from '../../../functions/conversation/document.ts';
import { conversationId, userId } from '../../../functions/conversation/identifier.ts';
import { open } from '../../../functions/conversation/transitions.ts';
import { upcast, VERSION } from '../../../functions/conversation/version.ts';
import { wakeUpMessage } from '../../../functions/services/queues.ts';
import { flowAt } from './flow.ts';

const opened = open(conversationId('api', 'c'), userId('api', 'u'), { kind: 'api' }, 'en', 1);
/** As the build before wrote it. */
function first(more: object = {}): Conversation {
  const { version: _, ...rest } = opened;
  const scenario = { skill: 'orders', step: 'confirm', slots: { order: 'ORD-10022' }, updatedAt: 1 };
  const dialog = { scenario, misses: 1, handover: null };
  return { ...rest, dialog, others: { other: dialog }, ...more } as unknown as Conversation;
}

test('a document of the first version is one of this: nobody knows what its scenario showed, so that is over', () => {
  const read = upcast(first());
  const dialog = { flow: null, paused: [], misses: 1, handover: null };
  assert.deepEqual(read.dialog, dialog);
  assert.deepEqual(read.others, { other: dialog });
  assert.equal(read.version, VERSION);
  assert.deepEqual(upcast(read), read, 'once');
});

test('a turn that was routed to a skill of before begins its flow', () => {
  const active = { turnId: 't', skill: 'orders', understanding: null, claim: null, since: 1, timings: {} };
  assert.equal(upcast(first({ active })).active?.skill, 'flow');
  assert.equal(upcast(first({ active: { ...active, skill: 'person' } })).active?.skill, 'person');
});

test('what an older build wrote into a document of this version, and what a newer one adds, is kept', () => {
  const dialog = { ...opened.dialog, flow: flowAt('shall_i', 'ORD-10022') };
  const touched = { ...opened, dialog: { ...dialog, scenario: null } } as unknown as Conversation;
  assert.deepEqual(upcast(touched).dialog.flow, dialog.flow);
  const newer = { ...opened, version: VERSION + 1, more: 'of it' } as unknown as Conversation;
  assert.deepEqual(upcast(newer), newer);
  const { paused: _, ...lost } = dialog;
  assert.equal(upcast({ ...newer, dialog: lost } as unknown as Conversation).version, VERSION + 1);
});

test('a wake-up has its version, the first where none is written; what a newer build adds is left alone', () => {
  const message = { conversationId: opened.id };
  assert.equal(wakeUpMessage.parse(message).version, 1);
  assert.deepEqual(wakeUpMessage.parse({ ...message, version: 2, more: true }), {
    ...message,
    version: 2,
    traceparent: '',
    sentAt: 0,
  });
  assert.throws(() => wakeUpMessage.parse({ version: 1 }));
});

test('a document of the second version has the bot as its speaker, and its turns their numbers; what an older build adds has the next', () => {
  const { speaker: _, callback: __, said: ___, ...second } = { ...opened, version: 2 };
  const turns = ['a', 'b'].map((id) => ({ id, text: id }));
  const read = upcast({ ...second, recent: turns } as unknown as Conversation);
  assert.deepEqual([read.version, read.speaker, read.callback, read.said], [VERSION, { kind: 'bot' }, null, 2]);
  assert.deepEqual(
    read.recent.map(({ ordinal }) => ordinal),
    [1, 2],
  );
  assert.deepEqual(upcast(read), read, 'once');
  const touched = {
    ...read,
    said: 9,
    recent: [{ ...read.recent[0]!, ordinal: 9 }, turns[1]],
  } as unknown as Conversation;
  const again = upcast(touched);
  assert.deepEqual([again.said, again.recent.map(({ ordinal }) => ordinal)], [10, [9, 10]]);
});
