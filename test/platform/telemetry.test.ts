import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { conversationId } from '../../functions/conversation/identifier.ts';
import { eventually, say, unique, usePlatform } from './fixture.ts';

interface Envelope {
  name: string;
  tags: Record<string, string>;
  data: { baseData: { name?: string; properties?: Record<string, string> } };
}

/** Stands for Application Insights' ingestion: the SDK speaks to it over TLS only. */
const folder = mkdtempSync(join(tmpdir(), 'maru-ingestion-'));
const [keyFile, certificateFile] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
const request = [
  'req',
  '-x509',
  '-newkey',
  'ec',
  '-pkeyopt',
  'ec_paramgen_curve:P-256',
  '-nodes',
  '-days',
  '2',
  '-subj',
  '/CN=local',
];
execFileSync(
  'openssl',
  [...request, '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', keyFile, '-out', certificateFile],
  { stdio: 'ignore' },
);
const envelopes: Envelope[] = [];
const bodies: string[] = [];
const ingestion = createServer(
  { key: readFileSync(keyFile), cert: readFileSync(certificateFile) },
  (incoming, response) => {
    let body = '';
    incoming.on('data', (chunk) => {
      body += chunk;
    });
    incoming.once('end', () => {
      bodies.push(body);
      const sent = body.trim().startsWith('[')
        ? (JSON.parse(body) as Envelope[])
        : body
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line) as Envelope);
      envelopes.push(...sent);
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ itemsReceived: sent.length, itemsAccepted: sent.length, errors: [] }));
    });
  },
);
await new Promise<void>((done) => ingestion.listen(0, '127.0.0.1', done));
const { port } = ingestion.address() as AddressInfo;
after(() => ingestion.close());

const fixture = usePlatform({
  APPLICATIONINSIGHTS_CONNECTION_STRING: `InstrumentationKey=00000000-0000-0000-0000-000000000001;IngestionEndpoint=https://127.0.0.1:${port}/`,
  NODE_EXTRA_CA_CERTS: certificateFile,
});

test('one turn is one trace through all its hops, and no text of the user is in it', async () => {
  const id = unique('c');
  const secret = 'where is my order ORD-10021? zanzibar';
  await say(fixture.platform, id, secret);
  const hops = ['conversations.post', 'accept', 'understand', 'inference', 'skill-flow', 'flow', 'log'];
  const spans = await eventually(async () => {
    const own = envelopes.find(
      ({ data }) =>
        data.baseData.name === 'accept' && data.baseData.properties?.conversationId === conversationId('api', id),
    );
    const trace = envelopes.filter(({ tags }) => tags['ai.operation.id'] === own?.tags['ai.operation.id']);
    const names = new Set(trace.map(({ data }) => data.baseData.name));
    return own && hops.every((hop) => names.has(hop)) && trace;
  }, 40);
  for (const span of spans) assert.match(span.tags['ai.operation.id']!, /^[0-9a-f]{32}$/);
  assert.ok(bodies.length > 0 && bodies.every((body) => !body.includes('zanzibar')));
});
