/** Removes what this machine does not run, below `root`/node_modules. */
export function prune(root: string, machine?: { platform: string; arch: string }): void;
