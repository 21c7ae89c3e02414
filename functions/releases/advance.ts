import { randomUUID } from 'node:crypto';
import { labelledTurns, lastTurns } from '../services/call-log.ts';
import { Rejected, Unavailable } from '../services/failure.ts';
import { heldOut } from '../services/held-out.ts';
import { credential } from '../services/identity.ts';
import { classify, servedRelease } from '../services/inference.ts';
import { rampRefusal } from '../services/ramp.ts';
import { Registry, reached } from '../services/registry.ts';
import { listReleases, releases } from '../services/releases.ts';
import { settings } from '../services/settings.ts';
import { imageOf, stage, stagingLog } from '../services/slots.ts';
import { log } from '../services/telemetry.ts';
import { type Judgement, judge, type Known, worseThan } from './judgement.ts';
import { labelOf, type ReleaseLabel, releaseOf } from './label.ts';
import { tell } from './notify.ts';
import {
  again,
  type Checks,
  claim,
  fail,
  idOf,
  move,
  pause,
  pushed,
  type Release,
  stumble,
  underWay,
} from './release.ts';

/** Longer than any step takes; a worker that dies leaves the release to the next after it. */
const CLAIM_MS = 60_000;
/** How often a starting slot is looked at. */
const POLL_MS = 2_000;
/** Utterances that people have judged: of the labelled turns the last, and all of them at most, in calls of so many. */
const LABELLED = 500;
const LABELLED_MS = 30 * 24 * 3_600_000;
const JUDGED = 3_000;
const BATCH = 100;
/** How long that may take: what was not asked by then is not judged. */
const JUDGE_MS = 15_000;
/** How long the comparison may take: well below the claim. */
const COMPARE_MS = 25_000;
/** Slower than this and than thrice production is too slow to go live. */
const SLOW_MS = 250;

/**
 * Takes a release one step further: verify it in the registry, stage it, wait until the slot serves it, check its answers.
 * Every step reads what is, before it acts, and so may run twice. Returns the milliseconds after which to go on; null when
 * there is nothing more to do.
 */
export async function advance(digest: string, repository: string, at = 0): Promise<number | null> {
  const by = randomUUID();
  const found = await take(digest, repository, at, by);
  if (!found) return null;
  if (found.release === null) return found.wait;
  const { release } = found;
  const now = Date.now();
  let next: Release;
  try {
    next = await step(release);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    log('warn', 'a step of a release did not work', { digest, state: release.state, reason });
    // Trying again helps where a service was away; what a service refused stays refused.
    next = error instanceof Unavailable ? stumble(release, reason, now) : fail(release, reason, now);
    if (next.state === 'failed' && release.state !== 'pushed' && release.state !== 'verified')
      next = { ...next, reason: `${next.reason}\n\n${await stagingLog()}`.trim() };
  }
  const waits = next === release;
  const recorded = await releases.change<boolean>(release.id, {
    transition: (current) => {
      // Someone else went on with it: what stands there counts.
      if (current?.claim?.by !== by) return [null, false];
      return [{ ...next, notified: current.notified, claim: null }, true];
    },
  });
  if (!recorded) return POLL_MS;
  if (!waits) await tell(next);
  if (next.state !== release.state) log('info', 'release', { digest, state: next.state, reason: next.reason });
  if (!underWay(next)) return null;
  if (next.state !== release.state) return 0;
  if (!waits) return pause(next);
  // Whoever ends the ramp wakes it, and else the timer.
  return next.state === 'verified' && (await rampRefusal()) !== null ? null : POLL_MS;
}

type Taken = { release: Release } | { release: null; wait: number } | null;

