import { readFileSync } from 'node:fs';
import { words } from '../inference-container/tasks/ngrams.ts';
import { Encoder } from './train/encoder.ts';
const read = (f: string) => JSON.parse(readFileSync(f, 'utf8'));
const entries = [...read('/tmp/faq/a.json'), ...read('/tmp/faq/b.json')];
const off = read('/tmp/faq/off-topic.json');
const para: Record<string, Record<string, string[]>> = { en: read('/tmp/blind/paraphrases-en.json'), ko: read('/tmp/blind/paraphrases-ko.json') };
const SYL = /[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]/;
function grams(text: string): string[] {
  return words(text).flatMap((w) => {
    const s = [...`<${w}>`]; const [a, b] = SYL.test(w) ? [1, 3] : [3, 5]; const out: string[] = [`w ${w}`];
    for (let n = a; n <= b; n++) for (let i = 0; i + n <= s.length; i++) { const g = s.slice(i, i + n).join(''); if (g !== '<' && g !== '>') out.push(g); }
    return out;
  });
}
export interface Doc { id: string; text: string[] }
export function bm25(docs: string[][], k1 = 1.2, b = 0.75) {
  const df = new Map<string, number>(); const lens = docs.map((d) => d.length); const avg = lens.reduce((x, y) => x + y, 0) / docs.length;
  const tfs = docs.map((d) => { const m = new Map<string, number>(); for (const t of d) m.set(t, (m.get(t) ?? 0) + 1); for (const t of m.keys()) df.set(t, (df.get(t) ?? 0) + 1); return m; });
  const idf = (t: string) => Math.log(1 + (docs.length - (df.get(t) ?? 0) + 0.5) / ((df.get(t) ?? 0) + 0.5));
  return (q: string[]) => {
    const set = [...new Set(q)]; const total = set.reduce((s, t) => s + idf(t), 0) || 1;
    return tfs.map((tf, i) => set.reduce((s, t) => { const f = tf.get(t); return f ? s + idf(t) * f * (k1 + 1) / (f + k1 * (1 - b + b * lens[i]! / avg)) : s; }, 0) / total);
  };
}
const langs = ['en', 'ko'];
function evaluate(name: string, score: (lang: string, q: string) => number[]) {
  for (const lang of langs) {
    let r1 = 0, r3 = 0, mrr = 0, n = 0; const right: number[] = []; const tops: { s: number; ok: boolean }[] = [];
    entries.forEach((e: any, i: number) => { for (const q of para[lang]![e.id]!) { const s = score(lang, q); const rank = s.filter((x) => x > s[i]!).length; n++; if (rank === 0) r1++; if (rank < 3) r3++; mrr += 1 / (rank + 1); tops.push({ s: Math.max(...s), ok: rank === 0 }); } });
    const offs = (k: string) => off[k][lang].map((q: string) => Math.max(...score(lang, q)));
    const far = offs('far'), near = offs('near');
    // threshold: gives up 5 points of r1
    const rights = tops.filter((t) => t.ok).map((t) => t.s).sort((a, b) => a - b);
    const th = rights[Math.floor(n * 0.05)]!; const th2 = rights[Math.floor(n * 0.02)]!;
    console.log(name.padEnd(40), lang, 'r1', (100 * r1 / n).toFixed(1), 'r3', (100 * r3 / n).toFixed(1), 'mrr', (mrr / n).toFixed(3), '| -5: far', far.filter((x: number) => x < th).length, 'near', near.filter((x: number) => x < th).length, '| -2: far', far.filter((x: number) => x < th2).length, 'near', near.filter((x: number) => x < th2).length);
  }
}
const full = Object.fromEntries(langs.map((l) => [l, entries.map((e: any) => [e.question[l], ...e.other_ways[l], e.answer[l]])]));
const b1 = Object.fromEntries(langs.map((l) => [l, bm25(full[l]!.map((t: string[]) => grams(t.join(' '))))]));
evaluate('bm25 char doc', (l, q) => b1[l]!(grams(q)));
for (const k of [0.6, 2, 4]) for (const b of [0.3, 0.6]) { const x = Object.fromEntries(langs.map((l) => [l, bm25(full[l]!.map((t: string[]) => grams(t.join(' '))), k, b)])); evaluate(`bm25 k${k} b${b}`, (l, q) => x[l]!(grams(q))); }
if (process.argv.includes('--enc')) {
  for (const enc of ['minilm', 'use-multilingual']) {
    const e = await Encoder.open(`/tmp/enc/f/${enc}`, undefined, 2);
    const cache = new Map<string, Float32Array>();
    const all = new Set<string>();
    for (const l of langs) { for (const t of full[l]!) { for (const x of t) { all.add(x); } all.add(t.join(' ')); all.add(t.at(-1)); } for (const p of Object.values(para[l]!)) for (const q of p) all.add(q); for (const k of ['far', 'near']) for (const q of off[k][l]) all.add(q); }
    for (const l of langs) for (const t of full[l]!) for (const s of t.at(-1).split(/(?<=[.!?])\s+/)) all.add(s);
    const list = [...all]; const v = await e.vectors(list); const d = v.length / list.length; list.forEach((t, i) => cache.set(t, v.subarray(i * d, (i + 1) * d)));
    const cos = (a: string, b: string) => { const x = cache.get(a)!, y = cache.get(b)!; let s = 0; for (let i = 0; i < d; i++) s += x[i]! * y[i]!; return s; };
    const ways = (l: string, q: string) => full[l]!.map((t: string[]) => Math.max(...t.slice(0, -1).map((x) => cos(q, x))));
    const answers = (l: string, q: string) => full[l]!.map((t: string[]) => Math.max(...t.at(-1)!.split(/(?<=[.!?])\s+/).map((x) => cos(q, x))));
    const mean = (l: string, q: string) => full[l]!.map((t: string[]) => { const c = t.slice(0, -1).map((x) => cos(q, x)); return c.reduce((a, b) => a + b, 0) / c.length; });
    evaluate(`${enc} ways max`, ways); evaluate(`${enc} mean ways`, mean); evaluate(`${enc} answer max`, answers);
    const mixed = (l: string, q: string) => { const a = ways(l, q), b = answers(l, q), m = mean(l, q); return a.map((x: number, i: number) => 0.4 * x + 0.3 * b[i]! + 0.3 * m[i]!); };
    evaluate(`${enc} ways+answer+mean`, mixed);
    for (const w of [0.5, 1, 2]) evaluate(`${enc} mixed + ${w} bm25`, (l, q) => { const a = mixed(l, q), b = b1[l]!(grams(q)); return a.map((x: number, i: number) => x + w * b[i]!); });
  }
}
