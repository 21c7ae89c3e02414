import { z } from 'zod';
import type { Agent, Conversation } from '../conversation/document.ts';
import { type ConversationId, storedConversationId } from '../conversation/identifier.ts';
import * as speaker from '../conversation/speaker.ts';
import { currentBot } from '../services/bot.ts';
import { settings } from '../services/settings.ts';
import { isSigned } from '../services/signature.ts';
import { RATINGS } from '../skills/rating.ts';
import { limitRefused } from './limits.ts';
import { Problem } from './problem.ts';
import { parseJson, read, readText, route } from './route.ts';
import { controlFree, TEXT_LIMIT } from './schemas.ts';
import { speak, words } from './speaking.ts';

/** Another desk instead of ours: what it says of a conversation, over its webhook or by the channel's hand-off events. */
const name = z
  .string()
  .regex(/^[^\p{C}]{1,80}$/u, 'must be a name of up to 80 characters')
  .optional();
const state = z.enum(['accepted', 'failed', 'completed']);

const event = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('handoff.status'), state, agent: name }),
    z.strictObject({
      type: z.literal('message'),
      text: controlFree
        .max(TEXT_LIMIT)
        .refine((text) => text.trim().length > 0 && text.isWellFormed(), 'must say something'),
      agent: name,
    }),
  ])
  .meta({ id: 'HubEvent' });

const path = z.object({
  conversationId: z.string().regex(/^conversation\.[\w-]{43}$/, 'must be the id that the desk was told'),
});

/** POST /api/hub/{conversationId} */
export const postHub = route(
  'hub',
  {
    summary: 'What another desk says: that it has a conversation or gives it back, and what its people write',
    description:
      'Signed as Standard Webhooks 1.0.0 has it (HUB_KEY), as is what the desk is told (HUB_URL). The `webhook-id` makes a repetition harmless.',
    access: 'secret',
    path,
    body: event,
    answers: { 204: { description: 'Done, or done before.' } },
    problems: ['unauthorized', 'not_found', 'taken', 'not_yours', 'busy', 'too_many_requests', 'unavailable'],
  },
  async (request) => {
    const { DESK: desk, HUB_KEY: key } = settings();
    const bytes = await readText(request);
    if (
      desk !== 'webhook' ||
      !key ||
      !isSigned(key, (header) => request.headers.get(header), Buffer.from(bytes).toString())
    ) {
      await limitRefused(request);
      throw new Problem('unauthorized');
    }
    const id = storedConversationId(
      read('conversationId', request.params.conversationId ?? '', path.shape.conversationId),
    )!;
    const said = parseJson(bytes, event);
    return await speak(id, (document) =>
      said.type === 'message'
        ? speaker.say(
            document,
            agentOf(said.agent),
            { key: request.headers.get('webhook-id')!, replies: [{ text: said.text }] },
            Date.now(),
          )
        : status(document, said.state, said.agent),
    );
  },
);

/** `handoff.status`, as a channel's own desk says it. Whatever does not fit is left alone: nobody waits for an answer. */
export async function handoffStatus(id: ConversationId, value: unknown): Promise<void> {
  const parsed = z.looseObject({ state }).safeParse(value);
  if (settings().DESK !== 'channel' || !parsed.success) return;
  try {
    await speak(id, (document) => status(document, parsed.data.state, undefined));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
}

function status(document: Conversation, told: z.infer<typeof state>, given: string | undefined): speaker.Outcome {
  const agent = agentOf(given);
  const now = Date.now();
  if (told === 'accepted') return speaker.take(document, agent, words(document, 'desk_joined', agent), now);
  if (told === 'failed') return speaker.withdraw(document, agent, words(document, 'desk_failed', agent), now);
  const asked = words(document, 'desk_ended', agent, RATINGS);
  return speaker.giveBack(document, agent, { wrapUp: 'completed' }, asked, now);
}

function agentOf(given: string | undefined): Agent {
  const bot = currentBot();
  return { id: 'hub', name: given ?? bot.say(bot.languages.first, 'desk_colleague'), elsewhere: true };
}
