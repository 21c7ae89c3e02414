import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { recipe } from '../../functions/training/recipe.ts';
import { call, infer, type Served, serve } from '../inference-container/fixture.ts';
import { manifestOf, splits, trainQuickly, useFolder } from './fixture.ts';

/** What training reports is what the running container answers. */
const folder = useFolder();

interface Row {
  text: string;
  /** null: out of scope. */
  intent: string | null;
}

interface Answer {
  label: string;
  score: number;
  best: string;
}

const predictions: Record<string, (server: Served, rows: Row[]) => Promise<Answer[]>> = {
  // One request each, all at once: the server makes batches of them as it likes.
  async v1(server, rows) {
    const answers = await Promise.all(
      rows.map(({ text }) => call(server, 'POST', '/v1/models/intents:predict', { instances: [text] })),
    );
    return answers.map(({ status, text, body }) => {
      assert.equal(status, 200, text);
      const [{ label, score, top }] = body.predictions;
      return { label, score, best: top[0].label };
    });
  },
  async v2(server, rows) {
    const data = rows.map(({ text }) => text);
    const { status, text, body } = await infer(server, 'intents', [
      { name: 'text', datatype: 'BYTES', shape: [data.length], data },
    ]);
    assert.equal(status, 200, text);
    const output = (name: string) => body.outputs.find((one: { name: string }) => one.name === name);
    const [, columns] = output('top_labels').shape;
    return data.map((_, row) => ({
      label: output('label').data[row],
      score: output('score').data[row],
      best: output('top_labels').data[row * columns],
    }));
  },
};

const share = (part: unknown[], whole: unknown[]) => part.length / whole.length;

/** As the words of the issue define the figures, not as the trainer computes them. */
function figures(rows: Row[], answers: Answer[]): Record<string, number> {
  const judged = rows.map((row, index) => ({ ...row, ...answers[index]! }));
  const inside = judged.filter(({ intent }) => intent !== null);
  const outside = judged.filter(({ intent }) => intent === null);
  let higher = 0;
  for (const own of inside)
    for (const other of outside) higher += own.score > other.score ? 1 : own.score === other.score ? 0.5 : 0;
  const f1 = [...new Set(inside.map(({ intent }) => intent))].map((intent) => {
    const said = inside.filter(({ best }) => best === intent);
    const given = inside.filter((row) => row.intent === intent);
    const right = said.filter((row) => row.intent === intent);
    const [precision, recall] = [share(right, said) || 0, share(right, given)];
    return precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall);
  });
  let apart = 0;
  for (let bin = 0; bin < 15; bin += 1) {
    const own = inside.filter(({ score }) => Math.min(14, Math.floor(score * 15)) === bin);
    const right = own.filter(({ best, intent }) => best === intent);
    apart += Math.abs(right.length - own.reduce((sum, { score }) => sum + score, 0));
  }
  return {
    accuracyRaw: share(
      inside.filter(({ best, intent }) => best === intent),
      inside,
    ),
    inScopeAccuracy: share(
      inside.filter(({ label, intent }) => label === intent),
      inside,
    ),
    oosRecall: share(
      outside.filter(({ label }) => label === 'none'),
      outside,
    ),
    oosAuroc: higher / (inside.length * outside.length),
    macroF1: f1.reduce((sum, value) => sum + value, 0) / f1.length,
    ece: apart / inside.length,
  };
}

test('the score that training reports is the score over HTTP', async () => {
  const content = splits({ intents: 12, train: 10, held: 8 });
  const data = await folder.write('served.json', content);
  const repository = join(folder.path, 'models');
  const out = join(repository, 'intents/1.0.0');
  // Gives up much, so that the threshold does something.
  const trained = await trainQuickly(data, out, { recipe, giveUp: 0.1 });
  const { metrics, golden, threshold } = await manifestOf(out);
  const rows: Row[] = [
    ...content.test.map(([text, intent]) => ({ text, intent })),
    ...content.oos_test.map(([text]) => ({ text, intent: null })),
  ];
  const server = await serve(repository, { workers: 2 });
  try {
    for (const [protocol, ask] of Object.entries(predictions)) {
      const answers = await ask(server, rows);
      const measured = Object.entries(figures(rows, answers)).map(([name, value]) => [
        name,
        Math.round(value * 1e4) / 1e4,
      ]);
      assert.deepEqual(Object.fromEntries(measured), metrics, protocol);
      for (const { label, score, best } of answers) assert.equal(label, score >= threshold ? best : 'none');
    }
    assert.ok(golden.length > 0);
    const texts = golden.map(({ input }) => ({ text: input, intent: null }));
    const answers = await predictions.v1!(server, texts);
    assert.deepEqual(
      answers.map(({ label }) => label),
      golden.map(({ output: { label } }) => label),
    );
    const held = new Set(content.test.map(([text]) => text));
    assert.ok(golden.every(({ input }) => held.has(input)));
  } finally {
    await server.stop();
  }
  assert.equal(Math.round(trained.test!.accuracyRaw * 1e4) / 1e4, metrics.accuracyRaw);
});
