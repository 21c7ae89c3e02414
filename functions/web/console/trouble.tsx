import type { Problem } from './api.ts';
import { say } from './texts.ts';

/** What could not be done, and why. */
export function Trouble({ problem }: { problem: Problem | null }) {
  if (!problem) return null;
  return (
    <p class="problem" role="alert">
      {say('failed')}: {problem.detail ?? problem.title}
    </p>
  );
}
