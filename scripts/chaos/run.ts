import { setTimeout as sleep } from 'node:timers/promises';
import type { Conversation } from '../../functions/conversation/document.ts';
import * as identifier from '../../functions/conversation/identifier.ts';
import type { Platform } from '../local/platform.ts';

export interface ChaosOptions {
  turns: number;
  conversations: number;
  /** Share of the turns that are sent twice. */
  duplicates: number;
  /** SIGKILLs of the functions host or the inference container. */
  kills: number;
  /** Turns a second. */
  rate: number;
  /** Seconds in which everything must be answered and logged after the last restart. */
  drain: number;
  progress(text: string): void;
}

export interface ChaosReport {
  sent: number;
  sentTwice: number;
  resent: number;
  kills: number;
  answered: number;
  apologies: number;
  missing: number;
  repeatedInDocuments: number;
  outOfOrder: number;
  duplicatesWithAnotherAnswer: number;
  undelivered: number;
  notLogged: number;
  drainSeconds: number;
}

interface Sent {
  conversation: number;
  id: string;
  twice: boolean;
  /** The answer that the HTTP API gave to the first and to the second sending. */
  answers: string[];
}

const UTTERANCES = [
  'what are your opening hours?',
  'many thanks',
  '배송비 무료인가요?',
  'where is my order ORD-10021?',
  'how do I return this?',
  '포인트는 어떻게 쓰나요?',
  'do you have running shoes in stock?',
];

/**
 * Sends turns through both entrances while processes are killed at random, waits until all is drained, and counts what
 * must never happen from the documents and the call log. Half of the conversations use the HTTP API, half a channel.
 */
export async function runChaos(platform: Platform, options: ChaosOptions): Promise<ChaosReport> {
  const name = `chaos${Date.now().toString(36)}`;
  const sent: Sent[] = [];
  let resent = 0;
  let stopKilling = false;
  let kills = 0;

  const killing = (async () => {
    const pause = (options.turns / options.rate / (options.kills + 1)) * 1_000;
    while (kills < options.kills && !stopKilling) {
      await sleep(pause * (0.5 + Math.random()));
      const victims = platform.beside
        ? (['gateway', 'inference', 'beside'] as const)
        : (['gateway', 'inference'] as const);
      const victim = victims[kills % victims.length]!;
      await platform.running[victim]!.kill();
      kills += 1;
      options.progress(`${sent.length} sent, kill ${kills}: ${victim}`);
      await sleep(200 + Math.random() * 800);
      if (victim === 'gateway') await platform.startGateway();
      else if (victim === 'beside') await platform.startBeside();
      else await platform.startInference();
    }
  })();

  const lanes = Array.from({ length: options.conversations }, async (_, conversation) => {
    const channel = conversation % 2 === 0 ? api(platform, `${name}-${conversation}`) : await connector(platform);
    const mine = Math.floor(options.turns / options.conversations);
    await sleep(Math.random() * 1_000);
    for (let index = 0; index < mine; index += 1) {
      const turn: Sent = {
        conversation,
        id: `${name}-${conversation}-${index}`,
        twice: Math.random() < options.duplicates,
        answers: [],
      };
      sent.push(turn);
      const text = UTTERANCES[(conversation + index) % UTTERANCES.length]!;
      for (let time = 0; time < (turn.twice ? 2 : 1); time += 1)
        resent += (await until(() => channel.send(turn, text))) - 1;
      await sleep((options.conversations / options.rate) * 1_000 * (0.5 + Math.random()));
    }
    return { ...channel, conversation };
  });
  const channels = await Promise.all(lanes);
  stopKilling = kills >= options.kills;
  await killing;

  const drainStart = Date.now();
  let documents: Conversation[] = [];
  for (;;) {
    documents = await Promise.all(channels.map(({ documentId }) => read(platform, documentId)));
    if (documents.every((document) => document.wakeAt === null)) break;
    if (Date.now() - drainStart > options.drain * 1_000) break;
    options.progress(`draining: ${documents.reduce((sum, document) => sum + document.inbox.length, 0)} turns wait`);
    await sleep(500);
  }
  const drainSeconds = (Date.now() - drainStart) / 1_000;

  // Once all is answered, the second sending of a turn must be given what the first one was.
  for (const turn of sent.filter((known) => known.twice)) {
    const channel = channels.find(({ conversation }) => conversation === turn.conversation)!;
    await channel.compare(turn);
  }
  return { ...(await count(platform, sent, channels, documents)), resent, kills, drainSeconds };
}

interface Channel {
  documentId: string;
  conversation?: number;
  /** Throws when the turn may not have been taken. */
  send(turn: Sent, text: string): Promise<void>;
  compare(turn: Sent): Promise<void>;
  /** Turns whose replies reached the client. */
  delivered(): Promise<Set<string>>;
}

function api(platform: Platform, conversationId: string): Channel {
  const texts = new Map<string, string>();
  const door = doors(platform);
  const post = async (turn: Sent, prefer: string) => {
    const response = await fetch(`${door()}/api/conversations/${conversationId}/messages`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-functions-key': platform.key,
        'idempotency-key': turn.id,
        prefer,
      },
      body: JSON.stringify({ userId: conversationId, text: texts.get(turn.id) }),
      signal: AbortSignal.timeout(10_000),
    });
    const body = (await response.json()) as { status: string; replies?: object };
    if (!response.ok) throw new Error(`${response.status}`);
    return body;
  };
  return {
    documentId: identifier.conversationId('api', conversationId),
    async send(turn, text) {
      texts.set(turn.id, text);
      const body = await post(turn, 'wait=0');
      if (body.replies) turn.answers.push(JSON.stringify(body.replies));
    },
    async compare(turn) {
      turn.answers.push(JSON.stringify((await post(turn, 'wait=1')).replies));
    },
    delivered: async () => new Set([...texts.keys()].map(identifier.turnId)),
  };
}

