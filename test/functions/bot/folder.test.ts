import assert from 'node:assert/strict';
import { test } from 'node:test';
import { content } from '../../bot.ts';

test('at least 20 intents, each with utterances in both languages', () => {
  assert.ok(content.intents.length > 20);
  for (const { name, utterances, suggestions } of content.intents) {
    for (const { tag } of content.languages) assert.ok(utterances[tag]!.length >= 20, `${name} ${tag}`);
    assert.equal(suggestions?.en?.length ?? 0, suggestions?.ko?.length ?? 0, name);
  }
});
