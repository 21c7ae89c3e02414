import { execFile, spawnSync } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { botFolder, RETAILER } from '../bot/folder.ts';
import { modelVersions, type Versions } from '../bot/versions.ts';
import { watchBot } from '../bot/watch.ts';
import { buildFunctions, writeContent } from '../build/functions.ts';
import { buildInference } from '../build/inference.ts';
import { localSettings } from '../release/environment.ts';
import { COSMOS_DATABASE } from './cosmos.ts';
import { type Platform, startPlatform } from './platform.ts';
import { choosePorts, usualPorts } from './ports.ts';
import { REGISTRY_MISSING } from './registry.ts';

const root = join(import.meta.dirname, '../..');

const HELP = `npm start: the whole platform on this machine

Builds and starts the gateway, the inference container and stand-ins for the Azure services, prints their addresses
and waits. Ctrl-C stops all of it. Data and logs are in .local/; remove the folder to start empty.
The bot's folder is watched: what you edit there is live in a second.

  --bot <folder>   functions/bot; another bot, such as examples/clinic (its data is in .local/bots/<its folder's name>/)

Settings (environment): ${Object.values(usualPorts)
  .map(({ setting, port }) => `${setting} (${port})`)
  .join(', ')}
`;

const { values } = parseArgs({ options: { bot: { type: 'string' }, help: { type: 'boolean', short: 'h' } } });
if (values.help) {
  console.log(HELP);
  process.exit(0);
}

const bot = values.bot === undefined ? RETAILER : resolve(values.bot);
const own = bot === RETAILER;
const shared = own ? join(root, '.local') : join(root, '.local/bots', basename(bot));
const app = own ? join(root, 'dist/functions') : join(shared, 'functions');
const pidFile = join(shared, 'running.pid');

/** Whether another model server answers: none is built, trained for or started then. */
const elsewhere = Boolean(process.env.INFERENCE_URL);

let last = '';

const stopping = Promise.withResolvers<void>();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopping.resolve());

