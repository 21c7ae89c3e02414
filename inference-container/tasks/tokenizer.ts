import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tensor } from 'onnxruntime-node';

/** A tokenizer of a package: files beside the model, and how many tokens the model takes. */
export interface TokenizerFiles {
  /** Hugging Face's `tokenizer.json`. */
  tokenizer: string;
  /** Its `tokenizer_config.json`; it may be missing. */
  configuration?: string | undefined;
  maxTokens: number;
}

/** Text to the ids of its tokens, special ones included, cut as Hugging Face cuts. */
export async function openTokenizer(
  folder: string,
  { tokenizer: file, configuration: beside, maxTokens }: TokenizerFiles,
): Promise<(text: string) => number[]> {
  const { Tokenizer } = await import('@huggingface/tokenizers');
  const read = async (name: string) => JSON.parse(await readFile(join(folder, name), 'utf8')) as object;
  const definition = (await read(file)) as Definition;
  const configuration = beside === undefined ? {} : await read(beside).catch(() => ({}));
  // The library takes the unknown token of whole words from the other file alone, and knows words of ASCII only.
  const unknown = definition.model?.unk_token;
  const tokenizer = new Tokenizer(withUnicodeWords(definition), {
    ...configuration,
    ...(unknown === undefined ? {} : { unk_token: unknown }),
  });
  const special = tokenizer.encode('').ids.length;
  return (text) => {
    const ids: number[] = tokenizer.encode(text).ids;
    const beyond = ids.length - maxTokens;
    if (beyond <= 0) return ids;
    // As Hugging Face truncates: the text is cut, and the special tokens stay.
    const own: number[] = tokenizer.encode(text, { add_special_tokens: false }).ids;
    const first = ids.findIndex((_, at) => own.every((id, offset) => ids[at + offset] === id));
    const kept = Math.max(0, maxTokens - special);
    return [...ids.slice(0, first), ...own.slice(0, kept), ...ids.slice(first + own.length)];
  };
}

/**
 * A batch of tokens as tensors int64[batch, tokens], 0 fills up: `input_ids`, `attention_mask` and `token_type_ids`, of which the model
 * gets those that it takes; `prefix` stands before the names.
 */
export function tokenFeeds(rows: number[][], inputs: readonly string[], prefix = ''): Record<string, Tensor> {
  const { data, width } = padded(rows);
  const mask = BigInt64Array.from({ length: data.length }, (_, at) =>
    at % width < rows[Math.floor(at / width)]!.length ? 1n : 0n,
  );
  const shape = [rows.length, width];
  const feeds = {
    input_ids: new Tensor('int64', data, shape),
    attention_mask: new Tensor('int64', mask, shape),
    token_type_ids: new Tensor('int64', new BigInt64Array(data.length), shape),
  };
  return Object.fromEntries(
    Object.entries(feeds)
      .map(([name, tensor]) => [`${prefix}${name}`, tensor] as const)
      .filter(([name]) => inputs.includes(name)),
  );
}

interface Definition {
  pre_tokenizer?: Component | null;
  model?: { unk_token?: string };
}
interface Component {
  type: string;
  pretokenizers?: Component[];
}

/** `Whitespace` as Hugging Face has it, whose words are of any script. */
function withUnicodeWords(definition: Definition): Definition {
  const replace = (given: Component): Component => {
    if (given.type === 'Sequence') return { ...given, pretokenizers: (given.pretokenizers ?? []).map(replace) };
    if (given.type !== 'Whitespace') return given;
    return { type: 'Split', pattern: { Regex: '\\w+|[^\\w\\s]+' }, behavior: 'Removed', invert: true } as Component;
  };
  return definition.pre_tokenizer ? { ...definition, pre_tokenizer: replace(definition.pre_tokenizer) } : definition;
}

/** Rows of ids, filled with 0 to the longest. */
function padded(rows: number[][]): { data: BigInt64Array; width: number } {
  const width = rows.reduce((widest, row) => Math.max(widest, row.length), 1);
  const data = new BigInt64Array(rows.length * width);
  rows.forEach((row, index) => {
    for (let at = 0; at < row.length; at += 1) data[index * width + at] = BigInt(row[at]!);
  });
  return { data, width };
}
