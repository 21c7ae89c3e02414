import { startServer } from './server.ts';
import { parseSettings } from './settings.ts';
import { threadCounts } from './threads.ts';

/** The container's process. Ends with 0 after SIGTERM when everything in flight was finished. */
const built = !import.meta.url.endsWith('.ts');
const script = (source: string, name: string) => new URL(built ? `./${name}.js` : source, import.meta.url);

try {
  const settings = parseSettings(process.env);
  const { workers, http } = threadCounts(settings);
  const running = await startServer(
    settings,
    { count: workers, script: script('./models/worker.ts', 'worker') },
    http > 1 ? { count: http - 1, script: script('./http/front.ts', 'front') } : null,
  );
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
