import { setTimeout as sleep } from 'node:timers/promises';
import { wrapUps } from '../../dialog/desk.ts';
import { currentBot } from '../../services/bot.ts';
import { deskConversations } from '../../services/conversations.ts';
import { agentsHere, seeStaff } from '../../services/staff.ts';
import { json, staffRoute } from '../route.ts';
import { longPoll } from './long-poll.ts';
import * as schemas from './schemas.ts';

const LIMIT = 200;
/** How often the list is read for all who wait for another, in milliseconds. */
const PAUSE = 500;

/** GET /api/admin/desk */
export const getDesk = staffRoute(
  'admin.desk',
  {
    summary: 'Who waits for a person, who has one, and who has left a message; the longest first',
    headers: schemas.waitHeaders,
    answers: {
      200: { description: 'The desk.', schema: schemas.desk, headers: { ETag: 'Of this list.' } },
      304: { description: 'It is the one that the caller has.' },
    },
    problems: ['unavailable'],
  },
  async (request, { id, name, roles }) => {
    await seeStaff({ id, name, roles }, Date.now());
    return await longPoll(request, shared, (ms) => sleep(ms), PAUSE);
  },
);

/** GET /api/admin/desk-content */
export const getDeskContent = staffRoute(
  'admin.desk-content',
  {
    summary:
      'What the desk has of the bot: its languages, answers that are written already, and what a conversation can end as',
    answers: { 200: { description: 'The content.', schema: schemas.content } },
    problems: [],
  },
  async () => {
    const { about, desk, languages, intents } = currentBot().content;
    return json(200, {
      bot: about.name,
      languages: languages.map(({ tag, name }) => ({ tag, name })),
      intents: intents.map(({ name }) => name).sort(),
      wrapUp: wrapUps(desk),
      canned: desk.canned,
    });
  },
);

let last: { at: number; desk: ReturnType<typeof look> } | undefined;

/** One read for everybody who asks at the same time. */
async function shared() {
  const now = Date.now();
  if (!last || now - last.at >= PAUSE) last = { at: now, desk: look() };
  const own = last;
  own.desk.catch(() => {
    if (last === own) last = undefined;
  });
  return await own.desk;
}

async function look() {
  const now = Date.now();
  const [conversations, agents] = await Promise.all([deskConversations(LIMIT), agentsHere(now)]);
  return {
    isOpen: currentBot().desk.isOpen(now),
    now,
    conversations: conversations.map(({ id, channel, callback = null, ...rest }) => ({
      ...rest,
      conversationId: id,
      callback,
      channel: channel.kind === 'api' ? 'api' : String(channel.reference.channelId),
    })),
    agents: agents.sort((a, b) => (a.id < b.id ? -1 : 1)),
  };
}
