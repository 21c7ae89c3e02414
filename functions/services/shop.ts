import { z } from 'zod';
import type { Order, Outside, Product } from '../skills/skill.ts';
import { Rejected } from './failure.ts';
import { type Call, call } from './http.ts';
import { settings } from './settings.ts';

/** The shop's own HTTP API: orders, products and the service desk's tickets. */
const names = z.object({ en: z.string(), ko: z.string() });
const order: z.ZodType<Order> = z.object({
  number: z.string(),
  status: z.enum(['paid', 'preparing', 'shipped', 'delivered', 'cancelled']),
  items: z.array(z.object({ name: names, quantity: z.number() })),
  total: z.number(),
  orderedOn: z.string(),
  deliveryOn: z.string(),
});
const product: z.ZodType<Product> = z.object({
  id: z.string(),
  name: names,
  price: z.number(),
  stock: z.number(),
  image: z.string(),
});

export const shop: Outside['shop'] = {
  async orders(userId) {
    return await read(`/customers/${encodeURIComponent(userId)}/orders`, z.array(order));
  },
  async order(userId, number) {
    return await orNull(read(`/customers/${encodeURIComponent(userId)}/orders/${encodeURIComponent(number)}`, order));
  },
  async cancelOrder(userId, number, key) {
    const path = `/customers/${encodeURIComponent(userId)}/orders/${encodeURIComponent(number)}/cancel`;
    try {
      await write(path, {}, key);
      return true;
    } catch (error) {
      if (error instanceof Rejected && error.status === 409) return false;
      throw error;
    }
  },
  async searchProducts(text, locale) {
    return await read(
      `/products?${new URLSearchParams({ q: text.slice(0, 200), locale, limit: '3' })}`,
      z.array(product),
    );
  },
  async openTicket(ticket, key) {
    const { body } = await write('/tickets', ticket, key);
    return z.object({ id: z.string() }).parse(JSON.parse(body.toString())).id;
  },
  async addToTicket(ticket, text, key) {
    await write(`/tickets/${encodeURIComponent(ticket)}/messages`, { text }, key);
  },
  async closeTicket(ticket, key) {
    await write(`/tickets/${encodeURIComponent(ticket)}/close`, {}, key);
  },
};

/** Two calls in a row fit into a skill's deadline (conversation/policy.ts), each with one repetition. */
const limits: Pick<Call, 'timeout' | 'attempts'> = { timeout: 3_000, attempts: 2 };

async function read<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  const { body } = await call('shop', `${settings().SHOP_URL}${path}`, limits);
  const parsed = schema.safeParse(JSON.parse(body.toString()));
  if (!parsed.success) throw new Rejected('shop', `unexpected answer to ${path.split('?')[0]}`);
  return parsed.data;
}

async function write(path: string, body: unknown, key: string) {
  // The shop does the same thing once for the same key, so this may be repeated.
  const headers = { 'idempotency-key': key };
  return await call('shop', `${settings().SHOP_URL}${path}`, { ...limits, method: 'POST', body, headers });
}

async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return null;
    throw error;
  }
}
