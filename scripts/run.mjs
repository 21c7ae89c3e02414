// Runs a script of this repository on the Node that it pins: `node scripts/run.mjs <script> [arguments]`.
// Plain JavaScript for Node 20+, because it runs before anything is installed. Installs what package-lock.json asks for
// when node_modules is missing or older.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const [script, ...rest] = process.argv.slice(2);

refuse();
install();
const node = ownNode();
const scripted = script.startsWith('-') ? [script] : [join(root, script)];
const child = spawn(node, ['--disable-warning=ExperimentalWarning', ...scripted, ...rest], {
  stdio: 'inherit',
  env: { ...process.env, ORT_DISABLE_TELEMETRY: '1' },
});
// Ctrl-C reaches the child by itself; a signal to this process alone is handed on.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('exit', (code, signal) => process.exit(signal ? 1 : code));
// A signal to npm alone ends npm and its shell, and reaches nobody else: what they started ends with them.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) child.kill('SIGTERM');
}, 500).unref();

/** The scripts that train or serve models, which ONNX Runtime has no build of itself for everywhere. */
function refuse() {
  const isMusl = process.platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime;
  const isIntelMac = process.platform === 'darwin' && process.arch === 'x64';
  if (!isMusl && !isIntelMac) return;
  const needs = /local\/start|train\/|serve|test\.ts|bench\/|release\/index|chaos|attack|soak/.test(script);
  if (!needs || (script.includes('local/start') && process.env.INFERENCE_URL)) return;
  console.error(
    `${isMusl ? 'Alpine and other systems with musl' : 'Macs with Intel processors'} can't run ONNX Runtime: models are trained and served on Linux with glibc, on Windows, and on Macs with Apple silicon.\nWhat works here is the gateway with a model server elsewhere:  INFERENCE_URL=https://… npm start`,
  );
  process.exit(1);
}

/** The machine's Node where it is new enough to run TypeScript as it is; else the one that package-lock.json pins. */
function ownNode() {
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  const node = join(root, 'node_modules/node/bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (existsSync(node)) return node;
  console.error(
    `${node} is missing: its package was installed without its script. Install Node 24 (https://nodejs.org), or run:  npm rebuild node`,
  );
  process.exit(1);
}

function install() {
  const lock = readFileSync(join(root, 'package-lock.json'));
  const wanted = createHash('sha256').update(lock).digest('hex');
  const stamp = join(root, 'node_modules/.maru-installed');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  // An install by hand is as good, if it is newer than the lock file.
  const marker = join(root, 'node_modules/.package-lock.json');
  const byHand = existsSync(marker) && statSync(marker).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs;
  if (!byHand) {
    console.log('Installing the packages of package-lock.json (once; about 2 minutes) …');
    const command = ['ci', '--no-fund', '--no-audit', '--loglevel=error', '--progress=true'];
    const { status } = spawnSync('npm', command, {
      cwd: root,
      stdio: 'inherit',
      shell: process.platform === 'win32',
      // Where npm runs the scripts of packages by itself (before 11.16), this one's would download CUDA libraries.
      env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
    });
    if (status !== 0) {
      console.error('npm ci failed. Check that the npm registry can be reached, and run the same command again.');
      process.exit(1);
    }
  }
  writeFileSync(stamp, wanted);
}
