import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Spawned {
  child: ChildProcess;
  logFile: string;
  /** SIGTERM, and SIGKILL if it has not gone after 12 s. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

/**
 * Starts a Node process whose output goes to a log file. In a process group of its own, so that Ctrl-C reaches only the
 * one who stops everything in order; and with a preload that ends it if that one dies.
 */
export function spawnNode(
  name: string,
  args: string[],
  environment: NodeJS.ProcessEnv,
  logs: string,
  cwd?: string,
  node = process.execPath,
): Spawned {
  mkdirSync(logs, { recursive: true });
  const logFile = join(logs, `${name}.log`);
  const log = createWriteStream(logFile, { flags: 'a' });
  const orphan = join(import.meta.dirname, 'orphan.ts');
  const child = spawn(node, ['--disable-warning=DEP0040', '--import', orphan, ...args], {
    env: environment,
    cwd,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  child.stdout!.pipe(log);
  child.stderr!.pipe(log);
  return { child, logFile, stop: () => end(child, 'SIGTERM'), kill: () => end(child, 'SIGKILL') };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), 12_000);
  await exited;
  clearTimeout(timer);
}

/** Waits until `ready` says so. Throws with the end of the log when the process ends first, or after `seconds`. */
export async function waitFor(
  name: string,
  spawned: Spawned,
  ready: () => Promise<boolean>,
  seconds = 30,
): Promise<void> {
  const end = Date.now() + seconds * 1_000;
  while (!(await ready().catch(() => false))) {
    const { exitCode, signalCode } = spawned.child;
    const gone = exitCode !== null || signalCode !== null;
    if (gone || Date.now() > end) {
      const reason = gone ? `ended with ${signalCode ?? `code ${exitCode}`}` : `is not ready after ${seconds} s`;
      throw new Error(`${name} ${reason}. The end of ${spawned.logFile}:\n${await tail(spawned.logFile)}`);
    }
    await sleep(30);
  }
}

/** The last lines of a log. */
export async function tail(file: string): Promise<string> {
  await sleep(50);
  const text = await readFile(file, 'utf8').catch(() => '');
  return text
    .trimEnd()
    .split('\n')
    .slice(-15)
    .map((line) => `  ${line.slice(0, 400)}`)
    .join('\n');
}
