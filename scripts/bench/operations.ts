import type { Server } from 'node:http';

/** What a service was asked for, by operation and container. */
export interface Operation {
  operation: 'read' | 'replace' | 'create' | 'upsert' | 'query' | 'plan' | 'delete';
  container: string;
  count: number;
  /** Of the documents that went either way. */
  bytes: number;
  /** Request units, as the stand-in counts them. */
  units: number;
}

const PATH = /^\/dbs\/[^/]+\/colls\/([^/]+)\/docs/;

/** Counts the operations on Cosmos DB's documents from now on. */
export function countOperations(server: Server): Map<string, Operation> {
  const found = new Map<string, Operation>();
  server.on('request', (request, response) => {
    const container = PATH.exec(request.url ?? '')?.[1];
    if (!container) return;
    const operation = operationOf(request.method ?? '', request.headers);
    const key = `${operation} ${container}`;
    const counted = found.get(key) ?? { operation, container, count: 0, bytes: 0, units: 0 };
    found.set(key, counted);
    counted.count += 1;
    response.once('finish', () => {
      counted.units += Number(response.getHeader('x-ms-request-charge') ?? 0);
    });
    if (operation === 'read' || operation === 'query') {
      const end = response.end.bind(response);
      response.end = ((chunk?: string | Buffer, ...rest: []) => {
        counted.bytes += chunk ? Buffer.byteLength(chunk) : 0;
        return end(chunk, ...rest);
      }) as typeof response.end;
    } else counted.bytes += Number(request.headers['content-length'] ?? 0);
  });
  return found;
}

function operationOf(method: string, headers: Record<string, string | string[] | undefined>): Operation['operation'] {
  if (method === 'GET') return 'read';
  if (method === 'PUT') return 'replace';
  if (method === 'DELETE') return 'delete';
  if (headers['x-ms-cosmos-is-query-plan-request']) return 'plan';
  if (`${headers['x-ms-documentdb-isquery']}`.toLowerCase() === 'true') return 'query';
  return `${headers['x-ms-documentdb-is-upsert']}`.toLowerCase() === 'true' ? 'upsert' : 'create';
}
