import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { SignJWT } from 'jose';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Identity } from './identity.ts';
import { listen, type Running } from './listening.ts';

/**
 * Stands for two services of the Bot Framework: Direct Line 3.0, which clients such as Web Chat talk to (tokens,
 * conversations, activities, uploads, WebSocket streams, reconnection by watermark), and the connector, which the bot
 * sends its replies to. Leaves out other channels, expiry of conversations, and limits on rates.
 */
const SECRET = 'local-direct-line-secret';
const TOKEN_SECONDS = 1_800;
const UPLOAD_LIMIT = 20 * 1024 * 1024;
const HISTORY = 1_000;
/** A channel gives up on a bot after 15 s. */
const BOT_SECONDS = 15;

interface Activity {
  id?: string;
  type: string;
  text?: string;
  from?: { id: string; name?: string; role?: string };
  attachments?: { contentType: string; contentUrl?: string; name?: string }[];
  [key: string]: unknown;
}

interface Conversation {
  id: string;
  userId: string;
  activities: Activity[];
  streams: Set<WebSocket>;
}

export interface DirectLine extends Running {
  /** DIRECT_LINE_URL and DIRECT_LINE_SECRET. */
  domain: string;
  secret: string;
  /** Says where the bot is: it starts later. */
  setBot(messagesUrl: string, appId: string): void;
}

class Refused extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export async function startDirectLine(port: number, identity: Identity): Promise<DirectLine> {
  const conversations = new Map<string, Conversation>();
  const tokens = new Map<string, { conversationId: string; userId: string; expires: number }>();
  const uploads = new Map<string, { type: string; bytes: Buffer }>();
  let bot = { url: '', appId: '' };