try {
  await run();
} catch (error) {
  finishLine();
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

async function run(): Promise<void> {
  const begun = performance.now();
  const beside = await anotherRuns();
  // Two that write the same files would undo each other's.
  const folder = beside ? join(shared, `beside-${process.pid}`) : shared;
  if (!beside) {
    await mkdir(shared, { recursive: true });
    await writeFile(pidFile, String(process.pid));
  }
  // Before anything is built: what is wrong with the folder is said at once.
  const { about } = botFolder(bot);
  show('Building');
  await Promise.all([buildFunctions({ target: app, bot }), elsewhere ? undefined : buildInference()]);
  const models = elsewhere ? null : await train();
  const trained = await modelVersions(bot);
  // Last, because building takes seconds in which another may take a port.
  const { ports, moved } = await choosePorts(process.env);
  const platform = await startPlatform({
    ports,
    folder,
    models,
    keep: true,
    slots: !elsewhere,
    training: !elsewhere,
    app,
    bot,
    step: (name) => show(`Starting: ${name}`),
  });
  if (beside) moved.push('another platform runs from this clone: the data of this one is its own, and goes with it');
  else await writeFile(localSettings, JSON.stringify(platform.settings, null, 2), { mode: 0o600 });
  finishLine();
  const seconds = ((performance.now() - begun) / 1_000).toFixed(1);
  if (!elsewhere && !platform.registry && !process.env.REGISTRY_URL)
    moved.push(`${REGISTRY_MISSING} (for npm run release only)`);
  console.log(`${own ? 'Maru' : `Maru as ${about.name}`} is running (ready in ${seconds} s).\n`);
  const release = elsewhere ? null : await releaseOf(platform.inferenceUrl);
  if (release !== null)
    moved.push(
      `production serves the release ${release}: it answers, and not the model of your edits (npm run rollback)`,
    );
  for (const line of moved) console.log(`  ! ${line}`);
  if (moved.length > 0) console.log();
  const gateway = `http://localhost:${ports.gateway}`;
  table([
    ['Chat page', `${gateway}/chat`, ''],
    ['Console: the desk', `${gateway}/console/desk`, 'sign in as whom you like'],
    ['HTTP API', `${gateway}/api/conversations/{id}/messages`, `x-functions-key: ${platform.key}`],
    ['API description', `${gateway}/api/openapi.json`, ''],
    ['Bot Framework endpoint', `${gateway}/api/messages`, ''],
    ['Incidents for operators', `${gateway}/api/incidents`, `x-functions-key: ${platform.key}`],
    ['Inference, production', ...used('INFERENCE_URL', `http://localhost:${ports.inference}/v2`, '')],
    ['Inference, staging', elsewhere ? '–' : `http://localhost:${ports.staging}/v2`, platform.registry ? '' : 'empty'],
    ['Registry', platform.registry?.url ?? process.env.REGISTRY_URL ?? '–', platform.registry ? 'docker-registry' : ''],
    ['Direct Line and connector', ...used('MicrosoftAppId', platform.directLine.url, 'stand-in')],
    ['Shop', ...used('SHOP_URL', platform.shop.url, 'stand-in')],
    ['Cosmos DB', ...used('COSMOS_ENDPOINT', platform.cosmos.url, 'emulator')],
    [
      'Storage (blob, queue)',
      ...used('STORAGE_CONNECTION', `http://127.0.0.1:${ports.blob}, :${ports.queue}`, 'Azurite'),
    ],
    [
      'Identity, sign-in, Resource Manager',
      `http://127.0.0.1:${ports.identity}, :${ports.entra}, :${ports.arm}`,
      'stand-ins',
    ],
    ['Data and logs', `${relative(root, shared)}/, ${relative(root, shared)}/logs/`, ''],
    ['The bot', `${relative(root, bot)}/`, 'watched: an edit is live in a second'],
  ]);
  console.log(
    `\nOpen the chat page, or in another terminal:  npm run chat -- "${own ? 'where is my order?' : 'hello'}"\nCtrl-C stops everything.`,
  );

  // Whether the gateway is to end: everything does, or its code is another by now.
  let expected = false;
  const guard = () => {
    const { child, logFile } = platform.running.gateway!;
    child.once('exit', (code, signal) => {
      if (expected) return;
      console.error(`\nThe gateway ended by itself (${signal ?? `code ${code}`}); see ${logFile}. Stopping the rest.`);
      process.exitCode = 1;
      stopping.resolve();
    });
  };
  guard();
  const say = (line: string) => console.log(`${new Date().toTimeString().slice(0, 8)}  ${line}`);
  // What was edited in the folder while nothing ran.
  for (const line of await takeOver(platform, bot)) say(line);
  const watching = watchBot({
    folder: bot,
    models,
    trained,
    publish: async (content) => {
      await writeContent(app, content);
      for (const line of await takeOver(platform, bot)) say(line);
    },
    rebuild: async () => {
      await buildFunctions({ target: app, bot });
      expected = true;
      await platform.running.gateway?.stop();
      await platform.startGateway();
      expected = false;
      guard();
    },
    served: (versions) => served(platform, versions),
    say,
  });
  await stopping.promise;
  expected = true;
  console.log('\nStopping …');
  await watching.close();
  await platform.stop();
  await rm(beside ? folder : pidFile, { recursive: true, force: true });
  console.log('Stopped.');
  process.exit();
}

/** Where the console has published something, that is live: the folder is taken over into it, but for what the console has changed, too. */
async function takeOver({ cosmos, settings }: Platform, bot: string): Promise<string[]> {
  if (settings.COSMOS_ENDPOINT !== cosmos.url) return [];
  const pointer = cosmos.client.database(COSMOS_DATABASE).container('content').item('pointer', 'pointer');
  if ((await pointer.read()).statusCode === 404) return [];
  const parameters = ['import', '--publish', '--note', 'by the bot’s folder', '--folder', bot];
  const script = join(root, 'scripts/content/index.ts');
  const env = { ...process.env, ...settings };
  return await new Promise((done) => {
    execFile(process.execPath, [script, ...parameters], { env, cwd: root }, (_, said, wrong) =>
      done(`${said}${wrong}`.split('\n').filter((line) => /^(taken over|left alone|Version)/.test(line))),
    );
  });
}

/** The models of the bot, trained where they are not yet. Loaded only here: not every machine can run ONNX Runtime. */
async function train(): Promise<string> {
  const { ensureBotModels } = await import('./bot-models.ts');
  return await ensureBotModels(
    join(shared, 'models'),
    (what, share) => show(`Training ${what} ${percent(share)}`),
    bot,
  );
}

/** The release that production serves; null: the model that is trained here. */
async function releaseOf(inferenceUrl: string): Promise<string | null> {
  const response = await fetch(`${inferenceUrl}/v2`, { signal: AbortSignal.timeout(3_000) });
  const { release = null } = (await response.json()) as { release?: string | null };
  return release?.slice(0, 19) ?? null;
}

/** Waits until these versions of the models are served. The release that is served in their place, if one is. */
async function served({ inferenceUrl }: Platform, wanted: Versions): Promise<string | null> {
  for (;;) {
    const release = await releaseOf(inferenceUrl);
    if (release !== null) return release;
    let all = true;
    for (const [name, version] of Object.entries(wanted)) {
      if (version === null) continue;
      const response = await fetch(`${inferenceUrl}/v2/models/${name}`, { signal: AbortSignal.timeout(3_000) });
      const { versions = [] } = response.ok ? ((await response.json()) as { versions?: string[] }) : {};
      if (!versions.includes(version)) all = false;
    }
    if (all) return null;
    await sleep(250);
  }
}

/** The stand-in's address, or that the environment's setting is used in its place. */
function used(setting: string, address: string, what: string): [string, string] {
  return process.env[setting] ? [`as ${setting} says`, ''] : [address, what];
}

/** Whether a platform of this clone is running: its process is there. */
async function anotherRuns(): Promise<boolean> {
  const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''));
  if (!pid || pid === process.pid) return false;
  // After a crash the number may be anybody's.
  const { stdout } = spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout?.includes('scripts/local/start.ts') ?? false;
}

function table(rows: [string, string, string][]): void {
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const [name, address, note] of rows)
    console.log(`  ${name.padEnd(widths[0]!)}  ${address.padEnd(widths[1]!)}  ${note}`.trimEnd());
}

/** One line that changes on a terminal, a line each elsewhere. */
function show(text: string): void {
  if (process.stdout.isTTY) process.stdout.write(`\r\x1b[2K${text} …`);
  else if (text !== last) console.log(`${text} …`);
  last = text;
}

function finishLine(): void {
  if (process.stdout.isTTY) process.stdout.write('\r\x1b[2K');
}

function percent(share: number): string {
  return `${process.stdout.isTTY ? Math.round(share * 100) : Math.floor(share * 4) * 25}%`;
}
