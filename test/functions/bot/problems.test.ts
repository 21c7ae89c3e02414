import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, test } from 'node:test';
import { lines, readBotFolder } from '../../../scripts/bot/folder.ts';
import { schemas } from '../../../scripts/bot/index.ts';

const root = join(import.meta.dirname, '../../..');
const made: string[] = [];
after(() => {
  for (const folder of made) rmSync(folder, { recursive: true });
});

/** What is wrong with the clinic's folder once a text in it is another. */
function wrong(file: string, from: string, to: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'maru-bot-'));
  made.push(folder);
  cpSync(join(root, 'examples/clinic'), folder, { recursive: true });
  const text = readFileSync(join(folder, file), 'utf8');
  assert.ok(text.includes(from), `${file} has “${from}”`);
  writeFileSync(join(folder, file), text.replace(from, to));
  return lines(readBotFolder(folder).problems)
    .map((line) => line.slice(line.indexOf(basename(folder)) + basename(folder).length + 1))
    .join('\n');
}

test('what is wrong is said with its file and line, and what to do', () => {
  const cases: [file: string, from: string, to: string, said: RegExp][] = [
    ['flows.json', '"call": "book"', '"call": "bok"', /^flows.json:\d+ {2}there is no action "bok" in actions.json$/],
    ['flows.json', '"taken": "taken"', '"takn": "taken"', /may answer "taken": say where to go\n.*never answers so/],
    ['flows.json', '"next": "end"', '"next": "nowhere"', /^flows.json:\d+ {2}there is no step "nowhere" to go to$/],
    ['flows.json', '"next": "end"', '"next": "step_1"', /goes back to "step_1": a flow goes forward/],
    ['flows.json', '"ask": "book_day"', '"ask": "book_dya"', /^flows.json:\d+ {2}there is no phrase "book_dya"/],
    ['flows.json', '"entity": "day"', '"entity": "dya"', /there is no entity "dya" in entities.json/],
    ['flows.json', '"collect": "phone"', '"collect": "fone"', /there is no slot "fone": add it to "slots"/],
    ['flows.json', '"answers": "cancel"', '"answers": "cancle"', /no "cancle" under "questions"/],
    ['flows.json', '"optional": true', '"optinal": true', /^flows.json:\d+ /],
    [
      'actions.json',
      '{CLINIC_URL}/book',
      '{OTHER_URL}/book',
      /^actions.json:\d+ {2}add OTHER_URL to "settings" in bot.json$/,
    ],
    ['actions.json', '"409": "taken"', '"409": "takn"', /^actions.json:\d+ {2}"takn" is none of its results$/],
    ['actions.json', '"409"', '"429"', /must be a 4xx that is final/],
    ['flows.json', '"confirm": "cancel_confirm"', '"confirm": "flow_confirm_back"', /shows no \{appointment\} in en/],
    ['actions.json', '"reversible"', '"maybe"', /^actions.json:\d+ {2}book.effect: Invalid option/],
    ['intents.json', '"flow": "appointment_list"', '"flow": "list"', /^intents.json:\d+ {2}there is no flow "list"/],
    ['intents.json', '"name": "parking"', '"name": "fees"', /"fees" stands here twice/],
    [
      'phrases.json',
      '"en": "Yes, book it"',
      '"fr": "Oui"',
      /^phrases.json:\d+ {2}the bot speaks no "fr" \(languages.json\)$/,
    ],
    ['phrases.json', '{number} is not free.', 'It is not free.', /"book_time_taken" has other values/],
    ['phrases.json', '"flow_stopped"', '"flow_stoped"', /lacks "flow_stopped", which the platform says/],
    ['languages.json', '"Latin"', '"Latn9"', /must be a script as Unicode names it/],
    ['bot.json', 'Asia/Tokyo', 'Asia/Tokio', /^bot.json:\d+ {2}time_zone: must be a time zone/],
    [
      'entities.json',
      '"kind": "phone"',
      '"kind": "pattern", "pattern": "(a+)+$"',
      /takes more time than in proportion/,
    ],
    ['faq.json', '"name": "masks"', '"name": "wheelchair"', /^faq.json:\d+ {2}"wheelchair" stands here twice$/],
    ['faq.json', '"name": "masks"', '"name": "none"', /^faq.json:\d+ {2}"none" is what no entry answers$/],
    [
      'faq.json',
      '"are masks required"',
      '"where is THE clinic"',
      /^faq.json:\d+ {2}"where is THE clinic" stands in "location" too/,
    ],
    [
      'faq.json',
      '"wifi password"',
      '"Are masks required?"',
      /^faq.json:\d+ {2}"Are masks required\?" stands in the entry "masks" too/,
    ],
    ['faq.json', '"en": "Do I have to wear a mask?"', '"fr": "Un masque ?"', /^faq.json:\d+ {2}the bot speaks no "fr"/],
    [
      'faq.json',
      '"question": { "ja"',
      '"question": { "en-GB"',
      /^faq.json:\d+ {2}"medical_certificate" has no question in ja/,
    ],
    [
      'intents.json',
      '"name": "parking"',
      '"name": "faq"',
      /^intents.json:\d+ {2}"faq" is what an entry of faq.json is understood as$/,
    ],
    [
      'faq.json',
      '"en": "Yes, please wear a mask',
      '"en": "", "fr": "Yes, please wear a mask',
      /^faq.json:\d+ {2}1.answer.en: must say something$/,
    ],
    ['bot.json', '{', '{ oops', /^bot.json:1 {2}is no JSON here/],
  ];
  for (const [file, from, to, said] of cases) assert.match(wrong(file, from, to), said, `${file}: ${to}`);
});

