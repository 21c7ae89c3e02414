import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, index, infer, serve } from './fixture.ts';
import * as models from './models.ts';

/** A Blob container that takes longer for one file than the server waits between two looks at it. */
test('a version that arrives slowly is fetched once, and appears whole', async () => {
  const files: Record<string, Uint8Array> = {
    'late/1/model.onnx': models.external('weights.bin'),
    'late/1/weights.bin': models.externalWeights(),
  };
  const asked: string[] = [];
  const container = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://container');
    const common = { 'x-ms-version': '2025-01-05', 'last-modified': new Date(0).toUTCString(), etag: '"1"' };
    if (searchParams.get('comp') === 'list') {
      const blobs = Object.entries(files).map(
        ([name, content]) =>
          `<Blob><Name>${name}</Name><Properties><Last-Modified>${common['last-modified']}</Last-Modified><Etag>1</Etag><Content-Length>${content.length}</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>`,
      );
      response.writeHead(200, { ...common, 'content-type': 'application/xml' });
      response.end(
        `<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="models"><Blobs>${blobs.join('')}</Blobs><NextMarker /></EnumerationResults>`,
      );
      return;
    }
    const name = pathname.replace(/^\/a\/models\//, '');
    const content = files[name]!;
    asked.push(name);
    response.writeHead(200, { ...common, 'content-length': content.length, 'x-ms-blob-type': 'BlockBlob' });
    response.write(content.subarray(0, 8));
    await sleep(1_300);
    response.end(content.subarray(8));
  });
  await new Promise<void>((done) => container.listen(0, '127.0.0.1', done));
  const { port } = container.address() as AddressInfo;
  const root = await mkdtemp(join(tmpdir(), 'maru-slow-blobs-'));
  const follower = await serve(join(root, 'none'), {
    ready: false,
    settings: {
      MODEL_BLOB_CONNECTION: `DefaultEndpointsProtocol=http;AccountName=a;AccountKey=aaaa;BlobEndpoint=http://127.0.0.1:${port}/a`,
      CACHE_DIR: join(root, 'cache'),
      MODEL_WATCH_SECONDS: '1',
    },
  });
  try {
    const inputs = [{ name: 'ids', datatype: 'INT64', shape: [1], data: [3] }];
    const answer = await eventually(async () => {
      for (const { state, reason } of await index(follower, 'late')) assert.notEqual(state, 'UNAVAILABLE', reason);
      const came = await infer(follower, 'late', inputs);
      return came.status === 200 && came;
    }, 8);
    assert.deepEqual(answer.body.outputs[0].data, [6, 7]);
    assert.deepEqual(asked.sort(), Object.keys(files));
  } finally {
    await follower.stop();
    container.closeAllConnections();
    container.close();
    await rm(root, { recursive: true, force: true });
  }
});
