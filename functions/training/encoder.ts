import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { InferenceSession, type Tensor } from 'onnxruntime-node';
import { z } from 'zod';
import { openTokenizer, tokenFeeds } from '../../inference-container/tasks/tokenizer.ts';
import { DatasetError } from './dataset.ts';

/** Where the model of a Hugging Face folder may stand; first what is exact, and whose rows do not mix. */
const MODELS = ['model.onnx', 'model_quantized.onnx', 'model_int8.onnx'].flatMap((file) => [file, `onnx/${file}`]);
/** Tokens of a message that are read at most: the customer's wish is within them, and time grows with their square. */
const TOKENS = 128;
const BATCH = 32;

export const poolings = ['mean', 'cls', 'given'] as const;
/** How a text's vector is made of its tokens': their mean, the first one's, or as the model gives it. */
export type Pooling = (typeof poolings)[number];

const poolingFile = z.looseObject({
  pooling_mode_cls_token: z.boolean().default(false),
  pooling_mode_mean_tokens: z.boolean().default(false),
});
const limitFile = z.looseObject({ model_max_length: z.number().optional(), max_seq_length: z.number().optional() });

/**
 * A sentence encoder that was trained elsewhere, frozen: a Hugging Face folder with `model.onnx` (or a quantised one, also in `onnx/`)
 * and `tokenizer.json`. It gives each text a vector of length 1.
 */
export class Encoder {
  readonly name: string;
  /** The file of its model. */
  readonly model: string;
  readonly pooling: Pooling;
  /** Its output that is read. */
  readonly output: string;
  readonly maxTokens: number;
  /** The files of its tokenizer, as they stand in its folder. */
  readonly tokenizer: string;
  readonly configuration: string | undefined;
  readonly #session: InferenceSession;
  readonly #tokenize: (text: string) => number[];
  readonly #known = new Map<string, Float32Array>();

  private constructor(
    fields: Pick<Encoder, 'name' | 'model' | 'pooling' | 'output' | 'maxTokens' | 'tokenizer' | 'configuration'>,
    session: InferenceSession,
    tokenize: (text: string) => number[],
  ) {
    this.name = fields.name;
    this.model = fields.model;
    this.pooling = fields.pooling;
    this.output = fields.output;
    this.maxTokens = fields.maxTokens;
    this.tokenizer = fields.tokenizer;
    this.configuration = fields.configuration;
    this.#session = session;
    this.#tokenize = tokenize;
  }

