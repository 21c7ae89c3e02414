import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import sharp from 'sharp';
import type { Order, Product } from '../../functions/bot/shop.ts';
import { listen, type Running } from './listening.ts';

/**
 * Stands for the shop's own systems: orders, products and the service desk's tickets. Every customer has the same three
 * orders to begin with. Writes are idempotent by `Idempotency-Key`. Whoever opens the chat page is signed in as
 * the customer `demo`, by a token of the shop's key. Leaves out payment, accounts and everything else.
 */
interface Ticket {
  id: string;
  customerId: string | null;
  conversationId: string;
  reason: string;
  messages: string[];
  open: boolean;
}

const DAY = 86_400_000;
const day = (offset: number) => new Date(Date.now() + offset * DAY).toISOString().slice(0, 10);

function firstOrders(): Order[] {
  const order = (
    number: string,
    status: Order['status'],
    id: string,
    total: number,
    ordered: number,
    delivery: number,
  ): Order => ({
    number,
    status,
    items: [{ name: catalogue.find((entry) => entry.id === id)!.name, quantity: 1 }],
    total,
    orderedOn: day(ordered),
    deliveryOn: day(delivery),
  });
  return [
    order('ORD-10021', 'preparing', 'running-shoes', 89_000, -1, 2),
    order('ORD-10022', 'paid', 'rice-cooker', 189_000, 0, 3),
    order('ORD-10023', 'shipped', 'winter-jacket', 129_000, -2, 1),
  ];
}

const product = (id: string, en: string, ko: string, price: number, stock: number) => ({
  id,
  name: { en, ko },
  price,
  stock,
});
const catalogue = [
  product('running-shoes', 'Running shoes', '러닝화', 89_000, 14),
  product('walking-shoes', 'Walking shoes', '워킹화', 69_000, 0),
  product('rice-cooker', 'Rice cooker', '전기밥솥', 189_000, 6),
  product('winter-jacket', 'Winter jacket', '겨울 재킷', 129_000, 9),
  product('rain-jacket', 'Rain jacket', '레인 재킷', 79_000, 21),
  product('sofa', 'Three-seat sofa', '3인용 소파', 549_000, 2),
  product('earphones', 'Wireless earphones', '무선 이어폰', 99_000, 33),
  product('television', '55-inch TV', '55인치 TV 텔레비전', 799_000, 4),
  product('ramen', 'Spicy ramen, 20 pack', '매운 라면 20개입', 15_900, 120),
  product('shampoo', 'Mild shampoo', '순한 샴푸', 12_900, 58),
  product('teddy-bear', 'Teddy bear toy', '곰 인형 장난감', 24_900, 17),
  product('blocks', 'Building blocks toy', '블록 장난감', 39_900, 0),
  product('coffee-maker', 'Coffee maker', '커피 머신', 149_000, 7),
  product('desk', 'Standing desk', '스탠딩 책상', 259_000, 3),
  product('backpack', 'Laptop backpack', '노트북 백팩 가방', 59_000, 26),
  product('blanket', 'Warm blanket', '따뜻한 담요 이불', 34_900, 41),
  product('frying-pan', 'Frying pan', '프라이팬', 29_900, 19),
  product('vacuum', 'Cordless vacuum cleaner', '무선 청소기', 219_000, 5),
  product('umbrella', 'Folding umbrella', '접이식 우산', 14_900, 73),
  product('laptop', 'Light laptop', '가벼운 노트북', 1_290_000, 8),
  product('canvas-sneakers', 'Canvas sneakers', '캔버스 운동화', 59_000, 12),
  product('cotton-t-shirt', 'Cotton T-shirt', '면 티셔츠', 19_900, 64),
  product('leather-boots', 'Leather boots', '가죽 부츠', 149_000, 6),
  product('summer-dress', 'Summer dress', '여름 원피스', 69_000, 11),
  product('wool-coat', 'Wool coat', '울 코트', 219_000, 4),
];

export interface Shop extends Running {
  tickets: Map<string, Ticket>;
  /** SHOP_SIGNING_KEYS. */
  signingKeys: string;
  /** SHOP_CUSTOMER_TOKEN_URL. */
  customerTokenUrl: string;
  /** The shop's word that somebody is a customer of its. */
  customerToken(customer: string): Promise<string>;
}

