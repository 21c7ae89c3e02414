import type { Option, Values } from '../conversation/flow.ts';
import type { CustomerId } from '../conversation/identifier.ts';
import type { Act } from '../skills/skill.ts';
import { type Order, type Product, type Shop, shop } from './shop.ts';

/** The actions of the retailer's bot that are code, by their names in actions.json. */
export const actions: Readonly<Record<string, Act>> = actionsOf(shop);

/** The same on any shop: on one in memory, for tests and measurements. */
export function actionsOf(of: Shop): Record<string, Act> {
  return {
    async orders({ customerId }) {
      const all = await of.orders(signedIn(customerId));
      return all.length > 0 ? { result: 'options', options: all.map(optionOf) } : { result: 'none' };
    },

    async cancellable_orders({ customerId }) {
      const all = await of.orders(signedIn(customerId));
      // The others may be named: what is wrong with them is said then.
      const options = all.map((order) => ({ ...optionOf(order), listed: isCancellable(order) }));
      return options.some(({ listed }) => listed) ? { result: 'options', options } : { result: 'none' };
    },

    async order({ customerId, slots }) {
      const order = await of.order(signedIn(customerId), slots.order!);
      if (!order) return { result: 'unknown' };
      return { result: order.status, values: { ...valuesOf(order), date: { date: order.deliveryOn } } };
    },

    async cancel_order({ customerId, slots, key }) {
      const done = await of.cancelOrder(signedIn(customerId), slots.order!, key);
      return { result: done ? 'done' : 'late' };
    },

    async search_products({ text, locale }) {
      const found = await of.searchProducts(text, locale);
      return found.length > 0 ? { result: 'found', options: found.map(productOf) } : { result: 'none' };
    },
  };
}

function signedIn(customer: CustomerId | null): CustomerId {
  if (customer === null) throw new Error('this action is for customers who are signed in');
  return customer;
}

function isCancellable({ status }: Order): boolean {
  return status === 'paid' || status === 'preparing';
}

function optionOf(order: Order): Option {
  const { number, items, status } = order;
  return {
    value: number,
    names: items.flatMap(({ name }) => Object.values(name)),
    values: { ...valuesOf(order), state: { phrase: `state_${status}` } },
  };
}

function valuesOf({ items, total }: Order): Values {
  const list = items.map(({ name, quantity }) =>
    quantity > 1 ? { phrase: 'item_times', with: { item: { text: name }, quantity } } : { text: name },
  );
  return { items: { list }, total: { money: total } };
}

function productOf({ id, name, price, stock, image }: Product): Option {
  return {
    value: id,
    names: Object.values(name),
    label: { text: name },
    values: {
      name: { text: name },
      price: { money: price },
      stock: stock > 0 ? { phrase: 'in_stock', with: { count: stock } } : { phrase: 'sold_out' },
    },
    image: { url: image, alt: { text: name } },
  };
}
