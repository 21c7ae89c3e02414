import { spawnSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { parseArgs } from 'node:util';
import { buildFunctions } from './build/functions.ts';
import { buildInference } from './build/inference.ts';
import { ensureBotModels } from './local/bot-models.ts';

const root = join(import.meta.dirname, '..');
const HELP = `npm test: builds, then runs every test

  npm test                       all of them
  npm test -- quick              those that start no platform, browser, registry or training: under a minute
  npm test -- channel chaos      files whose path contains one of the words
  npm test -- --long training    with what is left out for its time (npm run test:loop)
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { long: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h' } },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}

// Read by the tests that have a long version.
if (values.long) process.env.LONG = '1';

const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium';
if (!existsSync(chromium)) {
  if (process.env.CI) throw new Error(`${chromium} is missing: the browser test needs it (.ci/run installs it)`);
  console.log(`No Chromium at ${chromium}: the browser test is left out. Install it, or set CHROMIUM to its path.\n`);
}
/** Tests of releases push to a real registry, and look at what came there with skopeo. */
const REGISTRY_TESTS = /(platform\/releases|release\/(image|server)|local\/app-service)[\w-]*\.test\.ts$/;
/** What starts processes, or trains. */
const SLOW = /^test\/(platform|e2e|release|local|train|inference-container)\/|check\/|stories|unavailable/;
const missing = ['docker-registry', 'skopeo'].filter((tool) => spawnSync(tool, ['--version']).error);
if (missing.length > 0) {
  const tools = missing.join(' and ');
  if (process.env.CI) throw new Error(`no ${tools}: the tests of releases need it (.ci/run installs it)`);
  console.log(
    `No ${tools}: the tests with a registry are left out. Install it (apt-get install ${missing.join(' ')}).\n`,
  );
}
console.log('Building …');
await Promise.all([buildFunctions(), buildInference()]);
await ensureBotModels(join(root, '.local/models'), () => {});
// Before the tests: beside them it would take the time that they are given.
await ensureBotModels(join(root, '.local/bots/clinic/models'), () => {}, join(root, 'examples/clinic'));

const files = globSync('test/**/*.test.ts', { cwd: root })
  .filter(
    (file) =>
      positionals.length === 0 ||
      positionals.some((word) => (word === 'quick' ? !SLOW.test(file) : file.includes(word))),
  )
  .filter((file) => existsSync(chromium) || !file.includes('/e2e/'))
  .filter((file) => missing.length === 0 || !REGISTRY_TESTS.test(file))
  .sort();
if (files.length === 0) throw new Error(`no test file contains ${positionals.join(' or ')}`);
// Half of the time of a short process is reading TypeScript: each file once for all that the tests start.
process.env.NODE_COMPILE_CACHE ??= join(root, 'node_modules/.cache/maru-tests');
// The longest first, so that none is left to run alone at the end; four at a time on two cores, because most of them wait
// more than they work. (`node --test` would sort the files by name.)
const long = [
  'release/server',
  'outage',
  'e2e/console',
  'platform/training',
  'platform/ramp',
  'platform/releases',
  'local/start',
  'local/watch',
  'e2e/desk',
  'unavailable',
  'chaos',
  'inline',
  'errors',
];
const rank = (file: string) => (long.findIndex((word) => file.includes(word)) + long.length + 1) % (long.length + 1);
files.sort((a, b) => rank(a) - rank(b));
const tests = run({ cwd: root, files: files.map((file) => join(root, file)), concurrency: 4, timeout: 400_000 });
tests.on('test:fail', () => {
  process.exitCode = 1;
});
tests.compose(spec).pipe(process.stdout);
