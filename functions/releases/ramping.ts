import { beginAudit, readAudit } from '../services/audit.ts';
import { sendRelease } from '../services/queues.ts';
import { evidenceOf, ramps, readRamp } from '../services/ramp.ts';
import { listReleases, releases } from '../services/releases.ts';
import { settings } from '../services/settings.ts';
import { log } from '../services/telemetry.ts';
import { tell } from './notify.ts';
import { begin, decide, done, isActive, next, RAMP, type Ramp, type RampRule, shareOf, stopped } from './ramp.ts';
import { fail, idOf, type Release } from './release.ts';
import { SwapRefused, stagedRelease } from './swap.ts';

/** Whoever lets a ramp end with a swap, in the audit log, where nobody has asked for it. */
const ITSELF = { id: 'maru', name: 'Maru' };

const rule = (): RampRule => {
  const { RAMP_TURNS: least, RAMP_PATIENCE_MINUTES: minutes, RELEASE_AGREEMENT: agreement } = settings();
  return { least, agreement, patience: minutes * 60_000 };
};

/** Begins a ramp of the release that is staged. Throws {@link SwapRefused}. `asked`: this one and no other, by its id. */
export async function beginRamp(by: string | null, asked?: string): Promise<Ramp> {
  const staged = await stagedRelease(await listReleases(50));
  if (asked !== undefined && staged.id !== asked)
    throw new SwapRefused('something else is staged by now: look once more');
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
  log('info', 'ramp', { digest: begun.digest, share: shareOf(begun), state: begun.state });
  return begun;
}

/** Somebody says that it goes on where it waits, or that it ends. Throws {@link SwapRefused}. */
export async function steerRamp(how: 'continue' | 'stop', by: string, asked?: string): Promise<Ramp> {
  const steered = await ramps.change<Ramp | null>(RAMP, {
    transition: (ramp) => {
      if (ramp && asked !== undefined && idOf(ramp.digest) !== asked) return [null, null];
      const may = ramp && (how === 'stop' ? isActive(ramp) : ramp.state === 'waiting' || ramp.state === 'running');
      if (!may) return [null, null];
      const now = Date.now();
      const after = how === 'stop' ? stopped(ramp, [`stopped by ${by}`], now, by) : next(ramp, now, by);
      return [after, after];
    },
  });
  if (!steered) throw new SwapRefused('no ramp is under way');
  log('info', 'ramp', { digest: steered.digest, share: shareOf(steered), state: steered.state });
  return steered;
}

/** Looks at a ramp that is under way: what was measured, and what follows from it. Repeatable. */
export async function watchRamp(): Promise<void> {
  const ramp = await readRamp();
  if (!ramp || !isActive(ramp)) return;
  const release = (await releases.read(idOf(ramp.digest)))?.document ?? null;
  if (release?.state !== 'ready') {
    const over = (now: Ramp) =>
      release?.state === 'live'
        ? done(now, Date.now())
        : stopped(now, [`the release is ${release?.state ?? 'gone'}`], Date.now());
    await record(ramp, over);
    return;
  }
  const evidence = await evidenceOf(ramp);
  const after = await record(ramp, (now) => decide(now, evidence, rule(), Date.now()));
  if (after?.state === 'swapping') await finish(after, release);
}

async function record(seen: Ramp, change: (ramp: Ramp) => Ramp): Promise<Ramp | null> {
  const after = await ramps.change<Ramp | null>(RAMP, {
    transition: (ramp) => {
      // Another look, or a person, was faster: the next look sees what stands.
      const same = ramp && ramp.digest === seen.digest && ramp.step === seen.step && ramp.state === seen.state;
      if (!same) return [null, null];
      const changed = change(ramp);
      return [changed, changed];
    },
  });
  if (!after || (after.state === seen.state && after.step === seen.step)) return after;
  log(after.state === 'stopped' ? 'error' : 'info', 'ramp', {
    digest: after.digest,
    share: shareOf(after),
    state: after.state,
    reason: after.reasons[0] ?? null,
  });
  // What has failed in front of customers must not go live by mistake.
  if (after.state === 'stopped') await failRelease(after);
  return after;
}

async function failRelease({ digest, reasons }: Ramp): Promise<void> {
  const failed = await releases.change<Release | null>(idOf(digest), {
    transition: (release) => {
      if (release?.state !== 'ready') return [null, null];
      const next = fail(release, `the ramp: ${reasons.join('; ')}`, Date.now());
      return [next, next];
    },
  });
  if (failed) await tell(failed);
}

/** Has the slots swapped, once; where this app may not, whoever may does it by command. */
async function finish(ramp: Ramp, { digest, repository }: Release): Promise<void> {
  if (!settings().CONSOLE_SWAPS) return;
  const entry = ramp.swap ? await readAudit(ramp.swap) : null;
  if (entry?.state === 'begun') return await sendRelease({ digest, repository, swap: { kind: 'in', entry: entry.id } });
  if (entry) {
    await record(ramp, (now) => ({ ...now, state: 'waiting', reasons: [entry.note ?? 'the swap was refused'] }));
    return;
  }
  const begun = await beginAudit(ITSELF, 'release.swap', idOf(digest));
  await ramps.change(RAMP, {
    transition: (now) => [
      now?.digest === digest && now.state === 'swapping' ? { ...now, swap: begun.id } : null,
      undefined,
    ],
  });
  await sendRelease({ digest, repository, swap: { kind: 'in', entry: begun.id } });
}
