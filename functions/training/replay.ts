/**
 * The log seen again: when a model is live, what customers wrote in the last days is understood by it once more (container `replays`, partition
 * key = id: the model's version), guarded by its ETag. Counts alone; which turn is understood otherwise stands in the turn. Pure.
 */
export interface Replay {
  id: string;
  startedAt: number;
  /** Turns answered between these are seen, the newest first. */
  from: number;
  to: number;
  /** Those that were answered at or after this have been seen. */
  place: number;
  /** `ended`: another model went live meanwhile. */
  state: 'running' | 'done' | 'ended';
  claim: { by: string; until: number } | null;
  seen: number;
  movements: Movement[];
}

/** So many turns were understood as one thing, and are as another now. */
interface Movement {
  before: string;
  after: string;
  count: number;
}

export const REPLAY_ID = /^[\w.-]{1,64}$/;

/** Pairs that are counted one by one; what is rarer is counted together. */
const PAIRS = 400;

export function begin(version: string, now: number, days: number): Replay {
  return {
    id: version,
    startedAt: now,
    from: now - days * 86_400_000,
    to: now,
    place: now,
    state: 'running',
    claim: null,
    seen: 0,
    movements: [],
  };
}

/** Takes it to go on with it; null: somebody else does, or it is over. */
export function claim(replay: Replay, by: string, now: number, ms: number): Replay | null {
  if (replay.state !== 'running' || (replay.claim && replay.claim.until > now && replay.claim.by !== by)) return null;
  return { ...replay, claim: { by, until: now + ms } };
}

/** A page further: what was understood before and is now, and the time of the oldest of it; null: nothing is left. */
export function further(
  replay: Replay,
  page: { moved: { before: string; after: string }[]; seen: number; place: number | null },
  now: number,
  ms: number,
): Replay {
  const counts = new Map(replay.movements.map(({ before, after, count }) => [JSON.stringify([before, after]), count]));
  for (const { before, after } of page.moved) {
    const key = JSON.stringify([before, after]);
    const kept = counts.has(key) || counts.size < PAIRS ? key : JSON.stringify(['…', '…']);
    counts.set(kept, (counts.get(kept) ?? 0) + 1);
  }
  const movements = [...counts]
    .map(([key, count]) => {
      const [before, after] = JSON.parse(key) as [string, string];
      return { before, after, count };
    })
    .sort((a, b) => b.count - a.count);
  const isOver = page.place === null;
  return {
    ...replay,
    movements,
    seen: replay.seen + page.seen,
    place: page.place ?? replay.from,
    state: isOver ? 'done' : 'running',
    claim: isOver ? null : { by: replay.claim!.by, until: now + ms },
  };
}
