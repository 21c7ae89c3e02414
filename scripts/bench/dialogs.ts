import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { FAQ, NOT, utteranceKey } from '../../functions/dialog/bot.ts';
import { Shopper } from '../../test/functions/skills/talk.ts';
import { botFolder, RETAILER } from '../bot/folder.ts';
import { understandWith } from '../bot/understanding.ts';
import { ensureBotModels, openBotModels } from '../local/bot-models.ts';
import { machine } from './report.ts';

const HELP = `npm run bench:dialogs: what becomes of 200 messages of shoppers a language

  --write   into docs/benchmarks/dialogs.md
  --all     every message that is not right

The messages (test/functions/bot/shopper-messages.json) were written by another hand, who had not seen the bot's utterances; each says
which intents are right, which order is meant, and what would be harmful. Ends with 1 where anything harmful was done.
`;
const { values } = parseArgs({
  options: {
    write: { type: 'boolean', default: false },
    all: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}

const root = join(import.meta.dirname, '../..');
const written = z
  .array(
    z.strictObject({
      language: z.string(),
      text: z.string(),
      accept: z.array(z.string()).min(1),
      also: z.array(z.string()).default([]),
      order: z.string().optional(),
      harmful: z.array(z.string()).default([]),
    }),
  )
  .parse(JSON.parse(await readFile(join(root, 'test/functions/bot/shopper-messages.json'), 'utf8')));

// What the bot is trained on says nothing of what it understands: common short words stand in both.
const trained = new Set(
  botFolder(RETAILER).intents.flatMap(({ utterances, not = {} }) =>
    [utterances, not].flatMap((all) => Object.values(all).flat().map(utteranceKey)),
  ),
);
const messages = written.filter(({ text }) => !trained.has(utteranceKey(text)));

const repository = await ensureBotModels(join(root, '.local/models'), () => {});
const models = await openBotModels(repository);

type Judged = (typeof messages)[number] & {
  intent: string;
  verdict: 'right' | 'faq' | 'wrong' | 'harmful';
  second: boolean;
};
const judged: Judged[] = [];
for (const message of messages) {
  const shopper = new Shopper();
  const { intent, intents, offered, orders } = await hear(shopper, message.text);
  // Which order it is about matters where something is done with it.
  const flow = shopper.bot.intents.get(intent)?.flow;
  const asks = flow !== undefined && 'order' in shopper.bot.content.flows[flow]!.slots;
  const meant = message.order === undefined || !asks || orders.includes(message.order);
  const answered = intent === NOT ? 'none' : intent;
  const right = (message.accept.includes(answered) || message.also.includes(answered)) && meant;
  // Written before there was a FAQ: what was out of scope then may have an answer by now, right or not.
  const byFaq = intent === FAQ && message.accept.includes('none');
  const harmful = message.harmful.some((name) => intents.includes(name)) || shopper.done.length > 0;
  const served = (names: string[]) => names.some((name) => intents.includes(name) || offered.includes(name));
  const second = message.also.length > 0 && served(message.accept) && served(message.also);
  judged.push({ ...message, intent, verdict: harmful ? 'harmful' : right ? 'right' : byFaq ? 'faq' : 'wrong', second });
}
await models.close();

/** What the bot does with a first message: the intents it answers and offers, and the orders it speaks of. */
async function hear(shopper: Shopper, text: string) {
  const understanding = await understandWith(models, shopper.bot, text);
  const { text: reply, replies } = await shopper.hear(text, understanding);
  const orders = ['ORD-10021', 'ORD-10022', 'ORD-10023'].filter((number) => reply.includes(number));
  const wanted = (understanding.wishes ?? [understanding]).filter((one) => !('negated' in one && one.negated));
  const offered = replies.flatMap(({ suggestions = [] }) => suggestions.map((one) => shopper.bot.tapped(one)));
  return {
    intent: understanding.intent,
    intents: wanted.map(({ intent }) => intent),
    offered,
    orders: orders.length === 1 ? orders : [],
  };
}

const languages = [...new Set(messages.map(({ language }) => language))];
const percent = (count: number, of: number) => `${((100 * count) / of).toFixed(1)}%`;
const rows = languages.map((language) => {
  const own = judged.filter((one) => one.language === language);
  const count = (verdict: Judged['verdict']) => own.filter((one) => one.verdict === verdict).length;
  const two = own.filter(({ also }) => also.length > 0);
  return `| ${language} | ${own.length} | ${percent(count('right'), own.length)} | ${percent(count('faq'), own.length)} | ${percent(count('wrong'), own.length)} | ${count('harmful')} | ${two.filter(({ second }) => second).length} of ${two.length} |`;
});
const table = [
  '| language | messages | right or acceptable | out of scope, answered by the FAQ | wrong | harmful | both of two wishes |',
  '|---|---:|---:|---:|---:|---:|---:|',
  ...rows,
].join('\n');
console.log(table);
for (const one of judged.filter(({ verdict }) => verdict === 'harmful' || (values.all && verdict === 'wrong')))
  console.log(
    `  ${one.verdict.padEnd(7)} “${one.text}” → ${one.intent}, not ${one.accept.join(' or ')}${one.order ? ` (${one.order})` : ''}`,
  );
if (values.write)
  await writeFile(
    join(root, 'docs/benchmarks/dialogs.md'),
    `# What becomes of shoppers' messages\n\n\`npm run bench:dialogs\`; ${machine()}.\n\n${table}\n\n“right or acceptable”: the intent, the order and the effect that the author of the message named (one of up to three, or of the other\nwish where there are two). ${written.length - messages.length} of the ${written.length} messages stand word for word in the bot's utterances and are left out. “harmful”: an intent that the author says must not be served, or anything done that can't be undone.\n`,
  );
if (judged.some(({ verdict }) => verdict === 'harmful')) process.exitCode = 1;
