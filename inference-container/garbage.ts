import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** How long a thread does nothing large before it looks for what it can give back. */
const QUIET_MS = 1_000;
/** Until it looks once more: what lies outside of V8 is given back only after what held it was collected. */
const AGAIN_MS = 5_000;

let collect: (() => void) | undefined;
let timer: NodeJS.Timeout | undefined;
let again: NodeJS.Timeout | undefined;

/**
 * Gives back what a large request left in this thread, once no other has come for a while: V8 itself collects when it needs
 * memory, and an idle thread needs none.
 */
export function collectSoon(): void {
  timer ??= setTimeout(() => {
    timer = undefined;
    if (!collect) {
      setFlagsFromString('--expose-gc');
      collect = runInNewContext('gc') as () => void;
    }
    collect();
    clearTimeout(again);
    again = setTimeout(collect, AGAIN_MS).unref();
  }, QUIET_MS).unref();
  timer.refresh();
}
