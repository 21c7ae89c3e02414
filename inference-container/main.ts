import { availableParallelism } from 'node:os';
import { startServer } from './server.ts';
import { parseSettings } from './settings.ts';

/** The container's process. Ends with 0 after SIGTERM when everything in flight was finished. */
const script = import.meta.url.endsWith('.ts') ? './models/worker.ts' : './worker.js';

try {
  const settings = parseSettings(process.env);
  // One core serves HTTP; on a small machine it shares with the one worker.
  const workers = settings.WORKERS ?? Math.max(1, availableParallelism() - 1);
  const running = await startServer(settings, workers, new URL(script, import.meta.url));
  // ONNX Runtime aborts the process when it is ended in the middle of a run: after the time for it, only SIGKILL is clean.
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(
      signal,
      () => void running.stop().then((clean) => (clean ? process.exit(0) : process.kill(process.pid, 'SIGKILL'))),
    );
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
