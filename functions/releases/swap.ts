import { randomUUID } from 'node:crypto';
import { credential } from '../services/identity.ts';
import { classify, servedRelease } from '../services/inference.ts';
import { swapRefusal } from '../services/ramp.ts';
import { Registry } from '../services/registry.ts';
import { listReleases, releases } from '../services/releases.ts';
import { settings } from '../services/settings.ts';
import { imageOf, SwapUnknown, swap } from '../services/slots.ts';
import { labelOf, type ReleaseLabel } from './label.ts';
import { tell } from './notify.ts';
import { fail, move, type Release, type State } from './release.ts';

/** A swap that is refused, or was undone; the message says why and what to do. */
export class SwapRefused extends Error {}
/** Somebody else is at it. */
export class SwapHeld extends SwapRefused {}

const SERVES_MS = 60_000;
const POLL_MS = 500;
/** Longer than a swap takes: those of real sites have taken 11 minutes. */
const SWAP_MS = 20 * 60_000;
/** How long a release is held without a sign of life. */
const HELD_MS = 5 * 60_000;

/**
 * Makes the staged release live: only one that is `ready` and that the staging slot runs. It is warmed first; afterwards
 * production must say that it serves it and give its golden answers, or the slots are swapped back. Throws {@link SwapRefused}.
 * `asked`: this release and no other, by its id; what was swapped and not recorded is brought to an end.
 */
export async function swapIn(by: string, progress: (text: string) => void, asked?: string): Promise<Release> {
  const listed = await listReleases(50);
  if (asked !== undefined) {
    const production = await runs('production', listed);
    // By a worker before this one, which did not come to an end.
    if (production?.id === asked && ['ready', 'live'].includes(production.state))
      return await holding(production, async () => settle(production, await labelIn(production), listed, by, progress));
  }
  const staged = await stagedRelease(listed);
  if (asked !== undefined && staged.id !== asked)
    throw new SwapRefused('the staging slot runs another release than the one that was asked for');
  return await holding(staged, () => swapHeld(staged, listed, by, progress));
}

/** What a swap would make live. Throws {@link SwapRefused} where that is not allowed now. */
export async function stagedRelease(listed: Release[]): Promise<Release> {
  const ramp = await swapRefusal();
  if (ramp !== null) throw new SwapRefused(ramp);
  const staged = await runs('staging', listed);
  if (!staged) throw new SwapRefused('the staging slot runs no release; push one:  npm run release -- <model folder>');
  if (staged.state !== 'ready')
    throw new SwapRefused(
      `the release in the staging slot is ${staged.state}${staged.reason ? ` (${staged.reason.split('\n')[0]})` : ''}; only one that is ready may go live`,
    );
  return staged;
}

async function swapHeld(
  staged: Release,
  listed: Release[],
  by: string,
  progress: (text: string) => void,
): Promise<Release> {
  // Read before the swap: a registry that is away afterwards says nothing of production.
  const label = await labelIn(staged);
  progress(`Warming ${named(staged)}`);
  await verify(staged, label, settings().STAGING_URL!, 'staging');
  progress('Swapping');
  await swapOnce((image) => image.endsWith(`@${staged.digest}`), progress);
  return await settle(staged, label, listed, by, progress);
}

/** What comes after the slots were swapped: production is checked, and it is recorded, or swapped back. */
async function settle(
  staged: Release,
  label: ReleaseLabel | null,
  listed: Release[],
  by: string,
  progress: (text: string) => void,
): Promise<Release> {
  const before = listed.find(({ state, id }) => state === 'live' && id !== staged.id);
  progress('Checking production');
  try {
    await verify(staged, label, settings().INFERENCE_URL, 'production');
  } catch (error) {
    progress('Production does not serve it well: swapping back');
    const reason = error instanceof Error ? error.message : String(error);
    const stuck = await swapOnce((image) => !image.endsWith(`@${staged.digest}`), progress).then(
      () => null,
      (undone: Error) => undone.message,
    );
    const what = stuck === null ? 'swapped back' : `not swapped back (${stuck}), production still runs it`;
    await record(staged, (release) => fail(release, `${what}: ${reason}`, Date.now()));
    throw new SwapRefused(
      stuck === null
        ? `production did not serve ${named(staged)} well, and was swapped back: ${reason}`
        : `production does not serve ${named(staged)} well (${reason}), and could not be swapped back (${stuck}): swap the slots in the portal`,
    );
  }
  const live = await record(staged, (release) => reached(release, 'live', by));
  if (before) await record(before, (release) => reached(release, 'superseded', by));
  return live;
}

/** Holds a release while it is swapped: nobody else swaps, and nothing is staged meanwhile. */
async function holding<T>(release: Release, work: () => Promise<T>): Promise<T> {
  const by = randomUUID();
  const until = () => Date.now() + HELD_MS;
  const held = await releases.change<boolean>(release.id, {
    transition: (now) => {
      if (now?.state !== release.state || (now.claim?.until ?? 0) > Date.now()) return [null, false];
      return [{ ...now, claim: { by, until: until() } }, true];
    },
  });
  if (!held) throw new SwapHeld(`somebody else swaps ${named(release)} right now`);
  // As long as this goes on; whoever dies holds it for minutes only.
  const renewal = setInterval(() => {
    // One that fails is made good by the next: the claim lasts for several.
    record(release, (now) => (now.claim?.by === by ? { ...now, claim: { by, until: until() } } : now)).catch(
      () => undefined,
    );
  }, HELD_MS / 5);
  try {
    return await work();
  } finally {
    clearInterval(renewal);
    await record(release, (now) => (now.claim?.by === by ? { ...now, claim: null } : now));
  }
}

