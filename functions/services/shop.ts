import { z } from 'zod';
import type { CustomerId } from '../conversation/identifier.ts';
import type { Order, Outside, Product } from '../skills/skill.ts';
import { Rejected } from './failure.ts';
import { type Call, call, callJson } from './http.ts';
import { pathTo } from './path.ts';
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
  async orders(customer) {
    return await read(ordersOf(customer), z.array(order));
  },
  async order(customer, number) {
    try {
      return await read(ordersOf(customer, number), order);
    } catch (error) {
      if (error instanceof Rejected && error.status === 404) return null;
      throw error;
    }
  },
  async cancelOrder(customer, number, key) {
    try {
      await write(ordersOf(customer, number, 'cancel'), {}, key);
      return true;
    } catch (error) {
      if (error instanceof Rejected && error.status === 409) return false;
      throw error;
    }
  },
  async searchProducts(text, locale) {
    const query = new URLSearchParams({ q: text.slice(0, 200), locale, limit: '3' });
    return await read(`${settings().SHOP_URL}/products?${query}`, z.array(product));
  },
  async openTicket(ticket, key) {
    return (await callJson('shop', tickets(), z.object({ id: z.string() }), posted(ticket, key))).id;
  },
  async addToTicket(ticket, text, key) {
    await write(tickets(ticket, 'messages'), { text }, key);
  },
  async closeTicket(ticket, key) {
    await write(tickets(ticket, 'close'), {}, key);
  },
};

function ordersOf(customer: CustomerId, ...below: string[]): string {
  return pathTo('shop', `${settings().SHOP_URL}/customers`, customer, 'orders', ...below);
}

function tickets(...below: string[]): string {
  return pathTo('shop', `${settings().SHOP_URL}/tickets`, ...below);
}

/** Two calls in a row fit into a skill's deadline (conversation/policy.ts), each with one repetition. */
const limits: Pick<Call, 'timeout' | 'attempts'> = { timeout: 3_000, attempts: 2 };

async function read<T>(url: string, schema: z.ZodType<T>): Promise<T> {
  return await callJson('shop', url, schema, limits);
}

async function write(url: string, body: unknown, key: string): Promise<void> {
  await call('shop', url, posted(body, key));
}

/** The shop does the same thing once for the same key, so this may be repeated. */
function posted(body: unknown, key: string): Call {
  return { ...limits, method: 'POST', body, headers: { 'idempotency-key': key } };
}