/** Claims a release, creating it where there is none; `release` null: another worker has it. Null: nothing is to be done. */
async function take(digest: string, repository: string, at: number, by: string): Promise<Taken> {
  return await releases.change<Taken, boolean>(idOf(digest), {
    prepare: async (known) => known !== null && !underWay(known) && (await pushedAgain(known, at)),
    transition: (known, renewed) => {
      const now = Date.now();
      if (known && !underWay(known) && !renewed) return [null, null];
      const release = !known
        ? pushed(digest, repository, now, at > 0 ? Math.min(at, now) : now)
        : renewed
          ? again(known, now, Math.min(at, now))
          : known;
      const claimed = claim(release, by, now, CLAIM_MS);
      if (claimed) return [claimed, { release: claimed }];
      return [null, { release: null, wait: Math.max(POLL_MS, (release.claim?.until ?? now) - now) }];
    },
  });
}

/** Whether an image that was in use before is what the tag names now: then its push is a new one, and not a repeated message. */
async function pushedAgain(release: Release, at: number): Promise<boolean> {
  if (at <= release.since || !['superseded', 'rolled-back', 'failed'].includes(release.state)) return false;
  return (await reached(() => registryOf(release).resolve(settings().RELEASE_TAG))) === release.digest;
}

/** One step; the same object: nothing to record yet. */
async function step(release: Release): Promise<Release> {
  const newer = await overtaken(release);
  if (newer) return move(release, 'superseded', Date.now(), { note: `${newer.slice(0, 19)} was pushed after it` });
  switch (release.state) {
    case 'pushed':
      return await verify(release);
    case 'verified':
      // Without a model it would never be ready, and production must not get it.
      if (release.models.length === 0) return move(release, 'base', Date.now(), { note: 'kept, and not staged' });
      return await toStaging(release);
    case 'staging':
      return await serving(release);
    default:
      return await check(release);
  }
}

/** The digest of a newer release that is under way or beyond: there is one staging slot. */
async function overtaken({ digest, pushedAt }: Release): Promise<string | undefined> {
  const others = await listReleases(20);
  return others.find(
    (other) => other.pushedAt > pushedAt && other.digest !== digest && !['failed', 'base'].includes(other.state),
  )?.digest;
}

function registryOf({ repository }: Release): Registry {
  const { REGISTRY_URL: url, RELEASE_REPOSITORIES: allowed } = settings();
  if (!url) throw new Rejected('registry', 'REGISTRY_URL is not set');
  if (!allowed.includes(repository)) throw new Rejected('registry', `${repository} is not in RELEASE_REPOSITORIES`);
  return new Registry(url, repository, credential());
}

/** The image by its digest, whatever its tag names by now, and that it is one of ours for this platform. */
async function verify(release: Release): Promise<Release> {
  const { label, content } = await inspect(release);
  return move(release, 'verified', Date.now(), {
    models: label.models.map(({ golden: _golden, ...model }) => model),
    release: content,
    note: label.models.map(({ name, version }) => `${name} ${version}`).join(', ') || 'the server alone',
  });
}

async function inspect(release: Release): Promise<{ label: ReleaseLabel; content: string }> {
  const image = await reached(() => registryOf(release).image(release.digest));
  if (!image) throw new Rejected('registry', `there is no image ${release.digest}`, 404);
  const { os, architecture } = image.config;
  if (os !== 'linux' || architecture !== 'amd64')
    throw new Rejected('registry', `the image is for ${os}/${architecture}, not linux/amd64`);
  const [label, content] = [labelOf(image), releaseOf(image)];
  if (!label || !content) throw new Rejected('registry', 'the image was not made by npm run release: it has no label');
  const { INTENT_MODEL: needed } = settings();
  if (label.models.length > 0 && !label.models.some(({ name }) => name === needed))
    throw new Rejected('registry', `the image has no model ${needed}, which the bot asks`);
  return { label, content };
}

function imageName({ repository, digest }: Release): string {
  return `${new URL(settings().REGISTRY_URL!).host}/${repository}@${digest}`;
}

