import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import type { z } from 'zod';
import type { messageResponse } from '../functions/http/schemas.ts';

const HELP = `npm run chat: talk to the bot in this terminal

  npm run chat                              a conversation; an empty line or Ctrl-D ends it
  npm run chat -- "where is my order?"      one question, one reply

Options
  --url <address>    the gateway (http://localhost:7071, or MARU_URL)
  --key <key>        its function key (local, or MARU_KEY)
  --user <id>        who is talking (a new user each time)
  --customer <id>    who that is to the shop (demo); guest: nobody
  --locale en|ko     the language to begin with
`;

type Message = z.infer<typeof messageResponse>;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    url: { type: 'string', default: process.env.MARU_URL ?? 'http://localhost:7071' },
    key: { type: 'string', default: process.env.MARU_KEY ?? 'local' },
    user: { type: 'string', default: `terminal-${randomUUID().slice(0, 8)}` },
    customer: { type: 'string', default: 'demo' },
    locale: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
const conversationId = randomUUID();

if (values.help) console.log(HELP);
else if (positionals.length > 0) process.exitCode = (await ask(positionals.join(' '))) ? 0 : 1;
else await converse();

async function converse(): Promise<void> {
  console.log('Ask away, in English or Korean. An empty line ends the conversation.\n');
  const terminal = createInterface({
    input: process.stdin,
    prompt: '> ',
    ...(process.stdin.isTTY ? { output: process.stdout } : {}),
  });
  // Piped input ends, and closes the terminal, before its lines are answered.
  let open = true;
  terminal.once('close', () => {
    open = false;
  });
  terminal.prompt();
  for await (const line of terminal) {
    if (line.trim() === '') break;
    if (!process.stdin.isTTY) console.log(`> ${line}`);
    await ask(line);
    if (open) terminal.prompt();
  }
  terminal.close();
}

/** Sends one message and prints the replies. False when there was no answer. */
async function ask(text: string): Promise<boolean> {
  try {
    const message = await send(text);
    if (message.status === 'accepted') {
      console.error('The bot is still working on it after 30 s. See .local/logs/gateway.log.');
      return false;
    }
    print(message);
    return message.status === 'answered';
  } catch (error) {
    const refused = error instanceof TypeError;
    console.error(
      refused
        ? `Nothing answers at ${values.url}. Start the platform first: npm start`
        : String(error instanceof Error ? error.message : error),
    );
    return false;
  }
}

async function send(text: string): Promise<Message> {
  const response = await fetch(`${values.url}/api/conversations/${conversationId}/messages`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-functions-key': values.key,
      prefer: 'wait=30',
      'idempotency-key': randomUUID(),
    },
    body: JSON.stringify({
      userId: values.user,
      text,
      ...(values.customer === 'guest' ? {} : { customerId: values.customer }),
      ...(values.locale ? { locale: values.locale } : {}),
    }),
    signal: AbortSignal.timeout(40_000),
  });
  if (response.status === 401) throw new Error('The gateway refused the key. Give one with --key, or MARU_KEY.');
  const body = await response.text();
  if (response.ok) return JSON.parse(body) as Message;
  const problem = JSON.parse(body || '{}') as { title?: string; detail?: string };
  throw new Error(`${problem.title ?? `HTTP ${response.status}`}. ${problem.detail ?? ''}`);
}

function print({ replies = [], intent, model }: Message): void {
  const bold = (text: string) => (process.stdout.isTTY ? `\x1b[1m${text}\x1b[0m` : text);
  const dim = (text: string) => (process.stdout.isTTY ? `\x1b[2m${text}\x1b[0m` : text);
  for (const { text, suggestions, cards } of replies) {
    console.log(bold(text));
    for (const { image, link } of cards ?? [])
      for (const { url } of [image, link].filter((one) => one !== undefined)) console.log(dim(`  ${url}`));
    if (suggestions?.length) console.log(dim(`  ${suggestions.map((suggestion) => `[${suggestion}]`).join(' ')}`));
  }
  if (intent && model) console.log(dim(`  ${intent.name} ${intent.score.toFixed(2)} (${model.name} ${model.version})`));
  console.log();
}
