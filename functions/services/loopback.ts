import { createDefaultHttpClient, type HttpClient } from '@azure/core-rest-pipeline';

const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]'];

/**
 * How Azure's clients reach an address: as it is, or, where it is plain HTTP on this very machine, by a client that takes
 * the TLS away at the last moment, because their policies send tokens to https addresses only. Throws for plain HTTP to
 * anywhere else: a token would be there for all to read.
 */
export function reach(address: string): { endpoint: string; httpClient?: HttpClient } {
  const endpoint = address.replace(/(?<!\/)\/+$/, '');
  if (!endpoint.startsWith('http:')) return { endpoint };
  if (!isLoopback(new URL(endpoint))) throw new Error(`${endpoint} is not https`);
  const inner = createDefaultHttpClient();
  return {
    endpoint: endpoint.replace(/^http:/, 'https:'),
    httpClient: {
      async sendRequest(request) {
        const given = request.url;
        const url = new URL(given);
        if (!isLoopback(url)) throw new Error(`${url.host} is not on this machine`);
        url.protocol = 'http:';
        request.url = url.href;
        request.allowInsecureConnection = true;
        try {
          return await inner.sendRequest(request);
        } finally {
          // Policies that send it again look at the address once more.
          request.url = given;
        }
      },
    },
  };
}

export function isLoopback({ hostname }: URL): boolean {
  return LOOPBACK.includes(hostname);
}
