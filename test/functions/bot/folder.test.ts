import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { faqHeldOutProblems, readFaqHeldOut } from '../../../scripts/bot/held-out.ts';
import { content } from '../../bot.ts';

test('at least 20 intents, each with utterances in both languages', () => {
  assert.ok(content.intents.length > 20);
  for (const { name, utterances, suggestions } of content.intents) {
    for (const { tag } of content.languages) assert.ok(utterances[tag]!.length >= 20, `${name} ${tag}`);
    assert.equal(suggestions?.en?.length ?? 0, suggestions?.ko?.length ?? 0, name);
  }
});

test('what the FAQ is judged by names its entries, and is no way to ask that it is trained on', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'maru-bot-'));
  try {
    await mkdir(join(folder, 'held-out'));
    const [entry] = content.faq;
    const own = Object.values(entry!.question)[0]!;
    const write = (held: unknown) => writeFile(join(folder, 'held-out/faq.json'), JSON.stringify(held));
    await write({
      questions: { [entry!.name]: { en: ['anything else'] } },
      off_topic: { far: { en: ['the weather'] } },
    });
    assert.deepEqual(faqHeldOutProblems(folder, content), []);
    assert.deepEqual(
      readFaqHeldOut(folder).map((row) => row.entry),
      [entry!.name, 'none'],
    );
    await write({ questions: { nothing_so: { en: ['x'] }, [entry!.name]: { en: [own] } } });
    const messages = faqHeldOutProblems(folder, content).map(({ message }) => message);
    assert.match(messages[0]!, /no entry "nothing_so"/);
    assert.match(messages[1]!, /is trained on too/);
    await write({ questions: 'x' });
    assert.match(faqHeldOutProblems(folder, content)[0]!.message, /another shape/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
