import { spawn, spawnSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildFunctions, buildInference } from './build.ts';
import { ensureIntentModel } from './local/intent-model.ts';

const root = join(import.meta.dirname, '..');
const HELP = `npm test: builds, then runs every test

  npm test                       all of them
  npm test -- channel chaos      files whose path contains one of the words
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { help: { type: 'boolean', short: 'h' } },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}

const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium';
if (!existsSync(chromium)) {
  if (process.env.CI) throw new Error(`${chromium} is missing: the browser test needs it (.ci/run installs it)`);
  console.log(`No Chromium at ${chromium}: the browser test is left out. Install it, or set CHROMIUM to its path.\n`);
}
/** Tests of releases push to a real registry, and look at what came there with skopeo. */
const REGISTRY_TESTS = /(platform\/releases|release\/image)[\w-]*\.test\.ts$/;
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
await ensureIntentModel(join(root, '.local/models'), () => {});

const files = globSync('test/**/*.test.ts', { cwd: root })
  .filter((file) => positionals.length === 0 || positionals.some((word) => file.includes(word)))
  .filter((file) => existsSync(chromium) || !file.includes('/e2e/'))
  .filter((file) => missing.length === 0 || !REGISTRY_TESTS.test(file))
  .sort();
if (files.length === 0) throw new Error(`no test file contains ${positionals.join(' or ')}`);
// The patient files first, two at a time: they wait more than they work.
const slow = ['outage', 'chaos', 'errors'];
files.sort((a, b) => Number(slow.some((word) => b.includes(word))) - Number(slow.some((word) => a.includes(word))));
const child = spawn(process.execPath, ['--test', '--test-concurrency=2', '--test-timeout=240000', ...files], {
  cwd: root,
  stdio: 'inherit',
});
child.on('exit', (code) => process.exit(code ?? 1));
