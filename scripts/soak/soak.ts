import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { environment } from '../../inference-container/environment.ts';
import { writeModels } from '../bench/models.ts';
import { buildInference } from '../build/inference.ts';
import { freePorts } from '../local/ports.ts';
import { soak, soakFailures } from './run.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    clients: { type: 'string', default: '16' },
    workers: { type: 'string', default: '2' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(`npm run soak: the model server under full load while a model is loaded and unloaded

  --minutes 10   --clients 16   --workers 2

Fails on a wrong answer, a status but 200, 503 and (of the model that comes and goes) 404, or memory that grows.
`);
  process.exit(0);
}

const folder = await mkdtemp(join(tmpdir(), 'maru-soak-'));
await buildInference();
await writeModels(join(folder, 'made'));
for (const model of ['steady', 'churn']) {
  await mkdir(join(folder, 'models', model), { recursive: true });
  await cp(join(folder, 'made/free/1'), join(folder, 'models', model, '1'), { recursive: true });
}
const { gateway: port } = await freePorts();
const key = randomUUID();
const child = spawn(process.execPath, [join(import.meta.dirname, '../../dist/inference-container/main.js')], {
  env: {
    ...process.env,
    ...environment,
    PORT: String(port),
    HOST: '127.0.0.1',
    MODEL_DIR: join(folder, 'models'),
    WORKERS: values.workers,
    REPOSITORY_KEY: key,
    LOG_LEVEL: 'error',
  },
  stdio: ['ignore', 'inherit', 'inherit'],
});
try {
  while (
    !(await fetch(`http://127.0.0.1:${port}/v2/health/ready`)
      .then(({ ok }) => ok)
      .catch(() => false))
  ) {
    if (child.exitCode !== null) throw new Error(`the server ended with code ${child.exitCode}`);
    await sleep(100);
  }
  const result = await soak({
    port,
    pid: child.pid!,
    key,
    seconds: Number(values.minutes) * 60,
    clients: Number(values.clients),
    file: await readFile(join(folder, 'models/steady/1/model.onnx')),
    ids: 40_000,
    progress: (text) => console.log(`  ${text}`),
  });
  const { memory, ...counts } = result;
  console.log({
    ...counts,
    memoryFrom: Math.round(memory[Math.floor(memory.length / 5)] ?? 0),
    memoryTo: Math.round(memory.at(-1) ?? 0),
  });
  const failures = soakFailures(result);
  for (const failure of failures) console.error(`failed: ${failure}`);
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const [code] = await exited;
  if (code !== 0) failures.push(`the server ended with ${code}`);
  console.log(failures.length === 0 ? 'No wrong answer, and memory stayed.' : 'FAILED');
  process.exitCode = failures.length === 0 ? 0 : 1;
} finally {
  child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
}