/** The gateways, one after the other: where two builds run, each message of a conversation may come to either. */
function doors({ gateway, beside }: Platform): () => string {
  let count = 0;
  return () => (beside !== null && count++ % 2 === 1 ? beside : gateway);
}

async function connector(platform: Platform): Promise<Channel> {
  const door = doors(platform);
  const { directLine, identity, appId } = platform;
  const opened = await fetch(`${directLine.domain}/conversations`, {
    method: 'POST',
    headers: { authorization: `Bearer ${directLine.secret}` },
  });
  const { conversationId } = (await opened.json()) as { conversationId: string };
  const token = await identity.channelToken(appId, `${directLine.url}/`);
  return {
    documentId: identifier.conversationId({ channel: 'directline' }, conversationId),
    async send(turn, text) {
      const response = await fetch(`${door()}/api/messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify({
          type: 'message',
          id: turn.id,
          channelId: 'directline',
          serviceUrl: `${directLine.url}/`,
          from: { id: conversationId },
          recipient: { id: 'maru' },
          conversation: { id: conversationId },
          text,
        }),
        signal: AbortSignal.timeout(10_000),
      });
      await response.arrayBuffer();
      if (!response.ok) throw new Error(`${response.status}`);
    },
    compare: async () => {},
    async delivered() {
      const response = await fetch(`${directLine.domain}/conversations/${conversationId}/activities`, {
        headers: { authorization: `Bearer ${directLine.secret}` },
      });
      const { activities } = (await response.json()) as {
        activities: { channelData?: { maru?: { turnId: string } } }[];
      };
      return new Set(activities.flatMap((activity) => activity.channelData?.maru?.turnId ?? []));
    },
  };
}

async function count(platform: Platform, sent: Sent[], channels: Channel[], documents: Conversation[]) {
  const turns = platform.cosmos.client.database('maru').container('turns');
  const report = {
    sent: sent.length,
    sentTwice: sent.filter((turn) => turn.twice).length,
    answered: 0,
    apologies: 0,
    missing: 0,
    repeatedInDocuments: 0,
    outOfOrder: 0,
    duplicatesWithAnotherAnswer: 0,
    undelivered: 0,
    notLogged: 0,
  };
  for (const [index, channel] of channels.entries()) {
    const document = documents[index]!;
    const mine: string[] = sent
      .filter((turn) => turn.conversation === channel.conversation)
      .map((turn) => identifier.turnId(turn.id));
    const ids: string[] = document.recent.map((turn) => turn.id);
    report.repeatedInDocuments += ids.length - new Set(ids).size;
    const query = {
      query: 'SELECT c.id, c.outcome, c.answeredAt FROM c WHERE c.conversationId = @id',
      parameters: [{ name: '@id', value: channel.documentId }],
    };
    const { resources } = await turns.items
      .query<{ id: string; outcome: string; answeredAt: number }>(query)
      .fetchAll();
    const log = new Map(resources.map((turn) => [turn.id, turn]));
    const kept = new Set([...ids, ...log.keys()]);
    report.missing += mine.filter((id) => !kept.has(id)).length;
    report.notLogged += mine.filter((id) => !log.has(id)).length;
    report.answered += mine.filter((id) => log.get(id)?.outcome === 'answered').length;
    report.apologies += mine.filter((id) => log.get(id)?.outcome === 'failed').length;
    // Each lane sends its turns one after the other, so the order of sending is the order of acceptance.
    const times = mine.map((id) => log.get(id)?.answeredAt ?? 0);
    report.outOfOrder += times.filter((time, at) => at > 0 && time < times[at - 1]!).length;
    const places = ids.map((id) => mine.indexOf(id));
    report.outOfOrder += places.filter((place, at) => at > 0 && place <= places[at - 1]!).length;
    const reached = await channel.delivered();
    report.undelivered += mine.filter((id) => !reached.has(id)).length;
  }
  for (const turn of sent) if (new Set(turn.answers).size > 1) report.duplicatesWithAnotherAnswer += 1;
  return report;
}

/** What must be zero, as text; empty when all is well. */
export function failures(report: ChaosReport, options: ChaosOptions): string[] {
  const problems: string[] = [];
  for (const name of [
    'apologies',
    'missing',
    'repeatedInDocuments',
    'outOfOrder',
    'duplicatesWithAnotherAnswer',
    'undelivered',
    'notLogged',
  ] as const)
    if (report[name] > 0) problems.push(`${name}: ${report[name]}, and not 0`);
  if (report.answered !== report.sent) problems.push(`answered: ${report.answered} of ${report.sent}`);
  if (report.kills < options.kills) problems.push(`kills: ${report.kills} of ${options.kills}`);
  if (report.drainSeconds > options.drain) problems.push(`not drained within ${options.drain} s`);
  return problems;
}

async function read(platform: Platform, id: string): Promise<Conversation> {
  const { resource } = await platform.cosmos.client
    .database('maru')
    .container('conversations')
    .item(id, id)
    .read<Conversation>();
  if (!resource) throw new Error(`there is no document ${id}`);
  return resource;
}

/** Tries until it works, as a client does that must not lose its message. Returns how often it was tried. */
async function until(work: () => Promise<void>): Promise<number> {
  const end = Date.now() + 60_000;
  for (let tries = 1; ; tries += 1) {
    try {
      await work();
      return tries;
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(200);
    }
  }
}