/** The timer may have seen the swap already, and recorded it. */
function reached(release: Release, state: State, by: string): Release {
  return release.state === state ? release : move(release, state, Date.now(), { by });
}

/** Swaps. Where nobody knows what came of it, it is not asked again: the image that production is to run says whether it was `done`. */
async function swapOnce(done: (image: string) => boolean, progress: (text: string) => void): Promise<void> {
  const end = Date.now() + SWAP_MS;
  try {
    await swap();
  } catch (error) {
    if (!(error instanceof SwapUnknown)) throw error;
    progress(`What came of the swap is not known (${error.message}): waiting for what production is to run`);
    for (;;) {
      const image = await imageOf('production').catch(() => null);
      if (image !== null && done(image)) return;
      if (Date.now() > end) throw error;
      await new Promise((wake) => setTimeout(wake, POLL_MS));
    }
  }
}

/** Swaps back to what was live before, which the staging slot still runs. Throws {@link SwapRefused}. */
export async function rollBack(
  by: string,
  progress: (text: string) => void,
  asked?: string,
): Promise<{ from: Release; to: Release | null }> {
  const listed = await listReleases(50);
  const made = asked === undefined ? null : await isBack(asked, listed);
  if (made) return await holding(made.from, () => settleBack(made.from, made.to, by, progress));
  const { live, before } = await returnable(listed);
  if (asked !== undefined && live.id !== asked)
    throw new SwapRefused('production runs another release than the one that was to be rolled back');
  return await holding(live, async () => {
    const label = before ? await labelIn(before) : null;
    if (before) {
      progress(`Warming ${named(before)}`);
      await verify(before, label, settings().STAGING_URL!, 'staging');
    }
    progress('Swapping back');
    await swapOnce((image) => !image.endsWith(`@${live.digest}`), progress);
    return await settleBack(live, before, by, progress, label);
  });
}

async function settleBack(
  live: Release,
  before: Release | null,
  by: string,
  progress: (text: string) => void,
  known?: ReleaseLabel | null,
): Promise<{ from: Release; to: Release | null }> {
  const from = await record(live, (release) => reached(release, 'rolled-back', by));
  const to = before ? await record(before, (release) => reached(release, 'live', by)) : null;
  if (before) {
    const label = known === undefined ? await labelIn(before) : known;
    progress('Checking production');
    await verify(before, label, settings().INFERENCE_URL, 'production');
  }
  return { from, to };
}

/** Whether a release was swapped back already, by a worker that did not come to an end; something else that went live since is no such thing. */
async function isBack(asked: string, listed: Release[]): Promise<{ from: Release; to: Release | null } | null> {
  const [production, staging] = [await runs('production', listed), await runs('staging', listed)];
  const from = listed.find(({ id }) => id === asked);
  if (!from || staging?.id !== asked || !['live', 'rolled-back'].includes(from.state)) return null;
  return { from, to: production ?? null };
}

/** What would be rolled back, and to what; `before` is null for what was built in. Throws {@link SwapRefused} where that is not allowed now. */
export async function returnable(listed: Release[]): Promise<{ live: Release; before: Release | null }> {
  const ramp = await swapRefusal();
  if (ramp !== null) throw new SwapRefused(ramp);
  const live = await runs('production', listed);
  if (!live) throw new SwapRefused('production runs no release: there is nothing to roll back from');
  const before = await runs('staging', listed);
  if (!before && (await imageOf('staging')))
    throw new SwapRefused('the staging slot runs an image that is no release; release what was live once more');
  if (before && !['superseded', 'rolled-back'].includes(before.state))
    throw new SwapRefused(
      `the staging slot runs ${named(before)}, which is ${before.state} and was not live before; release what was live once more`,
    );
  return { live, before: before ?? null };
}

/** The release whose image a slot is to run. */
async function runs(slot: 'production' | 'staging', listed: Release[]): Promise<Release | undefined> {
  const [, digest] = (await imageOf(slot)).split('@');
  return listed.find((release) => release.digest === digest);
}

/** Waits until an address serves a release, and asks its golden cases. */
async function verify(release: Release, label: ReleaseLabel | null, url: string, what: string): Promise<void> {
  const end = Date.now() + SERVES_MS;
  let seen = 'nothing';
  for (;;) {
    const served = await servedRelease(url).catch((error: Error) => {
      seen = error.message;
      return null;
    });
    if (served === release.release) break;
    if (served) seen = served;
    if (Date.now() > end) throw new SwapRefused(`${what} does not serve ${release.digest.slice(0, 19)} but ${seen}`);
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
  for (const { name, golden } of label?.models ?? []) {
    if (golden.length === 0) continue;
    const { labels } = await classify(
      url,
      name,
      golden.map(({ input }) => input),
    );
    const wrong = golden.findIndex(({ output }, index) => output.label !== labels[index]);
    if (wrong !== -1) throw new SwapRefused(`${what} fails golden case ${wrong} of ${name}`);
  }
}

async function record(release: Release, change: (release: Release) => Release): Promise<Release> {
  const [next, changed] = await releases.change<[Release, boolean]>(release.id, {
    transition: (current) => {
      if (!current) throw new Error(`release ${release.id} is gone`);
      const changed = change(current);
      return changed === current ? [null, [current, false]] : [changed, [changed, true]];
    },
  });
  if (changed) await tell(next);
  return next;
}

async function labelIn({ repository, digest }: Release): Promise<ReleaseLabel | null> {
  const image = await new Registry(settings().REGISTRY_URL!, repository, credential()).image(digest);
  return image ? labelOf(image) : null;
}

export function named({ models, digest }: Release): string {
  return models.map(({ name, version }) => `${name} ${version}`).join(', ') || digest.slice(0, 19);
}