  const server = createServer((request, response) => {
    handle(request, response).catch((error) => {
      const status = error instanceof Refused ? error.status : 500;
      send(response, status, {
        error: { code: status === 502 ? 'BotError' : 'BadArgument', message: String(error.message) },
      });
    });
  });
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    const url = new URL(request.url ?? '/', base);
    const id = /^\/v3\/directline\/conversations\/([^/]+)\/stream$/.exec(url.pathname)?.[1];
    const token = tokens.get(url.searchParams.get('t') ?? '');
    const conversation = conversations.get(id ?? '');
    if (!conversation || token?.conversationId !== conversation.id || token.expires < Date.now()) {
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (stream) => {
      conversation.streams.add(stream);
      stream.on('close', () => conversation.streams.delete(stream));
      const missed = conversation.activities.slice(Number(url.searchParams.get('watermark') ?? 0));
      if (missed.length > 0)
        stream.send(JSON.stringify({ activities: missed, watermark: String(conversation.activities.length) }));
    });
  });
  // Clients take an empty message as a sign of life.
  const heartbeat = setInterval(() => {
    for (const { streams } of conversations.values()) for (const stream of streams) stream.send('');
  }, 20_000);

  const running = await listen(server, port);
  const base = running.url;
  const domain = `${base}/v3/directline`;

  return {
    ...running,
    domain,
    secret: SECRET,
    setBot: (url, appId) => {
      bot = { url, appId };
    },
    close: async () => {
      clearInterval(heartbeat);
      for (const client of sockets.clients) client.terminate();
      await running.close();
    },
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', base);
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader(
      'access-control-allow-headers',
      '*, authorization, content-type, x-requested-with, x-ms-bot-agent',
    );
    response.setHeader('access-control-allow-methods', 'GET, POST, OPTIONS');
    if (request.method === 'OPTIONS') return void response.writeHead(204).end();
    const path = url.pathname.split('/').filter(Boolean).map(decodeURIComponent);
    if (path[0] === 'v3' && path[1] === 'directline') return await directLine(request, response, url, path.slice(2));
    if (path[0] === 'v3' && path[1] === 'conversations') return await connector(request, response, path.slice(2));
    if (path[0] === 'attachments') {
      const upload = uploads.get(path[1] ?? '');
      if (!upload) throw new Refused(404, 'no such attachment');
      return void response
        .writeHead(200, { 'content-type': upload.type, 'x-content-type-options': 'nosniff' })
        .end(upload.bytes);
    }
    throw new Refused(404, 'not found');
  }

  async function directLine(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    path: string[],
  ): Promise<void> {
    const method = `${request.method} ${path[0]}${path.length > 1 && path[0] === 'tokens' ? `/${path[1]}` : ''}`;
    const bearer = (request.headers.authorization ?? '').replace(/^Bearer /, '');
    if (method === 'POST tokens/generate') {
      if (bearer !== SECRET) throw new Refused(403, 'invalid secret');
      const body = JSON.parse((await read(request, 64 * 1024)).toString() || '{}') as { user?: { id?: string } };
      const conversation = open(body.user?.id ?? `dl_${randomUUID()}`);
      return send(response, 200, {
        conversationId: conversation.id,
        token: await issue(conversation),
        expires_in: TOKEN_SECONDS,
      });
    }
    const token = tokens.get(bearer);
    const known = bearer === SECRET || (token && token.expires > Date.now());
    if (!known) throw new Refused(403, 'invalid or expired token');
    if (method === 'POST tokens/refresh') {
      const conversation = find(token?.conversationId);
      return send(response, 200, {
        conversationId: conversation.id,
        token: await issue(conversation),
        expires_in: TOKEN_SECONDS,
      });
    }
    if (method === 'POST conversations' && path.length === 1) {
      const conversation = token ? find(token.conversationId) : open(`dl_${randomUUID()}`);
      return send(response, 201, await opened(conversation, '0'));
    }
    const conversation = find(path[1]);
    if (token && token.conversationId !== conversation.id)
      throw new Refused(403, 'the token is for another conversation');
    if (request.method === 'GET' && path.length === 2)
      return send(response, 200, await opened(conversation, url.searchParams.get('watermark') ?? '0'));
    if (path[2] === 'activities' && request.method === 'GET') {
      const activities = conversation.activities.slice(Number(url.searchParams.get('watermark') ?? 0));
      return send(response, 200, { activities, watermark: String(conversation.activities.length) });
    }
    if (path[2] === 'activities' && request.method === 'POST') {
      const activity = JSON.parse((await read(request, 256 * 1024)).toString()) as Activity;
      return send(response, 200, { id: await fromUser(conversation, activity, userOf(token, activity.from?.id)) });
    }
    if (path[2] === 'upload' && request.method === 'POST') {
      const activity = await uploaded(request);
      return send(response, 200, {
        id: await fromUser(conversation, activity, userOf(token, url.searchParams.get('userId'))),
      });
    }
    throw new Refused(404, 'not found');
  }

  async function connector(request: IncomingMessage, response: ServerResponse, path: string[]): Promise<void> {
    const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
    if (!(await identity.verify(token, 'https://api.botframework.com')))
      throw new Refused(401, 'the bot has no valid token');
    const conversation = find(path[0]);
    if (request.method !== 'POST' || path[1] !== 'activities') throw new Refused(404, 'not found');
    const activity = JSON.parse((await read(request, 256 * 1024)).toString()) as Activity;
    const sent = stamp(conversation, { ...activity, ...(path[2] ? { replyToId: path[2] } : {}) });
    sent.from = { ...sent.from, id: sent.from?.id ?? 'maru', role: 'bot' };
    publish(conversation, sent);
    send(response, 200, { id: sent.id });
  }

  /** Shows the user's activity to the bot, and to the clients once the bot has it. */
  async function fromUser(conversation: Conversation, given: Activity, userId: string): Promise<string> {
    const activity = stamp(conversation, {
      ...given,
      channelId: 'directline',
      serviceUrl: `${base}/`,
      from: { ...given.from, id: userId },
      recipient: { id: 'maru', name: 'Maru' },
    });
    await toBot(activity);
    publish(conversation, { ...activity, from: { ...activity.from!, role: 'user' } });
    return activity.id!;
  }

  /** Repeats what did not arrive, with the same id, as channels do. */
  async function toBot(activity: Activity): Promise<void> {
    const end = Date.now() + BOT_SECONDS * 1_000;
    const token = await identity.channelToken(bot.appId, `${base}/`);
    const body = JSON.stringify(activity);
    for (;;) {
      let problem: string;
      try {
        const response = await fetch(bot.url, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
          body,
          signal: AbortSignal.timeout(BOT_SECONDS * 1_000),
        });
        await response.arrayBuffer();
        if (response.ok) return;
        problem = `the bot answered ${response.status}`;
        if (response.status < 500 && response.status !== 429) throw new Refused(502, problem);
      } catch (error) {
        if (error instanceof Refused) throw error;
        problem = `the bot did not answer: ${error}`;
      }
      if (Date.now() > end) throw new Refused(502, problem);
      await sleep(500);
    }
  }

  function open(userId: string): Conversation {
    const conversation: Conversation = {
      id: randomUUID().replaceAll('-', '').slice(0, 22),
      userId,
      activities: [],
      streams: new Set(),
    };
    conversations.set(conversation.id, conversation);
    return conversation;
  }

  /** A JWT as Direct Line's own are: clients read the user from it. */
  async function issue({ id: conversationId, userId }: Conversation): Promise<string> {
    const claims = { conv: conversationId, user: userId, jti: randomUUID() };
    const signer = new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).setExpirationTime(`${TOKEN_SECONDS}s`);
    const token = await signer.sign(Buffer.from(SECRET));
    tokens.set(token, { conversationId, userId, expires: Date.now() + TOKEN_SECONDS * 1_000 });
    return token;
  }

  async function opened(conversation: Conversation, watermark: string) {
    const token = await issue(conversation);
    const streamUrl = `${domain.replace('http', 'ws')}/conversations/${conversation.id}/stream?${new URLSearchParams({ watermark, t: token })}`;
    return { conversationId: conversation.id, token, expires_in: TOKEN_SECONDS, streamUrl };
  }

  function find(id: string | undefined): Conversation {
    const conversation = conversations.get(id ?? '');
    if (!conversation) throw new Refused(404, 'no such conversation');
    return conversation;
  }

  function stamp(conversation: Conversation, activity: Activity): Activity {
    const number = String(serial++).padStart(7, '0');
    return {
      ...activity,
      id: `${conversation.id}|${number}`,
      timestamp: new Date().toISOString(),
      conversation: { id: conversation.id },
    };
  }

  function publish(conversation: Conversation, activity: Activity): void {
    // A typing indicator is for who is there now; it is not history.
    if (activity.type !== 'typing' && conversation.activities.length < HISTORY) conversation.activities.push(activity);
    const message = JSON.stringify({ activities: [activity], watermark: String(conversation.activities.length) });
    for (const stream of conversation.streams) stream.send(message);
  }

  async function uploaded(request: IncomingMessage): Promise<Activity> {
    const bytes = await read(request, UPLOAD_LIMIT);
    const form = await new Response(new Uint8Array(bytes), {
      headers: { 'content-type': request.headers['content-type'] ?? '' },
    }).formData();
    let activity: Activity = { type: 'message', text: '' };
    const attachments: NonNullable<Activity['attachments']> = [];
    for (const part of form.values()) {
      if (typeof part === 'string') continue;
      const content = Buffer.from(await part.arrayBuffer());
      if (part.type.startsWith('application/vnd.microsoft.activity')) {
        activity = { ...activity, ...JSON.parse(content.toString()) };
        continue;
      }
      const id = randomUUID();
      uploads.set(id, { type: part.type, bytes: content });
      attachments.push({ contentType: part.type, contentUrl: `${base}/attachments/${id}`, name: part.name });
    }
    return { ...activity, attachments };
  }
}

/** The token's user, whatever the client writes; with the secret itself, whoever the caller says. */
function userOf(token: { userId: string } | undefined, given: string | null | undefined): string {
  return token?.userId ?? given ?? `dl_${randomUUID()}`;
}

let serial = 1;

async function read(request: IncomingMessage, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw new Refused(413, `more than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
