import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const HELP = `npm run fuzz: the property and fuzz tests, with more runs and another seed than in npm test

  --runs 20000    of each parser and of the conversation's interleavings     --seed <now>
  --rows 100000   requests to models whose rows mix, over 1, 2, 8 and 32 connections
`;
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20000' },
    rows: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
console.log(`Seed ${values.seed}, ${values.runs} runs`);
const files = [
  'test/inference-container/fuzz.test.ts',
  'test/inference-container/plain-request.test.ts',
  'test/inference-container/row-independence.test.ts',
  'test/functions/conversation/transitions.test.ts',
];
const child = spawn(process.execPath, ['--test', ...files], {
  cwd: join(import.meta.dirname, '..'),
  env: {
    ...process.env,
    FUZZ_RUNS: values.runs,
    FUZZ_SEED: values.seed,
    PROPERTY_RUNS: values.runs,
    ROW_REQUESTS: values.rows,
  },
  stdio: 'inherit',
});
child.on('exit', (code) => process.exit(code ?? 1));
