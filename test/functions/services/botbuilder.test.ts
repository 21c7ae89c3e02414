import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CloudAdapter, ConfigurationBotFrameworkAuthentication } from 'botbuilder';
import { ClaimsIdentity } from 'botframework-connector';
import description from '../../../package.json' with { type: 'json' };

/** The SDK is archived: what leans on it stands in one file, and what that takes of its insides is there. */
test('one file imports it, at its last version', () => {
  const root = join(import.meta.dirname, '../../..');
  const users = globSync('{functions,inference-container,scripts}/**/*.ts', { cwd: root }).filter((file) =>
    /from 'bot(builder|framework-connector)'/.test(readFileSync(join(root, file), 'utf8')),
  );
  assert.deepEqual(users, ['functions/services/channel.ts']);
  const { botbuilder, 'botframework-connector': connector } = description.dependencies;
  assert.deepEqual([botbuilder, connector], ['4.23.3', '4.23.3']);
});

test('what channel.ts takes of its insides: the factory of connectors, and the pipeline of a connector', async () => {
  const authentication = new ConfigurationBotFrameworkAuthentication({ MicrosoftAppId: '' });
  const { createConnectorFactory } = ConfigurationBotFrameworkAuthentication.prototype;
  assert.equal(typeof createConnectorFactory, 'function');
  const factory = authentication.createConnectorFactory(new ClaimsIdentity([], true));
  const connector = await factory.create('https://channel.example/', 'https://api.botframework.com');
  const { pipeline } = (connector as unknown as { client: { pipeline: { addPolicy: unknown; removePolicy: unknown } } })
    .client;
  for (const method of ['addPolicy', 'removePolicy'] as const) assert.equal(typeof pipeline[method], 'function');
  assert.equal(typeof CloudAdapter.prototype.continueConversationAsync, 'function');
});
