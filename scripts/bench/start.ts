import { spawnSync } from 'node:child_process';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { buildFunctions } from '../build/functions.ts';
import { machine, percentile } from './report.ts';

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '15' }, help: { type: 'boolean', short: 'h' } },
});
if (values.help) {
  console.log(
    'npm run bench:start [-- --runs 15]: milliseconds from starting Node to every function registered, and megabytes deployed',
  );
  process.exit(0);
}

const root = join(import.meta.dirname, '../..');
const app = join(root, 'dist/functions');
await buildFunctions({ target: app });

// A process that loads the app as the Functions worker does, and ends when everything is registered.
const script = `
  const Module = require('node:module');
  const load = Module._load;
  let count = 0;
  const core = { setProgrammingModel() {}, registerFunction() { count += 1; }, registerHook() {}, log() {} };
  Module._load = (name, ...rest) => (name === '@azure/functions-core' ? core : load(name, ...rest));
  import(${JSON.stringify(pathToFileURL(join(app, 'index.js')).href)}).then(() => console.log(count));`;
const environment = {
  PATH: process.env.PATH,
  COSMOS_ENDPOINT: 'https://maru.documents.azure.com',
  STORAGE_CONNECTION: 'UseDevelopmentStorage=true',
  INFERENCE_URL: 'https://maru.azurewebsites.net',
  SHOP_URL: 'https://shop.example',
};
const run = (code: string) => {
  const started = performance.now();
  const { stdout, status, stderr } = spawnSync(process.execPath, ['--eval', code], {
    env: environment,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return { ms: performance.now() - started, stdout };
};
const runs = Number(values.runs);
const times: number[] = [];
const empty: number[] = [];
let functions = 0;
for (let round = 0; round < runs; round += 1) {
  // Alternated, so that both see the same machine.
  empty.push(run('').ms);
  const { ms, stdout } = run(script);
  times.push(ms);
  functions = Number(stdout);
}
const bytes = await size(app);
const text = [
  '# Start',
  '',
  `${machine()}. Median of ${runs} new processes, alternated with Node doing nothing.`,
  '',
  '| | |',
  '|---|---|',
  `| from starting Node to all ${functions} functions registered | **${percentile(times, 0.5).toFixed(0)} ms** (p90 ${percentile(times, 0.9).toFixed(0)}) |`,
  `| of it Node itself | ${percentile(empty, 0.5).toFixed(0)} ms |`,
  `| deployed (dist/functions) | **${(bytes / 1e6).toFixed(1)} MB** |`,
  '',
].join('\n');
await mkdir(join(root, 'docs/benchmarks'), { recursive: true });
await writeFile(join(root, 'docs/benchmarks/start.md'), text);
console.log(text);

async function size(folder: string): Promise<number> {
  let total = 0;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    total += entry.isDirectory() ? await size(path) : (await stat(path)).size;
  }
  return total;
}
