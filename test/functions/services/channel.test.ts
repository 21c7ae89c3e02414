import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { exportJWK, generateKeyPair, importJWK, type JWTPayload, SignJWT } from 'jose';
import { authenticate, Unauthorized, vouches } from '../../../functions/services/channel.ts';
import { listen, type Running } from '../../../scripts/local/listening.ts';

/** What holds of a channel's token beyond what the stand-in's own can show: test/platform/channel.test.ts has the rest. */
const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
const kid = 'one';
let issuer: Running;

before(async () => {
  const key = { ...(await exportJWK(publicKey)), kid, endorsements: ['msteams'] };
  const server = createServer((request, response) => {
    const answer = request.url === '/keys' ? { keys: [key] } : { jwks_uri: `${issuer.url}/keys` };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
  issuer = await listen(server, 0);
  Object.assign(process.env, {
    COSMOS_ENDPOINT: 'http://127.0.0.1:9',
    STORAGE_CONNECTION: 'UseDevelopmentStorage=true',
    INFERENCE_URL: 'http://127.0.0.1:9',
    SHOP_URL: 'http://127.0.0.1:9',
    MicrosoftAppId: 'bot',
    BOT_TOKEN_ISSUER: 'https://issuer.test',
    BOT_OPENID_METADATA: `${issuer.url}/metadata`,
  });
});
after(() => issuer.close());

const now = () => Math.floor(Date.now() / 1_000);
const good = () => ({ iss: 'https://issuer.test', aud: 'bot', exp: now() + 600, serviceurl: 'https://service.test/' });
const bearer = async (payload: JWTPayload, alg = 'RS256') =>
  `Bearer ${await new SignJWT(payload).setProtectedHeader({ alg, kid }).sign(privateKey)}`;

test('a token says for which service, and its key for which channels', async () => {
  const caller = await authenticate(await bearer(good()));
  assert.deepEqual(caller, { serviceUrl: 'https://service.test/', endorsements: ['msteams'] });
  assert.ok(vouches(caller, { serviceUrl: 'https://service.test/', channelId: 'msteams' }));
  assert.ok(!vouches(caller, { serviceUrl: 'https://service.test/', channelId: 'directline' }), 'another channel');
  assert.ok(!vouches(caller, { serviceUrl: 'https://elsewhere.test/', channelId: 'msteams' }), 'another service');
  assert.ok(vouches({ ...caller, endorsements: [] }, { serviceUrl: 'https://service.test/', channelId: 'any' }));
});

test('clocks may differ by five minutes, and not by six', async () => {
  assert.ok(await authenticate(await bearer({ ...good(), exp: now() - 240 })));
  await assert.rejects(authenticate(await bearer({ ...good(), exp: now() - 360 })), Unauthorized);
  await assert.rejects(authenticate(await bearer({ ...good(), nbf: now() + 360 })), Unauthorized);
});

test('a token without an end, of no service, of another algorithm or too long is refused', async () => {
  const { exp: _exp, ...endless } = good();
  const { serviceurl: _url, ...nowhere } = good();
  // The same key: its signatures hold, where that algorithm is let in.
  const pss = await importJWK(await exportJWK(privateKey), 'PS256');
  const cases = {
    endless: await bearer(endless),
    nowhere: await bearer(nowhere),
    'another algorithm': `Bearer ${await new SignJWT(good()).setProtectedHeader({ alg: 'PS256', kid }).sign(pss)}`,
    long: await bearer({ ...good(), more: 'x'.repeat(8_000) }),
    'more than a token': `${await bearer(good())} x`,
  };
  for (const [name, authorization] of Object.entries(cases))
    await assert.rejects(authenticate(authorization), Unauthorized, name);
});