async function toStaging(release: Release): Promise<Release> {
  const image = imageName(release);
  // There is one staging slot: what is ramped there answers customers.
  if ((await swapping()) || (await rampRefusal()) !== null) return release;
  const already = (await imageOf('staging')) === image;
  // Begun while that was asked.
  if ((await rampRefusal()) !== null) return release;
  if (!already) await stage(image);
  return move(release, 'staging', Date.now(), { note: already ? 'the slot had it already' : image });
}

/** Whether somebody swaps the slots: what is staged then would go live unchecked. */
async function swapping(): Promise<boolean> {
  const now = Date.now();
  return (await listReleases(50)).some(
    ({ state, claim }) => (state === 'ready' || state === 'live') && claim !== null && claim.until > now,
  );
}

/** Waits until the slot says that it serves this release. */
async function serving(release: Release): Promise<Release> {
  const { STAGING_URL: url, RELEASE_START_SECONDS: limit } = settings();
  if (!url) throw new Rejected('staging', 'STAGING_URL is not set');
  let seen: string;
  try {
    const served = await servedRelease(url);
    if (served === release.release) {
      const seconds = ((Date.now() - release.since) / 1_000).toFixed(1);
      return move(release, 'warm', Date.now(), { note: `served after ${seconds} s` });
    }
    seen = `it serves ${served ?? 'something that does not say what it is'}`;
  } catch (error) {
    seen = error instanceof Error ? error.message : String(error);
  }
  if (Date.now() - release.since < limit * 1_000) {
    // An older release was on its way to the slot when this one was staged.
    if ((await imageOf('staging')) !== imageName(release) && !(await swapping())) await stage(imageName(release));
    return release;
  }
  const wanted =
    (await imageOf('staging')) === imageName(release) ? '' : '; the slot was given another image meanwhile';
  throw new Rejected('staging', `the slot did not serve this image within ${limit} s: ${seen}${wanted}`);
}

/** Golden cases, then the answers and the latency beside production's. */
async function check(release: Release): Promise<Release> {
  const { label } = await inspect(release);
  const {
    STAGING_URL: staging,
    RELEASE_AGREEMENT: least,
    RELEASE_LOSS: inside,
    RELEASE_LOSS_NONE: outside,
  } = settings();
  const golden = { passed: 0, failed: 0 };
  const wrong: string[] = [];
  for (const { name, golden: cases } of label.models) {
    if (cases.length === 0) continue;
    const { labels } = await classify(
      staging!,
      name,
      cases.map(({ input }) => input),
    );
    for (const [index, { output }] of cases.entries()) {
      const passed = labels[index] === output.label;
      golden[passed ? 'passed' : 'failed'] += 1;
      if (!passed) wrong.push(`${name} case ${index}: ${labels[index]} instead of ${output.label}`);
    }
  }
  const checks: Checks = {
    golden,
    comparison: await compare(),
    judgement: await judgedIntents(),
    faq: await judgedFaq(),
  };
  // Another image may have been staged meanwhile: these were its answers then.
  const served = await servedRelease(staging!);
  if (served !== release.release) throw new Rejected('staging', `the slot serves ${served ?? 'something else'} by now`);
  const failed = (reason: string) => ({ ...fail(release, reason, Date.now()), checks });
  if (wrong.length > 0) return failed(`${wrong.length} golden cases fail: ${wrong.slice(0, 5).join('; ')}`);
  const { comparison, judgement, faq } = checks;
  const worse = judgement ? worseThan(judgement, { inside, outside }) : null;
  if (worse) return failed(worse);
  const worseFaq = faq ? worseThan(faq, { inside, outside }) : null;
  if (worseFaq) return failed(`the FAQ: ${worseFaq}`);
  if (comparison && comparison.same / comparison.compared < least)
    return failed(
      `${comparison.compared - comparison.same} of ${comparison.compared} logged utterances are answered otherwise than in production`,
    );
  if (comparison && comparison.stagingP95 > SLOW_MS && comparison.stagingP95 > 3 * comparison.productionP95)
    return failed(
      `answers take ${comparison.stagingP95.toFixed(0)} ms (p95), in production ${comparison.productionP95.toFixed(0)} ms`,
    );
  const told = `${toldOf(judgement, 'judged utterances')}${toldOf(faq, 'questions to the FAQ')}`;
  const note = `${golden.passed} golden cases${told}${comparison ? `, ${comparison.same} of ${comparison.compared} logged utterances as in production` : ''}`;
  return move(release, 'ready', Date.now(), { checks, note, reason: null });
}

