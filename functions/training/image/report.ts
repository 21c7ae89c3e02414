import sharp from 'sharp';
import { cells, chosen, figuresRow, reliability } from '../report.ts';
import type { ImageTrainOptions, JudgedPicture, TrainedPictures } from './train.ts';

/** Pictures of the sheet, and in a row of it; pixels between them, and how much larger they are shown. */
const [WORST, COLUMNS, GAP, ZOOM] = [48, 12, 2, 2];

interface Shown {
  pixels: Uint8Array;
  side: number;
  channels: number;
}

/** `report.md`, the sheet of its worst pictures and `reliability.svg` of a package. */
export async function report(
  { name, version, seed }: Pick<ImageTrainOptions, 'name' | 'version' | 'seed'>,
  trained: TrainedPictures,
  shown: Shown,
): Promise<Record<string, string | Uint8Array>> {
  const { counts, labels, judged, threshold, dropped } = trained;
  const of = trained.test ? 'test' : 'validation';
  const worst = judged
    .filter(({ label, intent }) => label !== intent)
    .sort((a, b) => b.score - a.score)
    .slice(0, WORST);
  const lines = [
    `# ${name} ${version}`,
    '',
    `${labels.length} classes, ${counts.train} pictures to train, ${counts.validation} held out to choose the threshold by, ${counts.test} for the test; ${counts.outside} of nothing, to be refused; seed ${seed}.`,
    ...(dropped.length > 0 ? ['', `Left out: ${dropped.join('; ')}.`] : []),
    '',
    '| split | accuracy | over the threshold | refused of nothing | AUROC | macro F1 | calibration error |',
    '|---|---|---|---|---|---|---|',
    figuresRow('validation', trained.validation),
    ...(trained.test ? [figuresRow('test', trained.test)] : []),
    '',
    `Threshold ${threshold.toFixed(4)}: below it the answer is \`none\`.`,
    '',
    ...chosen(trained),
    `## What each class was taken for (${of})`,
    '',
    `| | ${labels.map((label) => cells([label]).slice(2, -2)).join(' | ')} | right |`,
    `|---|${labels.map(() => '---').join('|')}|---|`,
    ...matrix(judged, labels),
    '',
    ...(worst.length > 0
      ? [
          '## Its worst pictures',
          '',
          'The surest of what is wrong, row by row: what it is → what it was taken for, with the score.',
          '',
          '![Its worst pictures](worst.png)',
          '',
          ...worst.map(({ intent, label, score }, index) => `${index + 1}. ${intent} → ${label} ${score.toFixed(2)}`),
          '',
        ]
      : []),
    '## Are the scores to be trusted?',
    '',
    '![Score and share that is right](reliability.svg)',
    '',
  ];
  return {
    'report.md': lines.join('\n'),
    'reliability.svg': reliability(judged),
    ...(worst.length > 0 && { 'worst.png': await sheet(worst, shown) }),
  };
}

function matrix(judged: readonly JudgedPicture[], labels: readonly string[]): string[] {
  const places = new Map(labels.map((label, place) => [label, place]));
  const counts = labels.map(() => new Array<number>(labels.length).fill(0));
  for (const { intent, label } of judged) counts[places.get(intent)!]![places.get(label)!]! += 1;
  return counts.map((row, own) => {
    const all = row.reduce((sum, count) => sum + count, 0);
    const right = all > 0 ? `${((100 * row[own]!) / all).toFixed(1)}%` : '–';
    return cells([
      labels[own]!,
      ...row.map((count, at) => (count === 0 ? '' : at === own ? `**${count}**` : `${count}`)),
      right,
    ]);
  });
}

/** Pictures side by side. */
async function sheet(worst: readonly JudgedPicture[], { pixels, side, channels }: Shown): Promise<Uint8Array> {
  const rows = Math.ceil(worst.length / COLUMNS);
  const [width, height] = [COLUMNS * (side + GAP) - GAP, rows * (side + GAP) - GAP];
  const all = new Uint8Array(width * height * channels).fill(255);
  for (const [index, { picture }] of worst.entries())
    for (let row = 0; row < side; row += 1) {
      const from = (picture * side + row) * side * channels;
      const to =
        ((Math.floor(index / COLUMNS) * (side + GAP) + row) * width + (index % COLUMNS) * (side + GAP)) * channels;
      all.set(pixels.subarray(from, from + side * channels), to);
    }
  return await sharp(all, { raw: { width, height, channels: channels as 1 | 3 } })
    .resize({ width: ZOOM * width, kernel: 'nearest' })
    .png({ palette: true, colours: 32 })
    .toBuffer();
}
