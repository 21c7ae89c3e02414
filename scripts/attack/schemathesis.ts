import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What schemathesis found in the whole API, by its OpenAPI document. */
export interface Explored {
  cases: number;
  failures: { type: string; title: string; operations: string[] }[];
  output: string;
}

interface Report {
  test_cases: { generated: number };
  failures: { type: string; title: string; operations: string[] }[];
  errors: { title: string }[];
}

/** The Python that schemathesis needs; null where there is none. */
export function pythonFound(): string | null {
  const { stdout, error } = spawnSync(
    'python3',
    ['-c', 'import sys, venv, ensurepip; print(sys.version_info >= (3, 11))'],
    {
      encoding: 'utf8',
    },
  );
  return !error && stdout.trim() === 'True' ? 'python3' : null;
}

/** Installs it below `folder`, once, at the versions of requirements.txt. */
function install(python: string, folder: string): string {
  const program = join(folder, 'bin/schemathesis');
  if (existsSync(program)) return program;
  const run = (command: string, args: string[]) => {
    const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${command} ${args[0]}: ${stderr.slice(-1_000)}`);
  };
  run(python, ['-m', 'venv', folder]);
  run(join(folder, 'bin/pip'), ['install', '--quiet', '-r', join(import.meta.dirname, 'requirements.txt')]);
  return program;
}

/** All checks over the whole document, for so many seconds, with a key. */
export async function explore(
  { gateway, key }: { gateway: string; key: string },
  seconds: number,
  seed: number,
  venv: string,
): Promise<Explored> {
  const python = pythonFound();
  if (!python) throw new Error('schemathesis needs Python 3.11 or newer');
  const program = install(python, venv);
  const folder = await mkdtemp(join(tmpdir(), 'maru-schemathesis-'));
  const file = join(folder, 'report.json');
  try {
    const options = [
      ...['--config-file', join(import.meta.dirname, 'schemathesis.toml')],
      ...['run', `${gateway}/api/openapi.json`, '-H', `x-functions-key: ${key}`],
      // These two need an authorization of several users, and links between operations, which this API has not.
      ...['--checks', 'all', '--exclude-checks', 'object_level_authorization,use_after_free'],
      ...['--max-time', String(seconds), '--request-timeout', '40', '-w', '1', '--seed', String(seed)],
      ...['--continue-on-failure', '--warnings', 'off', '--report', 'json', '--report-json-path', file],
    ];
    const child = spawn(program, options, {
      cwd: folder,
      env: { ...process.env, HYPOTHESIS_STORAGE_DIRECTORY: join(folder, 'hypothesis') },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    // It may be in the middle of a request when its time is over.
    const late = setTimeout(() => child.kill('SIGINT'), (seconds + 60) * 1_000);
    await new Promise((done) => child.once('close', done));
    clearTimeout(late);
    const report = JSON.parse(await readFile(file, 'utf8').catch(() => 'null')) as Report | null;
    if (!report) throw new Error(`schemathesis made no report:\n${output.slice(-2_000)}`);
    const errors = report.errors.map(({ title }) => ({ type: 'error', title, operations: [] }));
    return { cases: report.test_cases.generated, failures: [...report.failures, ...errors], output };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
