import type { InvocationContext, Timer } from '@azure/functions';
import { tell, untold } from '../releases/notify.ts';
import { beginRamp } from '../releases/ramping.ts';
import { idOf, move, type Release, underWay } from '../releases/release.ts';
import { SwapRefused } from '../releases/swap.ts';
import { Unavailable } from '../services/failure.ts';
import { credential } from '../services/identity.ts';
import { sendRelease } from '../services/queues.ts';
import { Registry } from '../services/registry.ts';
import { listReleases, releases } from '../services/releases.ts';
import { seeLogAgain } from '../services/replays.ts';
import { settings } from '../services/settings.ts';
import { imageOf } from '../services/slots.ts';
import { log, startTelemetry } from '../services/telemetry.ts';

/** Operators who could not be reached are told of a state that is at least and at most so old. */
const TELL_AFTER_MS = 60_000;
const TELL_WITHIN_MS = 24 * 60 * 60_000;
/** A release that nobody has moved for so long is woken again. */
const STUCK_MS = 90_000;

/**
 * Every minute: pushes whose webhook never came (a registry tries once, for five seconds), releases whose wake-up was
 * lost, swaps that were made in the portal, and states that operators have not heard of.
 */
export async function watchReleases(_timer: Timer, _context: InvocationContext): Promise<void> {
  await startTelemetry();
  const { REGISTRY_URL: url, RELEASE_REPOSITORIES: repositories, RELEASE_TAG: tag } = settings();
  if (!url) return;
  const listed = await listReleases(50);
  for (const repository of repositories) {
    // A registry that is away keeps nobody from noticing a swap.
    const digest = await new Registry(url, repository, credential()).resolve(tag).catch((error) => {
      log('warn', 'the registry could not be asked', { repository, error: String(error) });
      return undefined;
    });
    if (!digest || listed.some((known) => known.digest === digest)) continue;
    if (await releases.read(idOf(digest))) continue;
    log('info', 'a push whose webhook did not come', { digest });
    await sendRelease({ digest, repository });
  }
  for (const { digest, repository, since, claim, ...rest } of listed) {
    const idle = Date.now() - Math.max(since, claim?.until ?? 0);
    if (underWay({ digest, repository, since, claim, ...rest }) && idle > STUCK_MS)
      await sendRelease({ digest, repository });
  }
  await observe(listed);
  if (settings().RAMP) await rampWhatIsReady();
  for (const release of listed.filter(untold)) {
    const age = Date.now() - release.since;
    // One that can't be delivered is the last of this minute.
    if (age > TELL_AFTER_MS && age < TELL_WITHIN_MS && !(await tell(release))) break;
  }
  await seeAgain();
}

/** What customers wrote lately is understood by what is live, once each time that another model is; the next look goes on with it. */
async function seeAgain(): Promise<void> {
  const live = (await listReleases(50)).find(({ state }) => state === 'live');
  const intents = live?.models.find(({ name }) => name === settings().INTENT_MODEL);
  if (!intents) return;
  try {
    await seeLogAgain(intents.version);
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    log('warn', 'the log could not be seen again; the next look goes on', { error: error.message });
  }
}

/** Begins a ramp of what has got ready, once. */
async function rampWhatIsReady(): Promise<void> {
  const [ready] = (await listReleases(20)).filter(({ state }) => state === 'ready');
  if (!ready || ready.ramped) return;
  try {
    await beginRamp(null, ready.id);
  } catch (error) {
    // Another is under way, or the slot runs something else.
    if (!(error instanceof SwapRefused)) throw error;
  }
}

/** Records what production runs, where a person swapped in the portal. */
async function observe(listed: Release[]): Promise<void> {
  const [, served] = (await imageOf('production')).split('@');
  const now = listed.find(({ digest }) => digest === served);
  if (!served || !now || now.state === 'live') return;
  // A swap of our own is under way: it records itself, and may swap back.
  if (now.claim && now.claim.until > Date.now()) return;
  const before = listed.find(({ state }) => state === 'live');
  if (!['ready', 'superseded', 'rolled-back'].includes(now.state)) {
    log('error', 'production runs a release that was not ready', { digest: served, state: now.state });
    return;
  }
  const note = 'swapped outside of Maru';
  const back = before !== undefined && now.state !== 'ready';
  await record(now, (release) => move(release, 'live', Date.now(), { note }));
  if (before)
    await record(before, (release) => move(release, back ? 'rolled-back' : 'superseded', Date.now(), { note }));
  log('info', 'a swap was made outside of Maru', { digest: served });
}

async function record(seen: Release, change: (release: Release) => Release): Promise<void> {
  const next = await releases.change<Release | null>(seen.id, {
    transition: (current) => {
      // Moved by a swap of our own meanwhile: the next look sees what stands.
      const next = current?.state === seen.state ? change(current) : null;
      return [next, next];
    },
  });
  if (next) await tell(next);
}
