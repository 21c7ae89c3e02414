import { type AuditEntry, beginAudit, readAudit } from '../services/audit.ts';
import { hasOperators, tellOperators } from '../services/operators.ts';
import { sendRelease } from '../services/queues.ts';
import { evidenceOf, ramps, readRamp } from '../services/ramp.ts';
import { listReleases, releases } from '../services/releases.ts';
import { settings } from '../services/settings.ts';
import { imageOf } from '../services/slots.ts';
import { log } from '../services/telemetry.ts';
import { tell } from './notify.ts';
import {
  begin,
  decide,
  done,
  isActive,
  next,
  RAMP,
  type Ramp,
  type RampRule,
  shareOf,
  stopped,
  unseen,
} from './ramp.ts';
import { fail, idOf, type Release } from './release.ts';
import { SwapRefused, stagedRelease } from './swap.ts';

/** Whoever lets a ramp end with a swap, in the audit log, where nobody has asked for it. */
const ITSELF = { id: 'maru', name: 'Maru' };
/** A swap that nobody is at for so long has lost its message, in milliseconds. */
const LOST_MS = 60_000;

const rule = (): RampRule => {
  const { RAMP_TURNS: least, RAMP_PATIENCE_MINUTES: minutes, RELEASE_AGREEMENT: agreement } = settings();
  return { least, agreement, patience: minutes * 60_000 };
};

const isHeld = ({ claim }: Release): boolean => claim !== null && claim.until > Date.now();

/** Begins a ramp of the release that is staged. Throws {@link SwapRefused}. `asked`: this one and no other, by its id. */
export async function beginRamp(by: string | null, asked?: string): Promise<Ramp> {
  const staged = await stagedRelease(await listReleases(50));
  if (asked !== undefined && staged.id !== asked)
    throw new SwapRefused('something else is staged by now: look once more');
  if (isHeld(staged)) throw new SwapRefused('the slots are being swapped right now');
  const of = {
    digest: staged.digest,
    repository: staged.repository,
    release: staged.release!,
    models: Object.fromEntries(staged.models.map(({ name, version }) => [name, version])),
  };
  const begun = await ramps.change<Ramp | null>(RAMP, {
    transition: (ramp) => {
      if (ramp && isActive(ramp)) return [null, null];
      const made = begin(of, by, Date.now());
      return [made, made];
    },
  });
  if (!begun) throw new SwapRefused('a ramp is under way already');
  await said(begun);
  await releases.change(staged.id, {
    transition: (release) => [release && { ...release, ramped: true as const }, undefined],
  });
  return begun;
}

/**
 * Somebody says that it goes on with the step after the one they saw, or that it ends. Throws {@link SwapRefused}. `asked`: this release and no
 * other, by its id.
 */
export async function steerRamp(how: { to: 'stop' } | { to: 'continue'; step: number }, by: string, asked?: string) {
  const seen = await readRamp();
  const release = seen && (await releases.read(idOf(seen.digest)))?.document;
  if (seen?.state === 'swapping' && release && isHeld(release))
    throw new SwapRefused('the slots are being swapped right now: it can be rolled back when that is over');
  const steered = await ramps.change<Ramp | null>(RAMP, {
    transition: (ramp) => {
      if (!ramp || (asked !== undefined && idOf(ramp.digest) !== asked)) return [null, null];
      const now = Date.now();
      if (how.to === 'stop')
        return isActive(ramp) ? changed(stopped(ramp, [`stopped by ${by}`], now, by)) : [null, null];
      if (ramp.step !== how.step || (ramp.state !== 'waiting' && ramp.state !== 'running')) return [null, null];
      return changed(next(ramp, now, by));
    },
  });
  if (!steered) throw new SwapRefused('no such ramp is under way, or it is at another step by now');
  await said(steered);
  if (!isActive(steered)) await wakeWaiting();
  return steered;
}

const changed = (ramp: Ramp): [Ramp, Ramp] => [ramp, ramp];

/** Whether a swap that was asked for is still to be made: one that a ramp has asked for only while that stands. */
export async function isWanted({ id, by }: AuditEntry): Promise<boolean> {
  if (by.id !== ITSELF.id) return true;
  const ramp = await readRamp();
  return ramp?.swap === id && (ramp.state === 'swapping' || ramp.state === 'done');
}

