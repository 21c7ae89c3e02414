import { createServer } from 'node:http';

/** The ceiling of bench:inference: the same HTTP server, which reads the body, parses it and answers a constant. */
const answer = process.argv[3] ?? '{}';
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
server.listen(Number(process.argv[2]), '127.0.0.1');
