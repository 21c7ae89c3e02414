import { cells } from '../report.ts';
import { type HeldOut, retrievalFigures, type TrainedRetriever } from './metrics.ts';

/** Questions and texts that are shown, the most certain mistakes first. */
const SHOWN = 30;
const THRESHOLDS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/** `report.md` of a package. */
export function report(name: string, version: string, trained: TrainedRetriever, judged: readonly HeldOut[]): string {
  const { entries, threshold, validation } = trained;
  const asked = judged.filter(({ rank }) => rank > 0);
  const strange = judged.filter(({ rank }) => rank === 0);
  const wrong = asked.filter(({ rank, score }) => rank > 1 && score >= threshold).sort((a, b) => b.score - a.score);
  const taken = strange.filter(({ score }) => score >= threshold).sort((a, b) => b.score - a.score);
  return `# ${name} ${version}

${entries} entries. Each of ${asked.length} questions was asked of a model that had learned everything but it (and a fifth of the others), and so were ${strange.length} texts
that belong to no entry. Whoever asks in words that an entry has is found more often than this: ways of asking are written to differ.

| | |
|---|---|
| the right entry is the first | ${percent(validation.recallAt1)} |
| … among the first three | ${percent(validation.recallAt3)} |
| mean reciprocal rank | ${validation.mrr.toFixed(3)} |
| right and over the threshold (${threshold.toFixed(3)}) | ${percent(validation.answered)} |
| wrong and over it | ${percent(validation.wrong)} |
| of no entry, and refused | ${percent(validation.refusal)} |

## Other thresholds

| threshold | right | wrong | of no entry, refused |
|---|---|---|---|
${THRESHOLDS.map((at) => {
  const { answered, wrong: mistaken, refusal } = retrievalFigures(judged, at);
  return `| ${at} | ${[answered, mistaken, refusal].map(percent).join(' | ')} |`;
}).join('\n')}

## Taken for another entry

| question | of | taken for | score |
|---|---|---|---|
${wrong
  .slice(0, SHOWN)
  .map(({ text, intent, label, score }) => cells([text, intent, label, score.toFixed(2)]))
  .join('\n')}

## Of no entry, and taken for one

If one of them is a question that an entry answers, take it out of the intent "none", or add it to the entry.

| text | taken for | score |
|---|---|---|
${taken
  .slice(0, SHOWN)
  .map(({ text, label, score }) => cells([text, label, score.toFixed(2)]))
  .join('\n')}
`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}
