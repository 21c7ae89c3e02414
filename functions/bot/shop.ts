import { z } from 'zod';
import type { CustomerId } from '../conversation/identifier.ts';
import { Rejected } from '../services/failure.ts';
import { type Call, call, callJson } from '../services/http.ts';
import { pathTo } from '../services/path.ts';
import { settings } from '../services/settings.ts';

/** The shop's own HTTP API: orders and products. */
const names = z.object({ en: z.string(), ko: z.string() });
const order = z.object({
  number: z.string(),
  status: z.enum(['paid', 'preparing', 'shipped', 'delivered', 'cancelled']),
  items: z.array(z.object({ name: names, quantity: z.number() })),
  /** Won. */
  total: z.number(),
  orderedOn: z.iso.date(),
  deliveryOn: z.iso.date(),
});
export type Order = z.infer<typeof order>;

const product = z.object({
  id: z.string(),
  name: names,
  /** Won. */
  price: z.number(),
  stock: z.number(),
  image: z.string(),
});
export type Product = z.infer<typeof product>;

/** What the bot asks of the shop. Throws Unavailable or Rejected. */
export interface Shop {
  orders(customer: CustomerId): Promise<Order[]>;
  /** Null: there is no such order of this customer. */
  order(customer: CustomerId, number: string): Promise<Order | null>;
  /** Repeatable with the same key. False: it can't be cancelled any more. */
  cancelOrder(customer: CustomerId, number: string, key: string): Promise<boolean>;
  searchProducts(text: string, locale: string): Promise<Product[]>;
}

export const shop: Shop = {
  async orders(customer) {
    return await read(orders(customer), z.array(order));
  },
  async order(customer, number) {
    try {
      return await read(orders(customer, number), order);
    } catch (error) {
      if (error instanceof Rejected && error.status === 404) return null;
      throw error;
    }
  },
  async cancelOrder(customer, number, key) {
    const headers = { 'idempotency-key': key };
    try {
      await call('shop', orders(customer, number, 'cancel'), { ...limits, method: 'POST', body: {}, headers });
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
};

function orders(customer: CustomerId, ...below: string[]): string {
  return pathTo('shop', `${settings().SHOP_URL}/customers`, customer, 'orders', ...below);
}

/** Three calls in a row fit into a skill's deadline (conversation/policy.ts), each with one repetition. */
const limits: Pick<Call, 'timeout' | 'attempts'> = { timeout: 2_500, attempts: 2 };

async function read<T>(url: string, schema: z.ZodType<T>): Promise<T> {
  return await callJson('shop', url, schema, limits);
}
