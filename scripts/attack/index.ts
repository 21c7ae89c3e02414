import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildFunctions } from '../build/functions.ts';
import { buildInference } from '../build/inference.ts';
import { slow } from '../check/expression.ts';
import { expressions } from '../check/expressions.ts';
import { ensureBotModels } from '../local/bot-models.ts';
import { startPlatform } from '../local/platform.ts';
import { freePorts } from '../local/ports.ts';
import { floodActivities } from './activities.ts';
import { attackModelServer, modelServerFailures } from './model-server.ts';
import { explore, pythonFound } from './schemathesis.ts';

const HELP = `npm run attack: attacks a platform of its own on this machine, and says what did not hold

  --short          a minute or two; without it about ten minutes
  --seed <now>     of what is drawn by chance

The API by its OpenAPI document (schemathesis; needs Python 3.11 or newer), hostile ids, mutated activities and tokens, the
time of every regular expression, erasure, and the limits of the model server. Nothing but this machine is asked.
`;

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}

const root = join(import.meta.dirname, '../..');
const { short } = values;
const seed = Number(values.seed);
const rows: { part: string; cases: string; failures: string[] }[] = [];
const show = (text: string) => console.log(`${new Date().toISOString().slice(11, 19)}  ${text}`);

console.log(`Seed ${seed}. Building …`);
await Promise.all([buildFunctions(), buildInference()]);
const models = await ensureBotModels(join(root, '.local/models'), () => {});

show('regular expressions');
const all = expressions();
rows.push({
  part: 'regular expressions at 4,000 and 40,000 characters',
  cases: String(all.length),
  failures: all.flatMap(({ place, source, flags }) => {
    const why = slow(source, flags);
    return why ? [`${place}: ${why.reason}`] : [];
  }),
});

const folder = await mkdtemp(join(tmpdir(), 'maru-attack-'));
// Everything comes from one address here.
const settings = {
  RATE_ADDRESS: '1000000',
  RATE_ANONYMOUS: '1000000',
  RATE_USER: '1000000',
  // Without it there is no webhook.
  REGISTRY_WEBHOOK_SECRET: 'a-secret-of-this-attack',
};
const platform = await startPlatform({ ports: await freePorts(), folder, models, keep: false, settings });
try {
  show('mutated activities and tokens');
  const flood = await floodActivities(platform, { activities: short ? 300 : 3_000, tokens: short ? 60 : 600, seed });
  rows.push({
    part: 'mutated activities, forged and mutated tokens',
    cases: `${flood.activities} + ${flood.tokens}`,
    failures: flood.failures,
  });
  if (pythonFound()) {
    const seconds = short ? 20 : 120;
    show(`the API by its document, ${seconds} s`);
    const explored = await explore(platform, seconds, seed, join(root, '.local/attack-venv'));
    rows.push({
      part: 'the API by its OpenAPI document, all checks',
      cases: String(explored.cases),
      failures: explored.failures.map(({ type, title, operations }) => `${type}: ${title} (${operations.join(', ')})`),
    });
    if (explored.failures.length > 0) console.log(explored.output.slice(-8_000));
  } else rows.push({ part: 'the API by its OpenAPI document', cases: 'left out: no Python 3.11', failures: [] });
  const health = await fetch(`${platform.gateway}/api/health`);
  if (!health.ok) rows.push({ part: 'the gateway after it', cases: '1', failures: [`health is ${health.status}`] });
} finally {
  await platform.stop();
  await rm(folder, { recursive: true, force: true });
}

const runs = short ? 100 : 2_000;
show(`hostile ids and layers, ${runs} runs; erasure`);
rows.push(
  await testFiles(
    'hostile ids against recording services',
    ['functions/http/hostile-ids', 'functions/services/path'],
    runs,
  ),
);
rows.push(await testFiles('layers that try to leave their folder', ['release/layer'], runs));
rows.push(await testFiles('erasure: every store is searched', ['platform/erasure'], runs));

show('the model server');
const attacked = await attackModelServer({
  script: join(root, 'dist/inference-container/main.js'),
  models,
  settle: short ? 5 : 30,
  only: short ? 3 : undefined,
  progress: (name) => show(`  ${name}`),
});
rows.push({
  part: 'requests that take too much of the model server',
  cases: String(attacked.length),
  // Memory is given back in its time, which the short run does not wait for.
  failures: modelServerFailures(attacked).filter((text) => !short || !/ stay, /.test(text)),
});

console.log();
for (const { name, statuses, p99, before, peak, after } of attacked)
  console.log(
    `  ${name.padEnd(40)} ${Object.entries(statuses)
      .map(([status, count]) => `${count} × ${status}`)
      .join(', ')
      .padEnd(
        9,
      )}  others' p99 ${p99.toFixed(0).padStart(3)} ms  ${before.toFixed(0)} → ${peak.toFixed(0)} → ${after.toFixed(0)} MB`,
  );
console.log();
const width = Math.max(...rows.map(({ part }) => part.length));
for (const { part, cases, failures } of rows) {
  console.log(`  ${part.padEnd(width)}  ${cases.padStart(12)} cases  ${failures.length} failures`);
  for (const failure of failures.slice(0, 20)) console.log(`      ${failure}`);
}
const failed = rows.reduce((sum, { failures }) => sum + failures.length, 0);
console.log(`\n${failed === 0 ? 'All held.' : `${failed} did not hold.`}`);
process.exitCode = failed === 0 ? 0 : 1;

/** Test files with more runs and this seed; their cases are their tests. */
function testFiles(part: string, files: string[], runs: number): Promise<(typeof rows)[number]> {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--test', ...files.map((file) => `test/${file}.test.ts`)],
    {
      cwd: root,
      env: { ...process.env, FUZZ_RUNS: String(runs), FUZZ_SEED: String(seed) },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  return new Promise((done) => {
    child.once('close', (code) => {
      const failures = [...output.matchAll(/^ *✖ ([^\n]+?) \(\d/gm)].map(([, name]) => name!);
      const cases = /^ℹ tests (\d+)/m.exec(output)?.[1] ?? '0';
      if (code !== 0 && failures.length === 0) failures.push(output.slice(-500));
      done({ part, cases, failures: [...new Set(failures)] });
    });
  });
}