function toldOf(judgement: Judgement | null | undefined, what: string): string {
  if (!judgement) return '';
  const { inside, outside, better, worse, changed } = judgement;
  return `, of ${inside + outside} ${what} ${better} better, ${worse} worse, ${changed} changed`;
}

/** Production and the staged release on the bot's held-out utterances and on labelled turns. */
async function judgedIntents(): Promise<Judgement | null> {
  const { intents } = await heldOut();
  const labelled = await labelledTurns(LABELLED, Date.now() - LABELLED_MS);
  return await judged(settings().INTENT_MODEL, [...intents, ...labelled]);
}

/** And on ways to ask the FAQ; null where production has no model of it. */
async function judgedFaq(): Promise<Judgement | null> {
  const { faq } = await heldOut();
  return await judged(
    settings().FAQ_MODEL,
    faq.map(({ text, entry }) => ({ text, intent: entry })),
  );
}

/** Null where there is nothing to judge by, or no such model in production, or in the release. */
async function judged(model: string, all: readonly Known[]): Promise<Judgement | null> {
  const { INFERENCE_URL: production, STAGING_URL: staging } = settings();
  const known = all.slice(0, JUDGED);
  if (known.length === 0) return null;
  const before: string[] = [];
  const after: string[] = [];
  const end = Date.now() + JUDGE_MS;
  for (let from = 0; from < known.length && Date.now() < end; from += BATCH) {
    const texts = known.slice(from, from + BATCH).map(({ text }) => text);
    const answers = await classify(production, model, texts).catch((error: Error) => {
      // A release may be what repairs production, or the first that has a model.
      if (error instanceof Unavailable || (error instanceof Rejected && error.status === 404)) return null;
      throw error;
    });
    if (!answers) break;
    const staged = await classify(staging!, model, texts).catch((error: Error) => {
      // A bot may have no FAQ any more; without its intents it would not get here.
      if (model !== settings().INTENT_MODEL && error instanceof Rejected && error.status === 404) return null;
      throw error;
    });
    if (!staged) break;
    before.push(...answers.labels);
    after.push(...staged.labels);
  }
  return after.length === 0 ? null : judge(known.slice(0, after.length), before, after);
}

async function compare(): Promise<Checks['comparison']> {
  const { INFERENCE_URL: production, STAGING_URL: staging, INTENT_MODEL: model, RELEASE_COMPARE: count } = settings();
  const turns = count > 0 ? await lastTurns(count) : [];
  if (turns.length === 0) return null;
  let changed = 0;
  const times: { staging: number[]; production: number[] } = { staging: [], production: [] };
  const end = Date.now() + COMPARE_MS;
  for (const { text } of turns) {
    if (Date.now() > end) break;
    const before = await classify(production, model, [text]).catch((error: Error) => {
      // A release may be what repairs production: it is judged by its golden cases alone then.
      if (error instanceof Unavailable) return null;
      throw error;
    });
    if (!before) break;
    const after = await classify(staging!, model, [text]);
    times.production.push(before.ms);
    times.staging.push(after.ms);
    if (before.labels[0] !== after.labels[0]) changed += 1;
  }
  const p95 = (all: number[]) => all.sort((a, b) => a - b)[Math.ceil(all.length * 0.95) - 1] ?? 0;
  const compared = times.staging.length;
  if (compared === 0) return null;
  return {
    compared,
    same: compared - changed,
    stagingP95: p95(times.staging),
    productionP95: p95(times.production),
  };
}