/** Looks at a ramp: what was measured, and what follows from it. Repeatable. */
export async function watchRamp(): Promise<void> {
  const ramp = await readRamp();
  if (!ramp || ramp.state === 'done') return;
  const release = (await releases.read(idOf(ramp.digest)))?.document ?? null;
  if (ramp.state === 'stopped') {
    // Whoever stopped it died before the release had failed.
    if (stoppedItself(ramp) && release?.state === 'ready' && release.since < ramp.since) await failRelease(ramp);
    return;
  }
  if (release?.state !== 'ready') {
    const isLive = release?.state === 'live';
    await record(ramp, (now) =>
      isLive ? done(now, Date.now()) : stopped(now, [`the release is ${release?.state ?? 'gone'}`], Date.now()),
    );
    return;
  }
  // While slots are swapped it can't be judged, and what is swapped can't be taken back.
  if (isHeld(release)) return;
  if (ramp.state === 'swapping' && (await imageOf('production')).endsWith(`@${ramp.digest}`)) return;
  const evidence = await evidenceOf(ramp).catch((error) => {
    log('error', 'what a ramped release does could not be measured', { digest: ramp.digest, error: String(error) });
    return null;
  });
  const after = await record(ramp, (now) => (evidence ? decide(now, evidence, rule(), Date.now()) : unseen(now)));
  if (after?.state === 'swapping') await finish(after, release);
}

async function record(seen: Ramp, change: (ramp: Ramp) => Ramp): Promise<Ramp | null> {
  const after = await ramps.change<Ramp | null>(RAMP, {
    transition: (ramp) => {
      // Another look, or a person, was faster: the next look sees what stands.
      const same = ramp && ramp.digest === seen.digest && ramp.step === seen.step && ramp.state === seen.state;
      return same ? changed(change(ramp)) : [null, null];
    },
  });
  if (!after || (after.state === seen.state && after.step === seen.step)) return after;
  await said(after);
  if (isActive(after)) return after;
  // What has failed in front of customers must not go live by mistake.
  if (after.state === 'stopped') await failRelease(after);
  await wakeWaiting();
  return after;
}

/** In the log, and to operators, who hear of each step. */
async function said(ramp: Ramp): Promise<void> {
  const { digest, state, reasons, models, evidence } = ramp;
  const [share, reason] = [shareOf(ramp), reasons[0] ?? null];
  log(state === 'stopped' ? 'error' : 'info', 'ramp', { digest, share, state, reason });
  if (!hasOperators()) return;
  const named = Object.entries(models).map((one) => one.join(' '));
  const text = `Ramp of ${named.join(', ')}: ${state}, ${Math.round(100 * share)}%${reason ? ` (${reason})` : ''}`;
  await tellOperators({ event: 'ramp', text, state, digest, share, reasons, evidence });
}

const stoppedItself = ({ history }: Ramp): boolean => history.at(-1)?.by === undefined;

async function failRelease({ digest, reasons }: Ramp): Promise<void> {
  const failed = await releases.change<Release | null>(idOf(digest), {
    transition: (release) => {
      // Whoever holds it is swapping it.
      if (release?.state !== 'ready' || isHeld(release)) return [null, null];
      const next = fail(release, `the ramp: ${reasons.join('; ')}`, Date.now());
      return [next, next];
    },
  });
  if (failed) await tell(failed);
}

/** What was pushed meanwhile goes on. */
async function wakeWaiting(): Promise<void> {
  for (const { state, digest, repository } of await listReleases(20))
    if (state === 'verified') await sendRelease({ digest, repository });
}

/** Has the slots swapped, once; where this app may not, whoever may does it by command. */
async function finish(ramp: Ramp, { digest, repository }: Release): Promise<void> {
  if (!settings().CONSOLE_SWAPS) return;
  const entry = ramp.swap ? await readAudit(ramp.swap) : null;
  if (entry?.state === 'begun') {
    if (Date.now() - entry.at > LOST_MS)
      await sendRelease({ digest, repository, swap: { kind: 'in', entry: entry.id } });
    return;
  }
  if (entry) {
    await record(ramp, (now) => ({ ...now, state: 'waiting', reasons: [entry.note ?? 'the swap was refused'] }));
    return;
  }
  const begun = await beginAudit(ITSELF, 'release.swap', idOf(digest));
  const isOurs = await ramps.change<boolean>(RAMP, {
    transition: (now) =>
      now?.digest === digest && now.state === 'swapping' && now.swap === null
        ? [{ ...now, swap: begun.id }, true]
        : [null, false],
  });
  if (isOurs) await sendRelease({ digest, repository, swap: { kind: 'in', entry: begun.id } });
}
