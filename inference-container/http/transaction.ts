import type { Head } from '../protocol/header.ts';

/** A request that came over a connection of this thread, and the way back to its client. */
export interface Transaction {
  readonly head: Head;
  /** Goes on with the body once all of it is there. Throws 413 for one of more than `most` bytes, and what `go` throws. */
  read<T>(go: (body: Buffer) => T | Promise<T>, most: number): T | Promise<T>;
  /** Whether nobody waits for the answer any more. */
  gone(): boolean;
  /** Runs something when the client goes before its answer. */
  whenGone(run: () => void): void;
  /** Answers; a promise where that has to wait for what the client still sends. */
  send(reply: Reply): void | Promise<void>;
}

/** An answer as it is sent. */
export interface Reply {
  status: number;
  body: string | Uint8Array;
  requestId: string;
  headers: Record<string, string> | undefined;
  /** The connection ends with it. */
  last: boolean;
}
