import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * The headers that show who sent a body and that it is as it was sent, after the Standard Webhooks specification 1.0.0
 * (https://www.standardwebhooks.com): HMAC-SHA256 over `id.timestamp.body`. `key`: `whsec_` and base64, or a plain text.
 */
export function signed(key: string, id: string, body: unknown, now = Date.now()): Record<string, string> {
  const timestamp = String(Math.floor(now / 1_000));
  const mac = macOf(key, id, timestamp, JSON.stringify(body));
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${mac.toString('base64')}` };
}

/** How far clocks may differ, and how old a message may be, in seconds. */
const SKEW = 300;

/** Whether a body is as its sender sent it, a moment ago. `header`: null where there is none of that name. */
export function isSigned(
  key: string,
  header: (name: string) => string | null,
  body: string,
  now = Date.now(),
): boolean {
  const [id, timestamp] = [header('webhook-id'), header('webhook-timestamp')];
  if (!id || !timestamp || !/^\d{1,12}$/.test(timestamp) || Math.abs(now / 1_000 - Number(timestamp)) > SKEW)
    return false;
  const wanted = macOf(key, id, timestamp, body);
  // Several, while a key is replaced.
  const given = (header('webhook-signature') ?? '').split(' ').slice(0, 5);
  return given.some((one) => {
    const mac = Buffer.from(one.startsWith('v1,') ? one.slice('v1,'.length) : '', 'base64');
    return mac.length === wanted.length && timingSafeEqual(mac, wanted);
  });
}

function macOf(key: string, id: string, timestamp: string, body: string): Buffer {
  const secret = key.startsWith('whsec_') ? Buffer.from(key.slice('whsec_'.length), 'base64') : Buffer.from(key);
  return createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest();
}
