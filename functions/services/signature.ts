import { createHmac } from 'node:crypto';

/**
 * The headers that show who sent a body and that it is as it was sent, after the Standard Webhooks specification 1.0.0
 * (https://www.standardwebhooks.com): HMAC-SHA256 over `id.timestamp.body`. `key`: `whsec_` and base64, or a plain text.
 */
export function signed(key: string, id: string, body: unknown, now = Date.now()): Record<string, string> {
  const timestamp = String(Math.floor(now / 1_000));
  const secret = key.startsWith('whsec_') ? Buffer.from(key.slice('whsec_'.length), 'base64') : Buffer.from(key);
  const mac = createHmac('sha256', secret)
    .update(`${id}.${timestamp}.${JSON.stringify(body)}`)
    .digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${mac}` };
}
