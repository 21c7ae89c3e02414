import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conversationId, userId } from '../../../functions/conversation/identifier.ts';
import { open } from '../../../functions/conversation/transitions.ts';
import { useDatabase } from '../database.ts';

useDatabase();

const [ann, ben] = [userId('api', 'ann'), userId('api', 'ben')];
const by = { id: 'mina', name: 'Mina' };
const conversation = (given: string, participants = [ann]) => ({
  ...open(conversationId('api', given), ann, { kind: 'api' as const }, 'en', 0),
  participants,
});

test('notes of one conversation have room: the oldest go before the document would be too large', async () => {
  const { addNote, readNotes } = await import('../../../functions/services/notes.ts');
  const document = conversation('long');
  for (let count = 0; count < 60; count += 1)
    await addNote(document, { key: String(count), by, text: '가'.repeat(4_000), at: count });
  const { notes } = (await readNotes(document.id))!;
  assert.ok(Buffer.byteLength(JSON.stringify(notes)) <= 500_000);
  assert.equal(notes.at(-1)!.key, '59');
  assert.ok(notes.length > 30);
});

test('whoever was in a conversation when something was noted finds it, and what was noted before an erasure goes', async () => {
  const { addNote, keepDraft, noteTyping, notesAfter, readNotes } = await import(
    '../../../functions/services/notes.ts'
  );
  await addNote(conversation('group', [ann, ben]), { key: '1', by, text: 'of both', at: 10 });
  await addNote(conversation('group', [ann]), { key: '2', by, text: 'of ann', at: 30 });
  await keepDraft(conversation('group', [ann]), by, 'begun', 15);
  await noteTyping(conversation('group', [ann]), 40_000);
  const notes = (await readNotes(conversationId('api', 'group')))!;
  assert.deepEqual(notes.participants, [ann, ben]);
  assert.equal(notes.typedAt, 40_000);
  // Written of what was read before the erasure, and after it: that time counts, and not the write's.
  const left = notesAfter(notes, 20);
  assert.ok(typeof left === 'object');
  assert.deepEqual([left.notes.map(({ key }) => key), left.drafts], [['2'], {}]);
  assert.equal(typeof notesAfter(notes, 30), 'symbol', 'nothing is left of it');
});