test('what models are judged by is trained on nowhere, and means what the bot knows', () => {
  const folder = mkdtempSync(join(tmpdir(), 'maru-bot-'));
  made.push(folder);
  cpSync(join(root, 'examples/clinic'), folder, { recursive: true });
  mkdirSync(join(folder, 'held-out'));
  const rows = [
    'text,intent',
    'may I come at nine,appointment_book',
    '"WHERE is the clinic?",location',
    'x,nothing',
    ',none',
  ];
  writeFileSync(join(folder, 'held-out/en.csv'), `${rows.join('\n')}\n`);
  const said = readBotFolder(folder).problems.map(({ file, line, message }) => `${basename(file)}:${line} ${message}`);
  assert.deepEqual(said, [
    `en.csv:3 "WHERE is the clinic?" is trained on too: it can't judge what it made`,
    'en.csv:4 there is no intent "nothing" in intents.json',
    'en.csv:5 has no text (columns: text,intent)',
  ]);
});

test('an utterance of two intents is a contradiction, however it is typed', () => {
  const said = wrong('intents.json', '"cancle my apointment"', '"where is THE clinic"');
  assert.match(
    said,
    /^intents.json:\d+ {2}"Where is the clinic\?" stands in "appointment_cancel" too: which of them is meant\?$/,
  );
});

test('what can not be undone must be asked for, and nothing is done before a question', () => {
  const confirm = /\{\s*"confirm": "cancel_confirm",[^}]*\},/;
  const text = readFileSync(join(root, 'examples/clinic/flows.json'), 'utf8');
  const [step] = confirm.exec(text)!;
  assert.match(wrong('flows.json', step, ''), /can be reached without a yes: put a "confirm" step before it/);
  const early = '{ "call": "book", "results": { "done": "step_2", "taken": "taken" } },';
  assert.match(
    wrong('flows.json', '"steps": [', `"steps": [${early}`),
    /would run again when the question after it is answered/,
  );
});

test('the schemas that editors are given are those of the code (npm run bot -- schemas)', () => {
  for (const [file, text] of schemas())
    assert.equal(readFileSync(join(root, 'docs/schemas', file), 'utf8'), text, file);
});
