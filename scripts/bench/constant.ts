import { createServer } from 'node:http';
import { isMainThread, Worker } from 'node:worker_threads';

/**
 * The ceiling of bench:inference: the same HTTP server, which reads the body, parses it and answers a constant. Arguments: the
 * port, the answer, and the threads that serve it.
 */
const [port, answer = '{}', threads = '1'] = process.argv.slice(2);
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
server.listen({ port: Number(port), host: '127.0.0.1', reusePort: threads !== '1' });
if (isMainThread)
  for (let thread = 1; thread < Number(threads); thread += 1)
    new Worker(new URL(import.meta.url), { argv: process.argv.slice(2) });
