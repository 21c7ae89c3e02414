import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

/** The load of bench:turns in a thread of its own: turns at a rate, or one after the other (rate 0). */
export interface Load {
  gateway: string;
  key: string;
  /** Turns a second; 0: one after the other. */
  rate: number;
  seconds: number;
  /** Conversations `<name>-0` … that take turns. */
  conversations: number;
  name: string;
}

export interface Measured {
  /** Milliseconds from sending to having the reply. */
  latencies: number[];
  failed: number;
  /** Seconds from the first turn to the last reply. */
  seconds: number;
}

const UTTERANCES = [
  'what are your opening hours?',
  'many thanks',
  '배송비 무료인가요?',
  'how do I return this?',
  '포인트는 어떻게 쓰나요?',
];
const { gateway, key, rate, seconds, conversations, name } = workerData as Load;
const latencies: number[] = [];
let failed = 0;
let serial = 0;

async function turn(): Promise<void> {
  const number = serial++;
  const started = performance.now();
  try {
    const response = await fetch(`${gateway}/api/conversations/${name}-${number % conversations}/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-functions-key': key, prefer: 'wait=30' },
      body: JSON.stringify({
        userId: `${name}-${number % conversations}`,
        text: UTTERANCES[number % UTTERANCES.length],
      }),
    });
    const body = (await response.json()) as { status?: string };
    if (body.status === 'answered') latencies.push(performance.now() - started);
    else failed += 1;
  } catch {
    failed += 1;
  }
}

const begun = performance.now();
const end = begun + seconds * 1_000;
if (rate === 0) {
  while (performance.now() < end) {
    await turn();
    // Long enough for the queue trigger to fall back to its idle polling.
    await sleep(150 + Math.random() * 100);
  }
} else {
  const running: Promise<void>[] = [];
  for (let next = begun; next < end; next += 1_000 / rate) {
    const wait = next - performance.now();
    if (wait > 0) await sleep(wait);
    running.push(turn());
  }
  await Promise.all(running);
}
parentPort!.postMessage({ latencies, failed, seconds: (performance.now() - begun) / 1_000 } satisfies Measured);
