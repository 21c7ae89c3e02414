import { z } from 'zod';
import type { Bot } from '../../dialog/bot.ts';
import { act } from '../../services/actions.ts';
import { currentBot } from '../../services/bot.ts';
import { Rejected, Unavailable } from '../../services/failure.ts';
import { readUser } from '../../services/users.ts';
import { json, read, staffRoute } from '../route.ts';
import * as schemas from './schemas.ts';
import { conversationOf, existing } from './transcript.ts';

const language = z
  .string()
  .regex(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/, 'must be a language tag')
  .optional();

/** GET …/customer: who it is, and what the bot's own actions know of them (desk.json, `customer`). */
export const getCustomer = staffRoute(
  'admin.customer',
  {
    summary: 'The customer’s profile, and what the bot’s actions know of them',
    path: schemas.conversation,
    query: z.object({ language }),
    answers: { 200: { description: 'The customer.', schema: schemas.customer } },
    problems: ['invalid_message', 'not_found', 'unavailable'],
  },
  async (request) => {
    const bot = currentBot();
    const document = await existing(conversationOf(request));
    const tag = read('language', request.query.get('language') ?? document.locale, language) ?? document.locale;
    const last = document.recent.findLast(({ by }) => !by) ?? document.inbox[0];
    const customerId = last?.customerId ?? null;
    const user = await readUser(last?.userId ?? document.userId);
    const known = async (action: string) => {
      const base = { action, rows: [] as { title: string; text: string }[] };
      if (customerId === null) return base;
      try {
        const key = `desk/${document.id}/${action}`;
        const told = { slots: {}, customerId, conversationId: document.id, text: '', locale: tag, key };
        const { options = [] } = await act(bot, action, told);
        return { ...base, rows: options.map((option) => rowOf(bot, tag, option)) };
      } catch (error) {
        // One that is down leaves the others.
        if (error instanceof Unavailable || error instanceof Rejected) return { ...base, failed: true };
        throw error;
      }
    };
    return json(200, {
      customerId,
      locale: document.locale,
      since: user?.createdAt ?? null,
      known: await Promise.all(bot.content.desk.customer.map(known)),
    });
  },
);

function rowOf(bot: Bot, tag: string, { value, label }: { value: string; label?: Parameters<Bot['write']>[1] }) {
  return { title: value, text: label === undefined ? '' : bot.write(tag, label) };
}
