import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { DefaultAzureCredential } from '@azure/identity';
import cliProgress from 'cli-progress';
import { currentImage, SERVER, STAGING } from '../../functions/releases/base.ts';
import { type Composed, withModels } from '../../functions/releases/image.ts';
import { labelOf, type ReleaseLabel } from '../../functions/releases/label.ts';
import { pushLayers, pushModels } from '../../functions/releases/models.ts';
import { Registry } from '../../functions/services/registry.ts';
import { loadSettings } from './environment.ts';
import { checkPackage, PackageError } from './package.ts';
import { asServer, scratch } from './runtime.ts';
import { serverFiles } from './server.ts';

const HELP = `npm run release -- <model folder>: checks a model package, adds it to the image as one layer, and pushes that

  npm run release -- .local/models/intents/1.0.0     a model; the folder is <name>/<version>
  npm run release -- --server                        the model server itself, built from this clone
  npm run release -- --server --base node-24         on a base image of the same repository, by tag or digest

The image is pushed under the tags staging and <model>-<version>; the registry's webhook does the rest: it is staged,
checked, and waits for npm run swap. It is built on the image that was pushed last, or, where that failed or was rolled
back, on the newest that did not (known where COSMOS_ENDPOINT is set). Nothing needs Docker.

Settings (environment)
  REGISTRY_URL           https://<registry>.azurecr.io, or http://127.0.0.1:<port> of a registry on this machine
  RELEASE_REPOSITORY     maru/inference
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    server: { type: 'boolean', default: false },
    base: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
const [folder] = positionals;
if (values.help || (folder === undefined) !== values.server) {
  console.log(HELP);
  process.exit(values.help ? 0 : 1);
}

try {
  // Of a deployment, or of the platform that runs on this machine.
  if (!process.env.REGISTRY_URL) await loadSettings().catch(() => undefined);
  const url = process.env.REGISTRY_URL;
  if (!url)
    throw new PackageError(
      'there is no registry: set REGISTRY_URL, or install one on this machine (apt-get install docker-registry) and run npm start',
    );
  const registry = new Registry(url, process.env.RELEASE_REPOSITORY ?? 'maru/inference', new DefaultAzureCredential());
  const released = values.server ? await releaseServer(registry) : await releaseModel(registry, folder!);
  console.log(`\n${released}`);
} catch (error) {
  console.error(`\n${error instanceof Error ? error.message : error}`);
  process.exit(1);
}

async function releaseModel(registry: Registry, given: string): Promise<string> {
  console.log(`Checking ${given} …`);
  const { manifest, checksum, folder: model } = await checkPackage(given);
  const { name, version, golden } = manifest;
  console.log(`  ${name} ${version}: loads, ${golden.length} golden cases answered`);
  const current = await currentImage(registry, console.log);
  if (!current) throw new PackageError('the repository has no image of the server yet: npm run release -- --server');
  const push = { tags: [STAGING, `${name}-${version}`], version, commit: commit() };
  const composed = await uploading((progress) =>
    pushModels(registry, current, [{ folder: model, manifest, checksum }], { ...push, progress }),
  );
  return done(composed, `${name} ${version}`);
}

async function releaseServer(registry: Registry): Promise<string> {
  console.log('Building the server and its dependencies …');
  const base = values.base ? await registry.image(values.base) : scratch;
  if (!base) throw new PackageError(`the repository has no image ${values.base}`);
  const files = await serverFiles();
  try {
    const current = await currentImage(registry, console.log);
    const under = asServer(current ? (values.base ? withModels(base, current) : current) : base);
    const label: ReleaseLabel = { commit: commit(), models: current ? (labelOf(current)?.models ?? []) : [] };
    const layer = { kind: 'server', folders: { app: files.folder } };
    const push = { tags: [STAGING, SERVER], version: label.commit };
    const composed = await uploading((progress) => pushLayers(registry, under, [layer], label, { ...push, progress }));
    return done(composed, 'the server', label.models.length > 0);
  } finally {
    await files.remove();
  }
}

/** Shows how far an upload is. */
async function uploading(push: (progress: (sent: number, of: number) => void) => Promise<Composed>): Promise<Composed> {
  const bar = new cliProgress.SingleBar({
    format: 'Uploading {bar} {percentage}% of {megabytes} MB',
    noTTYOutput: true,
    notTTYSchedule: 5_000,
  });
  let started = false;
  try {
    return await push((sent, of) => {
      if (!started) bar.start(of, 0, { megabytes: (of / 1e6).toFixed(1) });
      started = true;
      bar.update(sent);
    });
  } finally {
    if (started) bar.stop();
  }
}

function done({ digest, uploaded, bytes }: Composed, what: string, staged = true): string {
  const layer = uploaded
    ? `one layer of ${(bytes / 1e6).toFixed(1)} MB uploaded`
    : 'nothing to upload: the registry has this layer';
  const next = staged
    ? 'Next: the webhook stages and checks it.  npm run releases  shows how far it is,  npm run swap  makes it live.'
    : 'It has no model, so it is verified and kept as a base, and not staged. Next: release a model onto it.  npm run release -- <model folder>';
  return `Released ${what}: ${layer}\n  ${digest}\n${next}`;
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    // Not a clone: there is no commit to name.
    return '';
  }
}
