import type { Server } from 'node:http';
import { after, before } from 'node:test';
import type { Container } from '@azure/cosmos';
import { serveBot } from '../../functions/services/bot.ts';
import { COSMOS_DATABASE, COSMOS_KEY, startCosmos } from '../../scripts/local/cosmos.ts';
import { bot } from '../bot.ts';

/** The database's stand-in, empty, and the retailer's bot, for one test file: what is under test is imported after it has started. */
export function useDatabase(settings: Record<string, string> = {}): {
  container(name: string): Container;
  server(): Server;
} {
  let cosmos: Awaited<ReturnType<typeof startCosmos>> | undefined;
  before(async () => {
    cosmos = await startCosmos(0, COSMOS_DATABASE, null);
    Object.assign(process.env, {
      COSMOS_ENDPOINT: cosmos.url,
      COSMOS_KEY,
      STORAGE_CONNECTION: 'unused',
      INFERENCE_URL: 'http://127.0.0.1:9',
      SHOP_URL: 'http://127.0.0.1:9',
      ...settings,
    });
    serveBot(bot);
  });
  after(() => cosmos?.close());
  return {
    container: (name) => cosmos!.client.database(COSMOS_DATABASE).container(name),
    server: () => cosmos!.server,
  };
}
