import type { Encoded } from '../../../inference-container/tasks/ngrams.ts';

/** How soon a feature that comes again adds nothing, and how much a long document is held back (Robertson and Zaragoza 2009). */
const SATURATION = 2;
const LENGTH = 0.5;

/**
 * BM25 of documents as a table [features, documents], rows `stride` floats apart: a question's weights times it are its scores. The
 * weights hold √idf (ngrams.ts), and so does the table. `documents`: the encoded texts of each; `idf`: √idf by feature.
 */
export function bm25(documents: Encoded[][], idf: (id: number) => number, features: number, stride: number) {
  const table = new Float32Array(features * stride);
  const counts = documents.map((texts) => {
    const own = new Map<number, number>();
    for (const { ids } of texts) for (const id of ids) own.set(id, (own.get(id) ?? 0) + 1);
    return own;
  });
  const lengths = counts.map((own) => [...own.values()].reduce((sum, count) => sum + count, 0));
  const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  for (const [document, own] of counts.entries()) {
    const held = SATURATION * (1 - LENGTH + (LENGTH * lengths[document]!) / mean);
    for (const [id, count] of own)
      table[id * stride + document] = (idf(id) * count * (SATURATION + 1)) / (count + held);
  }
  return table;
}
