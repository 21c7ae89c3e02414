import { Agent, request } from 'node:http';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';

/** Bodies that are sent at once, each over a connection of its own, and again until so long; as a thread, answers with their statuses. */
export interface PostData {
  port: number;
  path: string;
  bodies: Uint8Array[];
  leastMs: number;
}

/** One request; its status, 0 where there was no answer. */
export function post(agent: Agent, port: number, method: string, path: string, body?: Uint8Array): Promise<number> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json', 'content-length': body?.length ?? 0 };
    const asked = request({ agent, port, host: '127.0.0.1', method, path, timeout: 120_000, headers }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
      response.once('error', () => resolve(0));
    });
    asked.once('timeout', () => asked.destroy());
    asked.once('error', () => resolve(0));
    asked.end(body);
  });
}

if (!isMainThread) {
  const { port, path, bodies, leastMs } = workerData as PostData;
  const agent = new Agent({ maxSockets: bodies.length });
  const statuses: number[] = [];
  for (const end = performance.now() + leastMs; statuses.length === 0 || performance.now() < end; )
    statuses.push(...(await Promise.all(bodies.map((body) => post(agent, port, 'POST', path, body)))));
  parentPort!.postMessage(statuses);
  agent.destroy();
}
