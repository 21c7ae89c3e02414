import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Bot } from '../../functions/dialog/bot.ts';
import { botFolder } from '../bot/folder.ts';
import { machine } from './report.ts';

const HELP = `npm run bench:consent: how often a cancellation is confirmed by what is no clear yes, and how often a yes is asked again

  --write   into docs/benchmarks/consent.md

The answers (test/functions/dialog/consent-answers.json) were written by another hand, who had not seen the bot's own words.
Ends with 1 where anything but a clear yes is taken for one.
`;
const { values } = parseArgs({
  options: { write: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h' } },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}

const root = join(import.meta.dirname, '../..');
const bot = new Bot(botFolder(join(root, 'functions/bot')));
const cancelAnswers = bot.answersTo({ yes: 'cancel_yes', no: 'cancel_no', answers: 'order_cancel' });
const given = JSON.parse(await readFile(join(root, 'test/functions/dialog/consent-answers.json'), 'utf8')) as Record<
  string,
  { yes: string[]; not: { text: string; kind: string }[] }
>;

/** Wilson's interval of 95% for `count` of `of`, in percent. */
function interval(count: number, of: number): string {
  const z = 1.96;
  const share = count / of;
  const centre = share + z ** 2 / (2 * of);
  const half = z * Math.sqrt((share * (1 - share)) / of + z ** 2 / (4 * of ** 2));
  const at = (value: number) => ((100 * Math.max(0, value)) / (1 + z ** 2 / of)).toFixed(1);
  return `${at(centre - half)} to ${at(centre + half)}%`;
}

let wrong = 0;
const rows = Object.entries(given).map(([language, { yes, not }]) => {
  const falseYes = not.filter(({ text }) => cancelAnswers.read(text) === 'yes');
  const missed = yes.filter((text) => cancelAnswers.read(text) !== 'yes');
  wrong += falseYes.length;
  for (const { text, kind } of falseYes) console.log(`  taken for a yes (${kind}): ${text}`);
  return [
    language,
    `${falseYes.length} of ${not.length}`,
    interval(falseYes.length, not.length),
    `${missed.length} of ${yes.length}`,
    interval(missed.length, yes.length),
  ];
});
const head = ['language', 'false yes', '95% interval', 'yes that is asked again', '95% interval'];
const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
for (const row of [head, ...rows]) console.log(row.map((cell, column) => cell.padEnd(widths[column]!)).join('  '));

if (values.write) {
  const table = [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
  const text = `# Consent

${machine()}; \`npm run bench:consent\`. Answers to “Shall I cancel order ORD-10022?” by another hand, who had not seen the bot's words. Three
ambiguous or mocking English ones and eight Korean ones that a first version took for a yes were then taken out of the bot's words, so this
is no longer a set that nobody has looked at. What is not clear is asked again, with both choices named and two buttons.

${table}
`;
  await writeFile(join(root, 'docs/benchmarks/consent.md'), text);
  console.log('Written: docs/benchmarks/consent.md');
}
process.exitCode = wrong === 0 ? 0 : 1;
