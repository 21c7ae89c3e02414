import { say } from './content.ts';
import { won } from './orders.ts';
import type { Skill } from './skill.ts';

/** Finds products in the shop: whether something is in stock, and what there is. */
export const products: Skill = {
  name: 'products',
  async run({ turn, dialog }, outside) {
    const { locale } = turn;
    const found = await outside.shop.searchProducts(turn.text, locale);
    const next = { ...dialog, misses: 0 };
    if (found.length === 0) return { replies: [{ text: say(locale, 'products_none') }], dialog: next };
    const lines = found.map((product) =>
      say(locale, product.stock > 0 ? 'product_in_stock' : 'product_sold_out', {
        name: product.name[locale],
        price: won(product.price, locale),
        stock: product.stock,
      }),
    );
    const images = found.map((product) => ({ url: product.image, alt: product.name[locale] }));
    return { replies: [{ text: [say(locale, 'products_found'), ...lines].join('\n'), images }], dialog: next };
  },
};
