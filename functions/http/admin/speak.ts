import { setTimeout as sleep } from 'node:timers/promises';
import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import type { Agent, Conversation } from '../../conversation/document.ts';
import * as speaker from '../../conversation/speaker.ts';
import { wrapUps } from '../../dialog/desk.ts';
import { currentBot, keptOf } from '../../services/bot.ts';
import { keepDraft } from '../../services/notes.ts';
import type { Principal } from '../../services/sign-in.ts';
import { agentsHere } from '../../services/staff.ts';
import { RATINGS } from '../../skills/rating.ts';
import { Problem } from '../problem.ts';
import type { Operation } from '../route.ts';
import { readJson, staffRoute } from '../route.ts';
import { speak, words } from '../speaking.ts';
import * as schemas from './schemas.ts';
import { conversationOf, existing } from './transcript.ts';

/** What the staff does in a conversation: each is one guarded step of its document, and may be sent again. */
const operation = (summary: string, body: Operation['body'] = schemas.nothing): Omit<Operation, 'access'> => ({
  summary,
  path: schemas.conversation,
  body,
  answers: { 204: { description: 'Done, or done before.' } },
  problems: ['invalid_message', 'not_found', 'taken', 'not_yours', 'busy'],
});

/** POST …/take */
export const take = staffRoute('admin.take', operation('Take a conversation'), async (request, principal) => {
  await readJson(request, schemas.nothing);
  return await step(request, (document) =>
    speaker.take(document, agentOf(principal), words(document, 'desk_joined', principal), Date.now()),
  );
});

/** POST …/messages */
export const say = staffRoute(
  'admin.say',
  operation('Say something to the customer', schemas.message),
  async (request, principal) => {
    const { key, text } = await readJson(request, schemas.message);
    const agent = agentOf(principal);
    const said = await step(request, (document) =>
      speaker.say(document, agent, { key, replies: [{ text }] }, Date.now()),
    );
    await keepDraft(await existing(conversationOf(request)), agent, '', Date.now());
    return said;
  },
);

/** POST …/pass */
export const pass = staffRoute(
  'admin.pass',
  operation('Hand a conversation to a colleague', schemas.pass),
  async (request, principal) => {
    const { to } = await readJson(request, schemas.pass);
    const colleague = to === null ? null : (await agentsHere(Date.now())).find(({ id }) => id === to);
    if (colleague === undefined) throw new Problem('not_found', 'This colleague is not here.');
    return await step(request, (document) =>
      speaker.pass(document, agentOf(principal), colleague, words(document, 'desk_handed', principal), Date.now()),
    );
  },
);

/** POST …/give-back */
export const giveBack = staffRoute(
  'admin.give-back',
  operation('Give a conversation back to the bot'),
  async (request, principal) => {
    await readJson(request, schemas.nothing);
    return await step(request, (document) =>
      speaker.giveBack(
        document,
        agentOf(principal),
        { wrapUp: null },
        words(document, 'desk_back', principal),
        Date.now(),
      ),
    );
  },
);

/** POST …/close */
export const close = staffRoute(
  'admin.close',
  operation('End a conversation, and say as what', schemas.close),
  async (request, principal) => {
    const { wrapUp } = await readJson(request, schemas.close);
    if (!wrapUps(currentBot().content.desk).some(({ name }) => name === wrapUp))
      throw new Problem('invalid_message', 'wrapUp: desk.json has no such code.', {
        errors: [{ field: 'wrapUp', reason: 'desk.json has no such code' }],
      });
    return await step(request, (document) =>
      speaker.giveBack(
        document,
        agentOf(principal),
        { wrapUp },
        words(document, 'desk_ended', principal, RATINGS),
        Date.now(),
      ),
    );
  },
);

/** POST …/dismiss */
export const dismiss = staffRoute(
  'admin.dismiss',
  operation('A message that was left needs nobody any more'),
  async (request, principal) => {
    await readJson(request, schemas.nothing);
    return await step(request, (document) =>
      speaker.dismiss(document, agentOf(principal), { kept: keptOf(currentBot()) }, Date.now()),
    );
  },
);

/** How long a typing indicator may take before it is given up, in milliseconds. */
const TYPING = 1_000;

/** POST …/typing: shown where the channel shows it, best effort. */
export const typing = staffRoute(
  'admin.typing',
  operation('Show the customer that somebody is writing'),
  async (request, principal) => {
    await readJson(request, schemas.nothing);
    const { speaker: current, channel, recent } = await existing(conversationOf(request));
    if (current.kind !== 'person' || current.agent.id !== principal.id) throw new Problem('not_yours');
    if (channel.kind === 'activity') {
      const { sendTyping } = await import('../../services/channel.ts');
      const user = recent.at(-1)?.sender;
      await Promise.race([sendTyping({ ...channel.reference, user }), sleep(TYPING, null, { ref: false })]);
    }
    return { status: 204 };
  },
);

export function agentOf({ id, name }: Principal): Agent {
  return { id, name };
}

export async function step(
  request: HttpRequest,
  transition: (document: Conversation) => speaker.Outcome,
): Promise<HttpResponseInit> {
  return await speak(conversationOf(request), transition);
}
