import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { call, index, infer, refused, useServer, withBinary, writeModel } from './fixture.ts';
import * as models from './models.ts';

/** Texts by a Hugging Face tokenizer.json: the ids are worked out by hand here, and the model's answer to them by ONNX Runtime alone. */
const labels = ['greeting', 'order', 'farewell', 'other'];
const special = (...contents: string[]) =>
  contents.map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
const piece = (id: string) => ({ SpecialToken: { id, type_id: 0 } });

/** Whole words, lower-cased, between [CLS] and [SEP]. */
const wordLevel = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: special('[PAD]', '[UNK]', '[CLS]', '[SEP]'),
  normalizer: { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Lowercase' }] },
  pre_tokenizer: { type: 'Whitespace' },
  post_processor: {
    type: 'TemplateProcessing',
    single: [piece('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, piece('[SEP]')],
    pair: [],
    special_tokens: {
      '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] },
      '[SEP]': { id: '[SEP]', ids: [3], tokens: ['[SEP]'] },
    },
  },
  decoder: null,
  model: {
    type: 'WordLevel',
    unk_token: '[UNK]',
    vocab: {
      '[PAD]': 0,
      '[UNK]': 1,
      '[CLS]': 2,
      '[SEP]': 3,
      hello: 4,
      where: 5,
      is: 6,
      my: 7,
      order: 8,
      '?': 9,
      bye: 10,
      주문: 11,
      확인: 12,
      안녕: 13,
    },
  },
};

/** Characters and three merges, between <s> and </s>. */
const bpe = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: special('<pad>', '<s>', '</s>', '<unk>'),
  normalizer: { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Lowercase' }] },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: { type: 'BertProcessing', sep: ['</s>', 2], cls: ['<s>', 1] },
  decoder: null,
  model: {
    type: 'BPE',
    unk_token: '<unk>',
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab: {
      '<pad>': 0,
      '<s>': 1,
      '</s>': 2,
      '<unk>': 3,
      주: 4,
      문: 5,
      확: 6,
      인: 7,
      주문: 8,
      확인: 9,
      h: 10,
      i: 11,
      hi: 12,
      '!': 13,
    },
    merges: [
      ['주', '문'],
      ['확', '인'],
      ['h', 'i'],
    ],
  },
};

const packaged = (tokenizer: object | string, maxTokens?: number, files: Record<string, string> = {}) => ({
  manifest: {
    task: 'text-classification',
    labels,
    preprocessing: { kind: 'tokenizer', tokenizer: 'tokenizer.json', ...(maxTokens ? { maxTokens } : {}) },
  },
  files: { 'tokenizer.json': typeof tokenizer === 'string' ? tokenizer : JSON.stringify(tokenizer), ...files },
});
/** What Hugging Face writes beside a tokenizer.json. */
const beside = { 'tokenizer_config.json': JSON.stringify({ unk_token: '[UNK]', pad_token: '[PAD]' }) };

const server = useServer(async (folder) => {
  await writeModel(folder, 'words', '1', models.tokens(false), packaged(wordLevel, undefined, beside));
  await writeModel(folder, 'bare', '1', models.tokens(false), packaged(wordLevel));
  await writeModel(folder, 'typed', '1', models.tokens(true), packaged(wordLevel, undefined, beside));
  await writeModel(folder, 'short', '1', models.tokens(false), packaged(wordLevel, 5, beside));
  await writeModel(folder, 'pieces', '1', models.tokens(false), packaged(bpe));
});

const sessions = [false, true].map((typed) => InferenceSession.create(models.tokens(typed), { intraOpNumThreads: 1 }));

/** Probabilities of one text's ids, from ONNX Runtime alone. */
async function alone(ids: number[], typed = false): Promise<number[]> {
  const session = await sessions[Number(typed)]!;
  const tensor = (of: (id: number) => number) =>
    new Tensor(
      'int64',
      BigInt64Array.from(ids, (id) => BigInt(of(id))),
      [1, ids.length],
    );
  const feeds = { input_ids: tensor((id) => id), attention_mask: tensor(() => 1) };
  const { probabilities } = await session.run(typed ? { ...feeds, token_type_ids: tensor(() => 0) } : feeds);
  return [...(probabilities!.data as Float32Array)];
}

interface Prediction {
  label: string;
  score: number;
  top: { label: string; score: number }[];
}

async function predict(model: string, ...instances: string[]): Promise<Prediction[]> {
  const answer = await call(server.it, 'POST', `/v1/models/${model}:predict`, { instances });
  assert.equal(answer.status, 200, answer.text);
  return answer.body.predictions;
}

/** The probability of each label, and that the likeliest is the one that is said. */
function check({ label, score, top }: Prediction, expected: number[]): void {
  const best = Math.max(...expected);
  assert.equal(label, labels[expected.indexOf(best)]);
  assert.ok(Math.abs(score - best) < 1e-6);
  const came = labels.map((name) => top.find((entry) => entry.label === name)!.score);
  for (const [at, value] of came.entries()) assert.ok(Math.abs(value - expected[at]!) < 1e-6, `${came} / ${expected}`);
}

const texts: [text: string, ids: number[]][] = [
  ['hello', [2, 4, 3]],
  ['WHERE is My oRDER?', [2, 5, 6, 7, 8, 9, 3]],
  ['  bye \n bye\t', [2, 10, 10, 3]],
  ['where is my parrot ?', [2, 5, 6, 7, 1, 9, 3]],
  ['안녕 주문 확인', [2, 13, 11, 12, 3]],
  // A special token in a text is that token, as Hugging Face has it.
  ['hello [SEP] bye', [2, 4, 3, 10, 3]],
  ['', [2, 3]],
];

test('the answer is that of the model to the ids of tokens, between those of the post-processor', async () => {
  for (const [text, ids] of texts) check((await predict('words', text))[0]!, await alone(ids));
});

test('a word that is not known is the unknown token of the model, without a tokenizer_config.json too', async () => {
  check((await predict('bare', 'hello'))[0]!, await alone([2, 4, 3]));
  check((await predict('bare', 'hello parrot'))[0]!, await alone([2, 4, 1, 3]));
});

test('a model that takes token_type_ids is given them', async () => {
  for (const [text, ids] of texts) check((await predict('typed', text))[0]!, await alone(ids, true));
});

test('rows of one request are padded, and no answer changes by it', async () => {
  for (const typed of [false, true]) {
    const rows = await predict(typed ? 'typed' : 'words', ...texts.map(([text]) => text));
    for (const [at, [, ids]] of texts.entries()) check(rows[at]!, await alone(ids, typed));
  }
});

test('requests that run together are padded, and no answer changes by it', async () => {
  const expected = await Promise.all(texts.map(([, ids]) => alone(ids)));
  for (let round = 0; round < 4; round += 1) {
    const asked = Array.from({ length: 20 }, (_, at) => (at * 3 + round) % texts.length);
    const answers = await Promise.all(asked.map((at) => predict('words', texts[at]![0])));
    for (const [place, at] of asked.entries()) check(answers[place]![0]!, expected[at]!);
  }
});

test('maxTokens cuts the text and leaves the special tokens, as Hugging Face truncates', async () => {
  check((await predict('short', 'where is my'))[0]!, await alone([2, 5, 6, 7, 3]));
  const cut = await alone([2, 5, 6, 7, 3]);
  check((await predict('short', 'where is my order?'))[0]!, cut);
  const rows = await predict('short', 'where is my order? bye bye', 'hello', `where is my ${'order '.repeat(1_000)}`);
  check(rows[0]!, cut);
  check(rows[1]!, await alone([2, 4, 3]));
  check(rows[2]!, cut);
});

test('byte pairs: merges, characters that are not known, Korean in either of its forms', async () => {
  const known: [string, number[]][] = [
    ['주문확인', [1, 8, 9, 2]],
    ['Hi 주문 확인!', [1, 12, 8, 9, 13, 2]],
    ['확문', [1, 6, 5, 2]],
    ['주문값', [1, 8, 3, 2]],
    ['주문확인'.normalize('NFD'), [1, 8, 9, 2]],
    ['h🙂i', [1, 10, 3, 11, 2]],
  ];
  for (const [text, ids] of known) check((await predict('pieces', text))[0]!, await alone(ids));
  const rows = await predict('pieces', ...known.map(([text]) => text));
  for (const [at, [, ids]] of known.entries()) check(rows[at]!, await alone(ids));
});

test('Korean words end where punctuation begins', async () => {
  check((await predict('words', '주문 확인?'))[0]!, await alone([2, 11, 12, 9, 3]));
  check((await predict('words', '안녕?주문'))[0]!, await alone([2, 13, 9, 11, 3]));
});

test('V2 gives the same predictions, from JSON and from bytes', async () => {
  const asked = ['where is my order?', '안녕 주문'];
  const expected = await predict('words', ...asked);
  const input = { name: 'text', datatype: 'BYTES', shape: [2] };
  const bytes = Buffer.concat(
    asked.flatMap((text) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(Buffer.byteLength(text));
      return [length, Buffer.from(text)];
    }),
  );
  const [body, headers] = withBinary({ inputs: [{ ...input, parameters: { binary_data_size: bytes.length } }] }, bytes);
  for (const answer of [
    await infer(server.it, 'words', [{ ...input, data: asked }]),
    await call(server.it, 'POST', '/v2/models/words/infer', body, headers),
  ]) {
    const outputs = answer.body.outputs as { name: string; data: unknown[] }[];
    const data = (name: string) => outputs.find((output) => output.name === name)!.data;
    assert.deepEqual(
      data('label'),
      expected.map(({ label }) => label),
    );
    assert.deepEqual(
      data('score'),
      expected.map(({ score }) => score),
    );
    assert.deepEqual(
      data('top_labels'),
      expected.flatMap(({ top }) => top.map(({ label }) => label)),
    );
    assert.deepEqual(
      data('top_scores'),
      expected.flatMap(({ top }) => top.map(({ score }) => score)),
    );
  }
});

const { model: _model, ...withoutModel } = wordLevel;
const broken: Record<string, [object | string, RegExp]> = {
  'is not JSON': ['{"version": "1.0", ', /JSON/],
  'is empty': ['', /JSON/],
  'is not an object': ['7', /tokenizer|object/i],
  'has no model': [withoutModel, /model/],
  'has a model of no known kind': [{ ...wordLevel, model: { type: 'Telepathy' } }, /Telepathy/],
  'has a normalizer of no known kind': [{ ...wordLevel, normalizer: { type: 'Sandpaper' } }, /Sandpaper/],
  'has a vocabulary that is none': [{ ...bpe, model: { ...bpe.model, vocab: null } }, /./],
};
for (const [what, [content, says]] of Object.entries(broken))
  test(`a tokenizer.json that ${what} refuses the load and says why`, async () => {
    const name = `broken-${Object.keys(broken).indexOf(what)}`;
    await writeModel(server.it.folder, name, '1', models.tokens(false), packaged(content));
    refused(await call(server.it, 'POST', `/v2/repository/models/${name}/load`), 400, says);
    const [entry] = await index(server.it, name);
    assert.equal(entry?.state, 'UNAVAILABLE');
    assert.match(entry.reason, says);
    assert.equal((await infer(server.it, name, [])).status, 404);
  });

test('a tokenizer.json that is not there refuses the load and says which file; once it is there, it serves', async () => {
  const { manifest } = packaged(wordLevel);
  await writeModel(server.it.folder, 'later', '1', models.tokens(false), { manifest });
  refused(await call(server.it, 'POST', '/v2/repository/models/later/load'), 400, /tokenizer\.json/);
  await writeModel(server.it.folder, 'later', '2', models.tokens(false), packaged(wordLevel));
  assert.equal((await call(server.it, 'POST', '/v2/repository/models/later/load')).status, 200);
  check((await predict('later', 'hello'))[0]!, await alone([2, 4, 3]));
});
