import { createServer } from 'node:http';
import { isMainThread, Worker } from 'node:worker_threads';
import { pino } from 'pino';
import { Listener } from '../../inference-container/http/listener.ts';
import { Metrics } from '../../inference-container/metrics.ts';
import { parseSettings } from '../../inference-container/settings.ts';

/**
 * The ceilings of bench:inference: servers that read the body, parse it and answer a constant. Arguments: `maru` (the model
 * server's own HTTP side) or `node` (Node's HTTP and nothing else), the port, the answer, and the threads that serve it.
 */
const [kind, port, answer = '{}', threads = '1'] = process.argv.slice(2);
const shared = threads !== '1';
if (kind === 'node') {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.once('end', () => {
      JSON.parse(Buffer.concat(chunks).toString());
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) });
      response.end(answer);
    });
  });
  server.keepAliveTimeout = 240_000;
  server.listen({ port: Number(port), host: '127.0.0.1', reusePort: shared });
} else {
  const settings = parseSettings({ HOST: '127.0.0.1' });
  const model = { key: 'constant/1', name: 'constant', version: '1' };
  const listener = new Listener(settings, pino({ level: 'silent' }), new Metrics(false), (_, call) => {
    call.model = model;
    return call.read((body) => {
      JSON.parse(body.toString());
      return { body: answer };
    });
  });
  await listener.listen(Number(port), shared);
}
if (isMainThread)
  for (let thread = 1; thread < Number(threads); thread += 1)
    new Worker(new URL(import.meta.url), { argv: process.argv.slice(2) });
