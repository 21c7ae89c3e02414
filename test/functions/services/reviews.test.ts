import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupId, isJudge } from '../../../functions/content/queue.ts';
import { conversationId, turnId, userId } from '../../../functions/conversation/identifier.ts';
import { useHeldOut } from '../../../functions/services/held-out.ts';
import { bot } from '../../bot.ts';
import { useDatabase } from '../database.ts';

const database = useDatabase();
useHeldOut({ intents: [], faq: [] });
const NOW = Date.now();
const eddie = { id: 'eddie', name: 'Eddie' };
const conversation = conversationId('api', 'c');

let serial = 0;
/** Something that was not understood, in the call log. */
async function missed(text: string): Promise<string> {
  serial += 1;
  await database.container('turns').items.create({
    id: turnId(`t${serial}`),
    givenId: `t${serial}`,
    conversationId: conversation,
    userId: userId('api', `u${serial}`),
    text,
    locale: 'en',
    answeredAt: NOW - serial,
    skill: 'fallback',
    outcome: 'answered',
    replies: [],
    understanding: null,
  });
  return groupId(text, 'en');
}

/** The same text with another number, until it judges, or trains. */
function such(text: string, judges: boolean): string {
  for (let at = 0; ; at += 1) if (isJudge(`${text} ${at}`) === judges) return `${text} ${at}`;
}

const draft = async (intent: string) => {
  const { readDraft } = await import('../../../functions/services/content.ts');
  return (await readDraft(`intent.${intent}`))?.document as
    | { value: { utterances: { en: string[] } }; base: string | null }
    | undefined;
};
const turnOf = async (text: string) =>
  (
    await database
      .container('turns')
      .items.query({ query: 'SELECT * FROM c WHERE c.text = @text', parameters: [{ name: '@text', value: text }] })
      .fetchAll()
  ).resources[0];

test('a label teaches or judges; what is an utterance already can only teach, and stays when the label is taken back', async () => {
  const { decide, nextReviews, undo } = await import('../../../functions/services/reviews.ts');
  const [teaches, judges] = [such('gift for my aunt', false), such('gift for my uncle', true)];
  const known = bot.content.intents.find(({ name }) => name === 'gift_wrap')!.utterances.en![0]!;
  const [one, two, three] = [await missed(teaches), await missed(judges), await missed(known)];
  await nextReviews(eddie, 5, NOW);
  const say = (id: string) => decide(id, eddie, { kind: 'intent', intent: 'gift_wrap' }, NOW);
  assert.deepEqual(
    [(await say(one)).decision!.trains, (await say(two)).decision!.trains, (await say(three)).decision!.trains],
    [true, false, true],
  );
  const { en } = (await draft('gift_wrap'))!.value.utterances;
  assert.ok(en.includes(teaches) && !en.includes(judges));
  assert.deepEqual([(await turnOf(judges)).label, (await turnOf(judges)).trains], ['gift_wrap', undefined]);
  await undo(three, eddie, NOW);
  await undo(one, eddie, NOW);
  const after = (await draft('gift_wrap'))!.value.utterances.en;
  assert.ok(after.includes(known), 'it was there before');
  assert.ok(!after.includes(teaches));
  assert.equal((await turnOf(teaches)).label, undefined);
});

test('taken back while it is carried out, it is taken back', async () => {
  const { decide, nextReviews, readReview, undo } = await import('../../../functions/services/reviews.ts');
  for (let round = 0; round < 12; round += 1) {
    const text = such(`race number ${round} x`, false);
    const id = await missed(text);
    for (let tries = 0; !(await readReview(id)) && tries < 40; tries += 1)
      await nextReviews(eddie, 50, NOW + 60_000 * (round + 1) + tries * 40_000);
    const now = NOW + round * 1_000;
    const saying = decide(id, eddie, { kind: 'intent', intent: 'coupons' }, now).catch(() => null);
    await new Promise((done) => setTimeout(done, round));
    await undo(id, eddie, now).catch(() => null);
    await saying;
    const { decision } = (await readReview(id))!;
    const isTaught = (await draft('coupons'))?.value.utterances.en.includes(text) ?? false;
    assert.equal(isTaught, decision !== null, `${round}: ${JSON.stringify(decision)}`);
    assert.equal((await turnOf(text)).label, decision?.intent);
  }
});

test('taken back after it was kept and before it was carried out: nothing of it stays', async () => {
  const { decide, nextReviews, readReview, undo } = await import('../../../functions/services/reviews.ts');
  const text = such('between keeping and carrying out', false);
  const id = await missed(text);
  for (let tries = 0; !(await readReview(id)) && tries < 40; tries += 1)
    await nextReviews(eddie, 50, NOW + 5_000_000 + tries * 40_000);
  let done = false;
  database.server().on('request', (request, response) => {
    if (done || request.method !== 'PUT' || !request.url?.endsWith(id)) return;
    done = true;
    const end = response.end.bind(response);
    response.end = ((...given: Parameters<typeof end>) => {
      undo(id, eddie, NOW).then(() => end(...given));
      return response;
    }) as typeof response.end;
  });
  await decide(id, eddie, { kind: 'intent', intent: 'stock' }, NOW);
  assert.ok(done);
  assert.equal((await readReview(id))!.decision, null);
  assert.ok(!(await draft('stock'))?.value.utterances.en.includes(text));
  assert.equal((await turnOf(text)).label, undefined);
});

test('a label in a draft of somebody else keeps what that was written from: whoever publishes it is still told', async () => {
  const { decide, nextReviews } = await import('../../../functions/services/reviews.ts');
  const { published, writeDraft } = await import('../../../functions/services/content.ts');
  const { content } = await published();
  const intent = content.intents.find(({ name }) => name === 'receipt')!;
  await writeDraft(
    'intent.receipt',
    { ...intent, utterances: { ...intent.utterances, en: [...intent.utterances.en!, 'a slip'] } },
    null,
    eddie,
    content,
    { base: 'of before' },
  );
  const text = such('bill of the day', false);
  const id = await missed(text);
  await nextReviews(eddie, 50, NOW + 10_000_000);
  await decide(id, eddie, { kind: 'intent', intent: 'receipt' }, NOW);
  const found = (await draft('receipt'))!;
  assert.ok(found.value.utterances.en.includes(text) && found.value.utterances.en.includes('a slip'));
  assert.equal(found.base, 'of before');
});
