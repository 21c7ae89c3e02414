import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import { type Ramp, STEPS, shareOf } from '../../releases/ramp.ts';
import { beginRamp, steerRamp } from '../../releases/ramping.ts';
import { idOf, type Release } from '../../releases/release.ts';
import { returnable, SwapRefused, stagedRelease } from '../../releases/swap.ts';
import { audited, beginAudit, endAudit, lastAudit } from '../../services/audit.ts';
import { sendRelease } from '../../services/queues.ts';
import { readRamp } from '../../services/ramp.ts';
import { listReleases } from '../../services/releases.ts';
import { settings } from '../../services/settings.ts';
import type { Principal } from '../../services/sign-in.ts';
import { log } from '../../services/telemetry.ts';
import { Problem } from '../problem.ts';
import { json, readJson, staffRoute } from '../route.ts';
import * as schemas from './schemas.ts';
import { agentOf } from './speak.ts';

const LIMIT = 50;
/** How long the end of a swap is shown, in milliseconds. */
const SHOWN_MS = 60 * 60_000;
/** How long what the slots run is taken for what they run, in milliseconds: everybody who looks shares it. */
const FRESH_MS = 10_000;

type Kind = 'in' | 'back';

/** GET /api/admin/releases */
export const getReleases = staffRoute(
  'admin.releases',
  {
    summary: 'Releases of models, the newest first, with what was measured of each, and whether slots may be swapped',
    answers: { 200: { description: 'The releases.', schema: schemas.releases } },
    problems: ['unavailable'],
  },
  async () => {
    const now = Date.now();
    const [listed, ramp, last] = await Promise.all([
      listReleases(LIMIT),
      readRamp(),
      lastAudit(['release.swap', 'release.rollback'], now - SHOWN_MS),
    ]);
    const [swap, rollback] = await Promise.all([possible('in', listed, now), possible('back', listed, now)]);
    return json(200, {
      releases: listed.map(({ id, digest, state, since, pushedAt, models, steps, checks, reason }) => ({
        id,
        digest,
        state,
        since,
        pushedAt,
        models: models.map(({ name, version }) => `${name} ${version}`),
        steps: steps.map(({ state, at, by, note }) => ({ state, at, by: by ?? null, note: note ?? null })),
        checks,
        reason,
      })),
      swap,
      rollback,
      ramp: ramp && shownRamp(ramp),
      last: last ? { action: last.action, by: last.by, at: last.at, state: last.state, note: last.note ?? null } : null,
    });
  },
);

/** POST /api/admin/releases/ramp */
export const postRamp = staffRoute(
  'admin.release-ramp',
  {
    summary:
      'Let the staged release answer a growing share of conversations; go on where that waits for a person; or back to nobody',
    body: schemas.ramp,
    answers: { 204: { description: 'It is so within seconds, on every instance.' } },
    problems: ['swap_refused', 'unavailable'],
  },
  async (request, principal) => {
    const { action, release, step } = await readJson(request, schemas.ramp);
    if (action === 'continue' && step === undefined)
      throw new Problem('invalid_message', 'step: is needed to continue.', {
        errors: [{ field: 'step', reason: 'is needed' }],
      });
    const by = agentOf(principal);
    memory.clear();
    try {
      await audited(by, `ramp.${action}`, release, async () => {
        if (action === 'begin') await beginRamp(by.name, release);
        else await steerRamp(action === 'stop' ? { to: 'stop' } : { to: 'continue', step: step! }, by.name, release);
        return { result: undefined };
      });
    } catch (error) {
      if (error instanceof SwapRefused) throw new Problem('swap_refused', sentence(error.message));
      throw error;
    }
    return { status: 204 };
  },
);

function shownRamp(ramp: Ramp) {
  const { digest, state, step, since, reasons, evidence, history } = ramp;
  return {
    release: idOf(digest),
    state,
    share: shareOf(ramp),
    shares: [...STEPS],
    step,
    since,
    least: settings().RAMP_TURNS,
    reasons,
    evidence,
    history: history.map(({ share, at, by = null, note = null, evidence = null }) => ({
      share,
      at,
      by,
      note,
      evidence,
    })),
  };
}

const sentence = (reason: string): string => `${reason[0]!.toUpperCase()}${reason.slice(1)}.`;

/** POST /api/admin/releases/swap */
export const postSwap = swapRoute('in', 'Make the staged release live');

/** POST /api/admin/releases/rollback */
export const postRollback = swapRoute('back', 'Swap back to what was live before');

function swapRoute(kind: Kind, summary: string) {
  return staffRoute(
    `admin.release-${kind}`,
    {
      summary,
      description:
        'It takes minutes: the list says how far it is. Production is checked afterwards, and swapped back if it does not serve well.',
      body: schemas.swap,
      answers: { 202: { description: 'It is under way.' } },
      problems: ['swap_refused', 'unavailable'],
    },
    (request, principal) => begin(kind, request, principal),
  );
}

async function begin(kind: Kind, request: HttpRequest, principal: Principal): Promise<HttpResponseInit> {
  const { release: asked } = await readJson(request, schemas.swap);
  const listed = await listReleases(LIMIT);
  memory.clear();
  const { release, refusal } = await possible(kind, listed, Date.now());
  if (refusal !== null) throw new Problem('swap_refused', refusal);
  // Something else was pushed since the page was looked at.
  if (release !== asked) throw new Problem('swap_refused', 'The slots run something else by now: look once more.');
  const { digest, repository } = listed.find(({ id }) => id === release)!;
  const entry = await beginAudit(agentOf(principal), kind === 'in' ? 'release.swap' : 'release.rollback', asked);
  try {
    await sendRelease({ digest, repository, swap: { kind, entry: entry.id } });
  } catch (error) {
    await endAudit(entry.id, { state: 'refused', note: 'the queue could not be reached' });
    throw error;
  }
  return { status: 202 };
}

interface Possible {
  release: string | null;
  /** Why not. */
  refusal: string | null;
}

const memory = new Map<Kind, { key: string; until: number; possible: Promise<Possible> }>();

async function possible(kind: Kind, listed: Release[], now: number): Promise<Possible> {
  if (!settings().CONSOLE_SWAPS)
    return {
      release: null,
      refusal:
        'The console may not swap in this deployment (CONSOLE_SWAPS): whoever has the right to swaps by npm run swap.',
    };
  // Another state of a release is another question.
  const key = JSON.stringify(listed.map(({ id, state, claim }) => [id, state, claim?.by]));
  const known = memory.get(kind);
  if (known?.key === key && known.until > now) return await known.possible;
  const found = ask(kind, listed);
  memory.set(kind, { key, until: now + FRESH_MS, possible: found });
  return await found;
}

async function ask(kind: Kind, listed: Release[]): Promise<Possible> {
  try {
    const release = kind === 'in' ? await stagedRelease(listed) : (await returnable(listed)).live;
    if ((release.claim?.until ?? 0) > Date.now())
      return { release: null, refusal: 'Slots are being swapped right now.' };
    return { release: release.id, refusal: null };
  } catch (error) {
    if (error instanceof SwapRefused) return { release: null, refusal: sentence(error.message) };
    log('warn', 'the slots could not be asked what they run', { error: String(error) });
    return { release: null, refusal: 'What the slots run can not be asked right now.' };
  }
}
