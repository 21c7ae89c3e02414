import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildFunctions } from '../build/functions.ts';
import { buildInference } from '../build/inference.ts';
import { ensureBotModels } from '../local/bot-models.ts';
import { startPlatform } from '../local/platform.ts';
import { freePorts } from '../local/ports.ts';
import { type ChaosOptions, failures, runChaos } from './run.ts';

const HELP = `npm run test:chaos: turns through both entrances while processes are killed

  --turns 1000  --conversations 50  --kills 12  --handovers 40  --rate 25 (turns a second)
  --beside <commit>   the build of another commit works on the same conversations, as while one replaces the other

Prints counts, and fails unless every turn was answered once, in order, and logged.
`;

const { values } = parseArgs({
  options: {
    turns: { type: 'string', default: '1000' },
    conversations: { type: 'string', default: '50' },
    kills: { type: 'string', default: '12' },
    handovers: { type: 'string', default: '40' },
    rate: { type: 'string', default: '25' },
    beside: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}

const options: ChaosOptions = {
  turns: Number(values.turns),
  conversations: Number(values.conversations),
  kills: Number(values.kills),
  rate: Number(values.rate),
  // An older build beside this one knows no desk.
  handovers: values.beside === undefined ? Number(values.handovers) : 0,
  duplicates: 0.1,
  drain: 60,
  progress: (text) => console.log(`  ${text}`),
};
await Promise.all([buildFunctions(), buildInference()]);
const models = await ensureBotModels(join(import.meta.dirname, '../../.local/models'), () => {});
const folder = await mkdtemp(join(tmpdir(), 'maru-chaos-'));
const beside = values.beside === undefined ? undefined : await buildOf(values.beside);
const platform = await startPlatform({
  ports: await freePorts(),
  folder,
  models,
  keep: false,
  ...(beside === undefined ? {} : { beside }),
});
try {
  const report = await runChaos(platform, options);
  for (const [name, value] of Object.entries(report)) console.log(`${name.padEnd(28)} ${value}`);
  const problems = failures(report, options);
  console.log(
    problems.length === 0
      ? '\nNothing lost, nothing twice, in order.'
      : `\nFailed:\n  ${problems.join('\n  ')}\nLogs: ${folder}/logs`,
  );
  process.exitCode = problems.length === 0 ? 0 : 1;
} finally {
  await platform.stop();
  if (process.exitCode === 0) await rm(folder, { recursive: true, force: true });
}

/** The gateway as another commit of this repository builds it, with the packages that are installed. */
async function buildOf(commit: string): Promise<string> {
  const root = join(import.meta.dirname, '../..');
  const sources = join(folder, 'beside');
  await mkdir(sources);
  execFileSync('sh', ['-c', 'git archive "$1" | tar -x -C "$2"', 'sh', commit, sources], { cwd: root });
  await symlink(join(root, 'node_modules'), join(sources, 'node_modules'), 'junction');
  execFileSync(process.execPath, ['scripts/build.ts'], { cwd: sources, stdio: 'inherit' });
  return join(sources, 'dist/functions');
}