export async function startShop(port: number): Promise<Shop> {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const customerToken = (customer: string) =>
    new SignJWT()
      .setProtectedHeader({ alg: 'ES256', kid: 'local' })
      .setSubject(customer)
      .setAudience('maru')
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(privateKey);
  const orders = new Map<string, Order[]>();
  const tickets = new Map<string, Ticket>();
  const answered = new Map<string, { status: number; body: unknown }>();
  const ordersOf = (customer: string) => {
    const known = orders.get(customer) ?? firstOrders();
    orders.set(customer, known);
    return known;
  };

  function read(path: string[], query: URLSearchParams): { status: number; body: unknown } {
    if (path[0] === 'customers' && path[2] === 'orders') {
      const all = ordersOf(path[1]!);
      if (!path[3]) return { status: 200, body: all };
      const order = all.find((known) => known.number === path[3]);
      return order ? { status: 200, body: order } : { status: 404, body: { error: 'no such order' } };
    }
    if (path[0] === 'products')
      return { status: 200, body: search(query.get('q') ?? '', Number(query.get('limit') ?? 5), running.url) };
    return { status: 404, body: { error: 'not found' } };
  }

  function write(path: string[], body: Record<string, string>): { status: number; body: unknown } {
    if (path[0] === 'customers' && path[2] === 'orders' && path[4] === 'cancel') {
      const order = ordersOf(path[1]!).find((known) => known.number === path[3]);
      if (!order) return { status: 404, body: { error: 'no such order' } };
      if (order.status !== 'paid' && order.status !== 'preparing')
        return { status: 409, body: { error: `the order is ${order.status}` } };
      order.status = 'cancelled';
      return { status: 200, body: order };
    }
    if (path[0] !== 'tickets') return { status: 404, body: { error: 'not found' } };
    if (path.length === 1) {
      const id = `T-${1_001 + tickets.size}`;
      const { customerId = null, conversationId = '', reason = '', text = '' } = body;
      tickets.set(id, { id, customerId, conversationId, reason, messages: [text], open: true });
      return { status: 201, body: { id } };
    }
    const ticket = tickets.get(path[1]!);
    if (!ticket) return { status: 404, body: { error: 'no such ticket' } };
    if (path[2] === 'messages' && !ticket.open) return { status: 409, body: { error: 'the ticket is closed' } };
    if (path[2] === 'messages') ticket.messages.push(body.text ?? '');
    if (path[2] === 'close') ticket.open = false;
    return { status: 200, body: { id: ticket.id } };
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error) => {
      if (!response.headersSent) response.writeHead(400, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: String(error) }));
    });
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://shop');
    const path = url.pathname.split('/').filter(Boolean).map(decodeURIComponent);
    if (path[0] === 'images') {
      const entry = catalogue.find((known) => `${known.id}.png` === path[1]);
      if (!entry) return void response.writeHead(404).end();
      return void response
        .writeHead(200, { 'content-type': 'image/png', 'access-control-allow-origin': '*' })
        .end(await picture(entry.name.en));
    }
    if (path[0] === 'session' && path[1] === 'token') {
      // Pages of other origins may read it with the shop's cookies: a real shop names the origins of its own.
      const allow = {
        'access-control-allow-origin': request.headers.origin ?? '*',
        'access-control-allow-credentials': 'true',
      };
      const body = JSON.stringify({ token: await customerToken('demo') });
      return void response.writeHead(200, { 'content-type': 'application/json', ...allow }).end(body);
    }
    const key = request.headers['idempotency-key'];
    const known = key ? answered.get(`${url.pathname} ${key}`) : undefined;
    const outcome =
      known ?? (request.method === 'POST' ? write(path, await json(request)) : read(path, url.searchParams));
    if (key) answered.set(`${url.pathname} ${key}`, outcome);
    response.writeHead(outcome.status, { 'content-type': 'application/json' }).end(JSON.stringify(outcome.body));
  }

  const running = await listen(server, port);
  const jwk = { ...(await exportJWK(publicKey)), kid: 'local', alg: 'ES256', use: 'sig' };
  return {
    ...running,
    tickets,
    customerToken,
    signingKeys: JSON.stringify({ keys: [jwk] }),
    customerTokenUrl: `${running.url}/session/token`,
  };
}

/** Products that share most words, or parts of Korean words, with a text. */
function search(text: string, limit: number, base: string): Product[] {
  const query = text.toLowerCase();
  const score = ({ name }: (typeof catalogue)[number]) => {
    const words = `${name.en} ${name.ko}`
      .toLowerCase()
      .split(/[\s,]+/)
      .filter((word) => word.length > 1);
    return words.filter((word) => query.includes(word.replace(/s$/, ''))).length;
  };
  return catalogue
    .map((entry) => ({ entry, score: score(entry) }))
    .filter((found) => found.score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(0, limit)
    .map(({ entry }) => ({ ...entry, image: `${base}/images/${entry.id}.png` }));
}

async function picture(name: string): Promise<Buffer> {
  const hue = createHash('sha256').update(name).digest()[0]! * 1.4;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="320" height="200"><rect width="320" height="200" fill="hsl(${hue},45%,85%)"/><circle cx="160" cy="88" r="46" fill="hsl(${hue},50%,60%)"/><text x="160" y="172" font-family="sans-serif" font-size="20" text-anchor="middle" fill="#333">${name}</text></svg>`;
  return await sharp(Buffer.from(svg)).png().toBuffer();
}

async function json(request: IncomingMessage): Promise<Record<string, string>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : {};
}
