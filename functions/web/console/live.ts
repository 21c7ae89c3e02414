import { type Signal, signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

/** Whether the last look reached the platform. */
export const online = signal(true);

/** Counts the times that the platform no longer knew who asks. */
export const signedOut = signal(0);

/** Seconds that the platform holds a question open. */
const WAIT = 20;

/**
 * What an address says, kept as it is now by long polls: asked with the ETag of what is known, and answered when there is another.
 * `refused`: a status that will not become another by itself.
 */
export function useLive<T>(address: string | null, into: Signal<T | null>, refused?: (status: number) => void): void {
  useEffect(() => {
    into.value = null;
    if (address === null) return;
    const stop = new AbortController();
    void follow(address, into, stop.signal, refused);
    return () => stop.abort();
  }, [address]);
}

async function follow<T>(
  address: string,
  into: Signal<T | null>,
  stop: AbortSignal,
  refused?: (status: number) => void,
): Promise<void> {
  let etag = '';
  let failures = 0;
  while (!stop.aborted) {
    try {
      const headers: Record<string, string> = etag ? { 'if-none-match': etag, prefer: `wait=${WAIT}` } : {};
      const response = await fetch(address, { headers, signal: stop, cache: 'no-store' });
      failures = 0;
      online.value = true;
      if (response.status === 304) continue;
      if (response.status === 401 || response.status === 403) {
        signedOut.value += 1;
        return;
      }
      if (response.status === 404) return refused?.(response.status);
      if (!response.ok) throw new Error(String(response.status));
      etag = response.headers.get('etag') ?? '';
      const found = (await response.json()) as T;
      if (!stop.aborted) into.value = found;
    } catch {
      if (stop.aborted) return;
      failures += 1;
      online.value = failures < 2;
      await new Promise((done) => setTimeout(done, Math.min(500 * failures, 5_000)));
    }
  }
}
