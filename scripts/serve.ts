import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startServer } from '../inference-container/server.ts';
import { parseSettings } from '../inference-container/settings.ts';
import { threadCounts } from '../inference-container/threads.ts';

const HELP = `npm run serve -- <model repository>: the inference container's server alone

  npm run serve -- models --port 8080

The repository is a folder <name>/<version>/model.onnx; any ONNX file is served as it is, a model.json beside it says more
(task, labels, preprocessing). New versions are served when they appear.

Options
  --port <port>        8080
  --workers <count>    threads that run ONNX Runtime; one less than the cores
Other settings are environment variables (inference-container/settings.ts), among them REPOSITORY_KEY, with which models may be
loaded and unloaded by HTTP, and INFERENCE_KEY, which everybody must then show. docs/model-server.md has the whole API.
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: 'string', default: '8080' },
    workers: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
const [folder] = positionals;
if (values.help || folder === undefined) {
  console.log(HELP);
  process.exit(values.help ? 0 : 1);
}

try {
  const settings = parseSettings({
    MODEL_WATCH_SECONDS: '2',
    ...process.env,
    PORT: values.port,
    MODEL_DIR: resolve(folder),
    WORKERS: values.workers,
  });
  const { workers, http } = threadCounts(settings);
  const script = (path: string) => new URL(`../inference-container/${path}`, import.meta.url);
  const running = await startServer(
    settings,
    { count: workers, script: script('models/worker.ts') },
    http > 1 ? { count: http - 1, script: script('http/front.ts') } : null,
  );
  const url = `http://localhost:${running.port}`;
  console.log(
    `Serving ${folder} at ${url}\n\n  curl ${url}/v1/models\n  curl ${url}/v2/models/<name>\n  curl -X POST ${url}/v2/repository/index\n`,
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void running.stop().then((clean) => process.exit(clean ? 0 : 1)));
} catch (error) {
  const { code } = error as NodeJS.ErrnoException;
  console.error(
    code === 'EADDRINUSE'
      ? `port ${values.port} is in use; choose another with --port`
      : error instanceof Error
        ? error.message
        : error,
  );
  process.exit(1);
}
