import { spawn } from 'node:child_process';

/** Runs a program that is not Node's as a child of this process, which ends with the platform (see orphan.ts), and takes it along. */
const [command = '', ...args] = process.argv.slice(2);
const child = spawn(command, args, { stdio: 'inherit' });
child.once('error', (error) => {
  console.error(error.message);
  process.exit(1);
});
child.once('exit', (code) => process.exit(code ?? 1));
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => child.kill(signal));
process.on('exit', () => child.kill('SIGKILL'));