  /** Throws a {@link DatasetError} that says what is missing. */
  static async open(folder: string, given: Pooling | undefined, threads: number): Promise<Encoder> {
    const refuse = (why: string) => new DatasetError(`--encoder ${folder}: ${why}`);
    if (!existsSync(folder)) throw refuse('there is no such folder');
    const file = MODELS.find((name) => existsSync(join(folder, name)));
    if (!file) throw refuse('there is no model.onnx (nor model_quantized.onnx, nor one in onnx/)');
    const tokenizer = join(folder, 'tokenizer.json');
    if (!existsSync(tokenizer)) throw refuse('there is no tokenizer.json');
    const beside = join(folder, 'tokenizer_config.json');
    const configuration = existsSync(beside) ? beside : undefined;
    const limits = await Promise.all(
      ['sentence_bert_config.json', 'tokenizer_config.json'].map((name) => settings(folder, name, limitFile)),
    );
    const lengths = limits
      .flatMap((one) => [one?.max_seq_length, one?.model_max_length])
      .filter((one) => one !== undefined);
    const maxTokens = Math.min(TOKENS, ...lengths);
    const tokenize = await openTokenizer(folder, {
      tokenizer: 'tokenizer.json',
      configuration: configuration && basename(configuration),
      maxTokens,
    }).catch((error: Error) => {
      throw refuse(`its tokenizer can't be read: ${error.message}`);
    });
    const model = join(folder, file);
    const session = await InferenceSession.create(model, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
    }).catch((error: Error) => {
      throw refuse(`${file} can't be loaded: ${error.message.split('\n')[0]}`);
    });
    const unknown = session.inputNames.filter((name) => !TAKEN.includes(name));
    if (unknown.length > 0 || !session.inputNames.includes('input_ids'))
      throw refuse(`${file} takes ${session.inputNames.join(', ')}; an encoder takes ${TAKEN.join(', ')}`);
    const ranks = new Map(session.outputMetadata.map((one) => [one.name, one.isTensor ? one.shape.length : 0]));
    const pooling = given ?? (await poolingOf(folder, [...ranks.values()]));
    const rank = pooling === 'given' ? 2 : 3;
    const output = session.outputNames.find((name) => ranks.get(name) === rank);
    if (!output)
      throw refuse(
        pooling === 'given'
          ? 'it gives no vector [batch, dimensions]; try --pooling mean'
          : 'it gives no vectors of tokens [batch, tokens, dimensions]; try --pooling given',
      );
    return new Encoder(
      { name: basename(folder), model, pooling, output, maxTokens, tokenizer, configuration },
      session,
      tokenize,
    );
  }

  get inputs(): readonly string[] {
    return this.#session.inputNames;
  }

  /** Vectors [texts, dimensions] of length 1; what was asked before is remembered. */
  async vectors(texts: readonly string[], progress: (share: number) => void = () => undefined): Promise<Float32Array> {
    // Of like length together: what fills up a batch costs as much as what is in it.
    const missing = [...new Set(texts)]
      .filter((text) => !this.#known.has(text))
      .map((text) => ({ text, tokens: this.#tokenize(text) }))
      .sort((a, b) => a.tokens.length - b.tokens.length);
    for (let from = 0; from < missing.length; from += BATCH) {
      const some = missing.slice(from, from + BATCH);
      const rows = some.map(({ tokens }) => tokens);
      const outputs = await this.#session.run(tokenFeeds(rows, this.#session.inputNames));
      const pooled = this.#pool(outputs[this.output] as Tensor, rows);
      for (const [index, { text }] of some.entries()) this.#known.set(text, pooled[index]!);
      progress(Math.min(1, (from + BATCH) / missing.length));
    }
    const dimensions = this.#known.get(texts[0] ?? '')?.length ?? 0;
    const all = new Float32Array(texts.length * dimensions);
    for (const [index, text] of texts.entries()) all.set(this.#known.get(text)!, index * dimensions);
    return all;
  }

  async close(): Promise<void> {
    await this.#session.release();
  }

  #pool({ data: given, dims }: Tensor, rows: number[][]): Float32Array[] {
    const data = given as Float32Array;
    const dimensions = dims.at(-1)!;
    const width = this.pooling === 'given' ? 1 : dims[1]!;
    return rows.map(({ length }, row) => {
      const vector = new Float32Array(dimensions);
      const places = this.pooling === 'mean' ? length : 1;
      for (let place = 0; place < places; place += 1)
        for (let d = 0; d < dimensions; d += 1) vector[d]! += data[(row * width + place) * dimensions + d]!;
      const norm = Math.hypot(...vector) || 1;
      return vector.map((value) => value / norm);
    });
  }
}

/** An encoder's tokenizer as files of the package, and as its description names them. */
export async function encoderFiles({ tokenizer, configuration, maxTokens }: Encoder, index: number) {
  const names = {
    tokenizer: `encoder_${index}.tokenizer.json`,
    configuration: `encoder_${index}.tokenizer_config.json`,
  };
  return {
    files: {
      [names.tokenizer]: await readFile(tokenizer, 'utf8'),
      ...(configuration ? { [names.configuration]: await readFile(configuration, 'utf8') } : {}),
    },
    description: {
      tokenizer: names.tokenizer,
      ...(configuration ? { configuration: names.configuration } : {}),
      maxTokens,
    },
  };
}

const TAKEN = ['input_ids', 'attention_mask', 'token_type_ids'];

/** As sentence-transformers writes it down; else the model's own vector where it has one, and the mean. */
async function poolingOf(folder: string, ranks: number[]): Promise<Pooling> {
  const said = await settings(folder, '1_Pooling/config.json', poolingFile);
  if (said?.pooling_mode_mean_tokens) return 'mean';
  if (said?.pooling_mode_cls_token) return 'cls';
  return ranks.includes(3) ? 'mean' : 'given';
}

async function settings<T>(folder: string, file: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const path = join(folder, file);
  if (!existsSync(path)) return undefined;
  const text = await readFile(path, 'utf8');
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new DatasetError(`--encoder ${folder}: ${file} can't be read`);
  }
}
