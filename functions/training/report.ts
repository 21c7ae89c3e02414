import type { Judged } from './candidate.ts';
import { bins, type Figures, type Prediction } from './metrics.ts';
import { type Effect, RUNGS, ranked } from './search/plan.ts';
import type { Trained, TrainOptions } from './train.ts';

/** `report.md` and `reliability.svg` of a package. */
export function report({ name, version, seed }: TrainOptions, trained: Trained): Record<string, string> {
  const { counts, threshold, dropped, judged } = trained;
  const split = trained.test ? 'test' : 'validation';
  const wrong = judged.inside.filter(({ label, intent }) => label !== intent);
  const lines = [
    `# ${name} ${version}`,
    '',
    `${trained.labels} intents, ${counts.train} utterances to train, ${counts.folds > 1 ? `each held out once (in ${counts.folds} parts) to choose weights and threshold` : `${counts.validation} of them held out first to choose weights and threshold`}, ${counts.test} for the test, ${counts.outOfScope} out of scope; seed ${seed}.`,
    ...(dropped.length > 0 ? ['', `Left out: ${dropped.join('; ')}.`] : []),
    '',
    '| split | accuracy | over the threshold | out-of-scope recall | AUROC | macro F1 | calibration error |',
    '|---|---|---|---|---|---|---|',
    figuresRow('validation', trained.validation),
    ...(trained.test ? [figuresRow('test', trained.test)] : []),
    '',
    `Threshold ${threshold.toFixed(4)}: below it the answer is \`none\`.`,
    '',
    ...chosen(trained),
    ...learning(trained),
    `## Worst intents (${split})`,
    '',
    '| intent | utterances | right | taken for |',
    '|---|---|---|---|',
    ...worst(judged.inside).map(cells),
    '',
    `## Confusion table (${split})`,
    '',
    'What each intent was taken for without a threshold; of what is out of scope, what came over it.',
    '',
    '| said | utterances | right | taken for |',
    '|---|---|---|---|',
    ...confusion(judged, threshold).map(cells),
    '',
    `## Most confused pairs (${split})`,
    '',
    '| said | taken for | times | for example |',
    '|---|---|---|---|',
    ...pairs(wrong).map(cells),
    '',
    ...tried(trained),
    '## Are the scores to be trusted?',
    '',
    '![Score and share that is right](reliability.svg)',
    '',
  ];
  return { 'report.md': lines.join('\n'), 'reliability.svg': reliability(judged.inside) };
}

/** A row of a table, of words that others wrote. */
export function cells(words: string[]): string {
  return `| ${words.map((word) => word.replace(/\s+/g, ' ').replaceAll('|', '\\|')).join(' | ')} |`;
}

/** A row of the table of figures, in percent. */
export function figuresRow(
  split: string,
  { accuracyRaw, inScopeAccuracy, oosRecall, oosAuroc, macroF1, ece }: Figures,
): string {
  const percent = (value: number) => (Number.isFinite(value) ? `${(100 * value).toFixed(2)}` : '–');
  return `| ${split} | ${[accuracyRaw, inScopeAccuracy, oosRecall, oosAuroc, macroF1, ece].map(percent).join(' | ')} |`;
}

/** What other thresholds would have given up, and found. */
export function chosen({ tradeOff }: Pick<Trained, 'tradeOff'>): string[] {
  const percent = (value: number) => (Number.isFinite(value) ? (100 * value).toFixed(1) : '–');
  return [
    '## The choice of the threshold (validation)',
    '',
    'A higher one refuses more of what is out of scope, and more of what is not. `give_up` of `bot.json`, or `--give-up`, chooses.',
    '',
    '| gives up, points | threshold | right over it | wrong over it | out of scope refused |',
    '|---|---|---|---|---|',
    ...tradeOff.map(
      (one) =>
        `| ${(100 * one.giveUp).toFixed(1)} | ${one.threshold.toFixed(4)} | ${percent(one.right)} | ${percent(one.wrong)} | ${percent(one.oosRecall)} |`,
    ),
    '',
  ];
}

/** With few utterances: what fewer were worth, and what more would be, if errors go on falling as they did. */
function learning({ curve }: Trained): string[] {
  const [half, all] = curve.slice(-2);
  if (!half || !all) return [];
  const percent = (value: number) => `${(100 * value).toFixed(1)}%`;
  const falls = Math.min(1, (1 - all.accuracy) / Math.max(1e-9, 1 - half.accuracy));
  return [
    '## What more utterances would bring',
    '',
    '| utterances an intent | right (validation) |',
    '|---|---|',
    ...curve.map(({ utterances, accuracy }) => `| ${utterances.toFixed(1)} | ${percent(accuracy)} |`),
    `| ${(2 * all.utterances).toFixed(1)} | about ${percent(1 - (1 - all.accuracy) * falls)}, if errors go on falling so |`,
    '',
  ];
}

