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
  /** Hand-overs: somebody of the staff takes a conversation, says a few words, and gives it back. */
  handovers: number;
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
  handovers: number;
  /** What somebody of the staff was told is said: in the call log not once, or not with the customer. */
  wordsLost: number;
  /** The bot spoke while a person had the conversation, or nobody did. */
  twoSpeakers: number;
  noSpeaker: number;
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

  /** What was promised to be said, by conversation. */
  const words = new Map<string, string[]>();
  const spoken = handOver(platform, options, words, () => sent.length >= options.turns);

  const lanes = Array.from({ length: options.conversations }, async (_, conversation) => {
    const channel = conversation % 2 === 0 ? api(platform, `${name}-${conversation}`) : await connector(platform);
    const mine = Math.floor(options.turns / options.conversations);
    words.set(channel.documentId, []);
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
  const handovers = await spoken;

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
  return { ...(await count(platform, sent, channels, documents, words)), handovers, resent, kills, drainSeconds };
}

/** Somebody of the staff, who goes from one conversation to the next until `over`. Returns how often one was taken and given back. */
async function handOver(
  { gateway, entra }: Platform,
  { handovers, turns, rate }: ChaosOptions,
  words: Map<string, string[]>,
  over: () => boolean,
): Promise<number> {
  if (handovers === 0) return 0;
  const token = await entra.token(['agent'], { name: 'Mina', expiresIn: '24h' });
  const post = async (path: string, body: object) => {
    const response = await fetch(`${gateway}/api/admin/desk/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
    await response.arrayBuffer();
    // Also one that is not there yet: its first turn is on its way.
    if (!response.ok) throw new Error(String(response.status));
  };
  const pause = (turns / rate / handovers) * 1_000;
  let count = 0;
  for (let index = 0; count < handovers && !over(); index += 1) {
    await sleep(pause * 0.4);
    const known = [...words.keys()];
    const id = known[index % known.length];
    if (id === undefined) continue;
    await until(() => post(`${id}/take`, {}));
    for (let word = 0; word < 3; word += 1) {
      const key = `word-${count}-${word}`;
      await until(() => post(`${id}/messages`, { key, text: key }));
      words.get(id)!.push(key);
      await sleep(pause * 0.1);
    }
    await until(() => post(`${id}/give-back`, {}));
    count += 1;
  }
  return count;
}

interface Channel {
  documentId: string;
  conversation?: number;
  /** Throws when the turn may not have been taken. */
  send(turn: Sent, text: string): Promise<void>;
  compare(turn: Sent): Promise<void>;
  /** Whether all of these, which answer no turn, reached the client. */
  reaches(ids: string[]): Promise<boolean>;
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
    reaches: async () => true,
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
    async reaches(ids) {
      const reached = await delivered();
      return ids.every((id) => reached.has(id));
    },
    delivered,
  };

  async function delivered() {
    const response = await fetch(`${directLine.domain}/conversations/${conversationId}/activities`, {
      headers: { authorization: `Bearer ${directLine.secret}` },
    });
    const { activities } = (await response.json()) as {
      activities: { channelData?: { maru?: { turnId: string } } }[];
    };
    return new Set(activities.flatMap((activity) => activity.channelData?.maru?.turnId ?? []));
  }
}

interface Row {
  id: string;
  outcome: string;
  answeredAt: number;
  ordinal: number;
  replies: { text: string }[];
  by?: { id: string };
  step?: string;
}

async function count(
  platform: Platform,
  sent: Sent[],
  channels: Channel[],
  documents: Conversation[],
  words: Map<string, string[]>,
) {
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
    wordsLost: 0,
    twoSpeakers: 0,
    noSpeaker: 0,
  };
  for (const [index, channel] of channels.entries()) {
    const document = documents[index]!;
    const mine: string[] = sent
      .filter((turn) => turn.conversation === channel.conversation)
      .map((turn) => identifier.turnId(turn.id));
    const ids: string[] = document.recent.map((turn) => turn.id);
    report.repeatedInDocuments += ids.length - new Set(ids).size;
    const query = {
      query:
        'SELECT c.id, c.outcome, c.answeredAt, c.ordinal, c.replies, c["by"], c.step FROM c WHERE c.conversationId = @id',
      parameters: [{ name: '@id', value: channel.documentId }],
    };
    const { resources } = await turns.items.query<Row>(query).fetchAll();
    const log = new Map(resources.map((turn) => [turn.id, turn]));
    const kept = new Set([...ids, ...log.keys()]);
    report.missing += mine.filter((id) => !kept.has(id)).length;
    report.notLogged += mine.filter((id) => !log.has(id)).length;
    report.answered += mine.filter((id) => log.get(id)?.outcome === 'answered').length;
    report.apologies += mine.filter((id) => log.get(id)?.outcome === 'failed').length;
    // Each lane sends its turns one after the other, so the order of sending is the order of acceptance.
    const times = mine.map((id) => log.get(id)?.answeredAt ?? 0);
    report.outOfOrder += times.filter((time, at) => at > 0 && time < times[at - 1]!).length;
    const places = ids.map((id) => mine.indexOf(id)).filter((place) => place >= 0);
    report.outOfOrder += places.filter((place, at) => at > 0 && place <= places[at - 1]!).length;
    const reached = await channel.delivered();
    const silent = new Set(resources.filter(({ replies }) => replies.length === 0).map(({ id }) => id));
    report.undelivered += mine.filter((id) => !reached.has(id) && !silent.has(id)).length;
    // Who spoke when, by the order in which it was said.
    let holder: string | null = null;
    const heard: string[] = [];
    for (const { by, step, replies } of resources.sort((a, b) => a.ordinal - b.ordinal)) {
      if (by) {
        if (step === 'take') holder = by.id;
        if (by.id !== holder) report.twoSpeakers += 1;
        if (step === 'back') holder = null;
        if (!step) heard.push(...replies.map(({ text }) => text));
      } else if (holder !== null && replies.length > 0) report.twoSpeakers += 1;
      else if (holder === null && replies.length === 0) report.noSpeaker += 1;
    }
    const promised = words.get(channel.documentId) ?? [];
    if (JSON.stringify(heard) !== JSON.stringify(promised))
      report.wordsLost += Math.max(1, Math.abs(promised.length - heard.length));
    const agents = resources.filter(({ by }) => by).map(({ id }) => id);
    report.undelivered += (await channel.reaches(agents)) ? 0 : 1;
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
    'wordsLost',
    'twoSpeakers',
    'noSpeaker',
  ] as const)
    if (report[name] > 0) problems.push(`${name}: ${report[name]}, and not 0`);
  if (report.answered !== report.sent) problems.push(`answered: ${report.answered} of ${report.sent}`);
  if (report.handovers < options.handovers / 2) problems.push(`handovers: ${report.handovers} of ${options.handovers}`);
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
