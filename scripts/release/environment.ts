import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where `npm start` writes the settings of the platform that runs on this machine. */
export const localSettings = join(import.meta.dirname, '../../.local/settings.json');

/**
 * Settings for a command that works on a deployment: those of the environment (`azd env get-values`), or, where it names no
 * Cosmos DB, those of the platform that runs on this machine.
 */
export async function loadSettings(): Promise<void> {
  if (process.env.COSMOS_ENDPOINT) return;
  const text = await readFile(localSettings, 'utf8').catch(() => null);
  if (text === null)
    throw new Error(
      'nothing runs on this machine (npm start), and COSMOS_ENDPOINT names no deployment (azd env get-values)',
    );
  const settings = JSON.parse(text) as Record<string, string>;
  for (const [name, value] of Object.entries(settings)) process.env[name] ??= value;
}