/** What a search has found: whether there is something better, what each setting does, and its trials. */
function tried({ found }: Trained): string[] {
  if (!found) return [];
  const { trials, compared, settings, effects } = found;
  const percent = (value: number | null) => (value === null ? '–' : (100 * value).toFixed(2));
  const listed = (values: Record<string, number>) =>
    Object.entries(values)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ') || 'the recipe as it is';
  const last = compared
    ? `Judged on everything: the recipe as it is ${percent(compared.before.figures!.accuracy)}, the best that was found ${percent(compared.after.figures!.accuracy)} (AUROC ${percent(compared.before.figures!.auroc)}, ${percent(compared.after.figures!.auroc)}).`
    : 'No time was left to judge anything on everything.';
  return [
    '## The search (validation)',
    '',
    last,
    Object.keys(settings).length > 0
      ? `Trained with: ${listed(settings)}.`
      : 'Nothing is better by more than chance: trained with the recipe as it is.',
    '',
    ...(effects.length > 0
      ? [
          '### What each setting does when it alone is changed',
          '',
          '| setting | from | to | accuracy | AUROC | answers changed | shows |',
          '|---|---|---|---|---|---|---|',
          ...effects.map(effect),
          '',
        ]
      : []),
    `### The ${new Set(trials.map(({ index }) => index)).size} trials of the search`,
    '',
    `Each is judged on a part, a third of them on more; the part ${RUNGS} is everything.`,
    '',
    '| trial | part | accuracy | AUROC | settings |',
    '|---|---|---|---|---|',
    ...Array.from({ length: RUNGS }, (_, rung) => RUNGS - 1 - rung).flatMap((rung) =>
      ranked(trials.filter((trial) => trial.rung === rung)).map(
        ({ index, figures, settings: own }) =>
          `| ${index} | ${rung + 1} | ${percent(figures!.accuracy)} | ${percent(figures!.auroc)} | ${listed(own)} |`,
      ),
    ),
    '',
  ];
}

function effect({ setting, from, to, accuracy, auroc, changed, of, shows }: Effect): string {
  const points = (value: number | null) =>
    value === null ? '–' : `${value < 0 ? '−' : '+'}${Math.abs(100 * value).toFixed(2)}`;
  return `| ${setting} | ${from} | ${to} | ${points(accuracy)} | ${points(auroc)} | ${changed} of ${of} | ${shows} |`;
}

interface Row {
  intent: string;
  count: number;
  right: number;
  /** Other labels with their numbers, the most frequent first. */
  others: string[];
}

function rowsOf(judged: Judged[]): Row[] {
  return [...Map.groupBy(judged, ({ intent }) => intent)].map(([intent, own]) => {
    const wrong = own.filter(({ label }) => label !== intent);
    const others = [...Map.groupBy(wrong, ({ label }) => label)].sort(
      (a, b) => b[1].length - a[1].length || a[0].localeCompare(b[0]),
    );
    return {
      intent,
      count: own.length,
      right: own.length - wrong.length,
      others: others.map(([label, list]) => `${label} (${list.length})`),
    };
  });
}

/** Every intent, what is out of scope last. */
function confusion(judged: { inside: Judged[]; outside: Judged[] }, threshold: number): string[][] {
  const outside = judged.outside.map((one) => (one.score >= threshold ? one : { ...one, label: one.intent }));
  const inside = rowsOf(judged.inside).sort((a, b) => a.intent.localeCompare(b.intent));
  return [...inside, ...rowsOf(outside)].map(({ intent, count, right, others }) => [
    intent,
    String(count),
    String(right),
    others.join(', ') || '–',
  ]);
}

function worst(judged: Judged[]): string[][] {
  return rowsOf(judged)
    .sort((a, b) => a.right / a.count - b.right / b.count || a.intent.localeCompare(b.intent))
    .slice(0, 15)
    .map(({ intent, count, right, others }) => [
      intent,
      String(count),
      `${Math.round((100 * right) / count)}%`,
      others.slice(0, 3).join(', ') || '–',
    ]);
}

function pairs(wrong: Judged[]): string[][] {
  return [...Map.groupBy(wrong, ({ intent, label }) => `${intent}\u0000${label}`)]
    .sort((a, b) => b[1].length - a[1].length || a[0].localeCompare(b[0]))
    .slice(0, 15)
    .map(([, list]) => [list[0]!.intent, list[0]!.label, String(list.length), list[0]!.text.slice(0, 80)]);
}

/** Bars: the share that is right in each bin of the score; the diagonal is a score that means what it says. */
export function reliability(rows: (Prediction & { intent: string })[]): string {
  const [size, left, top] = [300, 40, 10];
  const found = bins(rows);
  const bars = found.map(({ count, right }, index) => {
    const height = count === 0 ? 0 : (right / count) * size;
    const x = left + (index * size) / found.length;
    const shade = 0.25 + 0.75 * Math.sqrt(count / rows.length);
    return `<rect x="${x.toFixed(1)}" y="${(top + size - height).toFixed(1)}" width="${(size / found.length - 2).toFixed(1)}" height="${height.toFixed(1)}" fill="#0b6e4f" fill-opacity="${shade.toFixed(2)}"><title>${count} utterances</title></rect>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 360 350" font-family="sans-serif" font-size="12"><rect width="360" height="350" fill="white"/>${bars.join('')}<path d="M${left} ${top + size}L${left + size} ${top}" stroke="#888" stroke-dasharray="4"/><path d="M${left} ${top}V${top + size}H${left + size}" fill="none" stroke="#333"/><text x="${left + size / 2}" y="${top + size + 30}" text-anchor="middle">score</text><text x="14" y="${top + size / 2}" text-anchor="middle" transform="rotate(-90 14 ${top + size / 2})">share that is right</text></svg>\n`;
}
