import { hashOf, itemsOf } from '../content/item.ts';
import { type Group, groupsOf, isJudge } from '../content/queue.ts';
import type { Agent } from '../conversation/document.ts';
import type { ConversationId, TurnId, UserId } from '../conversation/identifier.ts';
import { utteranceKey } from '../dialog/bot.ts';
import type { Label } from '../training/job/examples.ts';
import { labelTurn, reviewableTurns } from './call-log.ts';
import { published, readDraft, Stale, writeDraft } from './content.ts';
import { Documents } from './documents.ts';

/**
 * What a person said of something that customers write (container `reviews`, partition key = id: of the text and its language). It has no
 * personal details, and names its turns only until their user is erased.
 */
export interface Review {
  id: string;
  text: string;
  locale: string;
  /** Who looks at it, until when: nobody else is given it. */
  claim: { by: string; until: number } | null;
  decision: Decision | null;
  /** When it was decided; null: it is not. */
  decidedAt: number | null;
  from: { conversationId: ConversationId; turnId: TurnId; userId: UserId }[];
  participants: UserId[];
}

export interface Decision {
  kind: 'intent' | 'skip';
  /** What it means; `none`: out of scope. */
  intent: string | null;
  by: Agent;
  at: number;
  /** Whether models learn from it: it is an utterance. Otherwise it judges them. */
  trains: boolean;
  /** Whether this decision made it one: it may have been before. */
  added: boolean;
}

const documents = new Documents<Review>('reviews');

/** Turns that are looked through, and how far back. */
const [TURNS, DAYS_MS] = [2_000, 30 * 24 * 3_600_000];
/** How long what was found is taken for it, and how long somebody may think, in milliseconds. */
const [FRESH, CLAIM] = [10_000, 10 * 60_000];
const FROM = 20;
/** Labels that are read at once: the newest. */
const LABELS = 20_000;
const DECIDED = 5_000;
const ATTEMPTS = 8;

let found: { until: number; groups: Promise<Group[]> } | undefined;
/** What was decided since that was found. */
const over = new Set<string>();

async function groups(now: number): Promise<Group[]> {
  if (!found || found.until < now) {
    over.clear();
    const groups = look(now);
    groups.catch(() => {
      found = undefined;
    });
    found = { until: now + FRESH, groups };
  }
  return (await found.groups).filter(({ id }) => !over.has(id));
}

async function look(now: number): Promise<Group[]> {
  const since = now - DAYS_MS;
  const query = `SELECT TOP ${DECIDED} VALUE c.id FROM c WHERE c.decidedAt > @since ORDER BY c.decidedAt DESC`;
  const [turns, ids] = await Promise.all([
    reviewableTurns(since, TURNS),
    documents.query<string>(query, [{ name: '@since', value: since }], { limit: 1_000 }),
  ]);
  const decided = new Set(ids);
  return groupsOf(turns).filter(({ id }) => !decided.has(id));
}

/** The next that need a look and nobody has looked at, given to one person alone. */
export async function nextReviews(by: Agent, count: number, now: number): Promise<Group[]> {
  const given: Group[] = [];
  for (const group of await groups(now)) {
    if (given.length >= count) break;
    if (await takeReview(group, by, now)) given.push(group);
  }
  return given;
}

export async function waitingReviews(now: number): Promise<number> {
  return (await groups(now)).length;
}

/** Gives it to one person; false where somebody else has it, or has said something of it. */
export async function takeReview({ id, text, locale, turns }: Group, by: Agent, now: number): Promise<boolean> {
  return await documents.change<boolean>(id, {
    transition: (review) => {
      if (review?.decision || (review?.claim && review.claim.until > now && review.claim.by !== by.id))
        return [null, false];
      const from = turns
        .slice(0, FROM)
        .map((turn) => ({ conversationId: turn.conversationId, turnId: turn.id, userId: turn.userId }));
      const participants = [...new Set(turns.slice(0, FROM).map(({ userId }) => userId))];
      const next = {
        id,
        text,
        locale,
        claim: { by: by.id, until: now + CLAIM },
        decision: null,
        decidedAt: null,
        from,
        participants,
      };
      return [next, true];
    },
  });
}

export async function readReview(id: string): Promise<Review | null> {
  return (await documents.read(id))?.document ?? null;
}

/**
 * Keeps what somebody said that a text means: in the call log, and, unless it is to judge, as an utterance of the draft. Repeated, it changes
 * nothing. Throws {@link Stale} where a colleague has it, or has said so before.
 */
export async function decide(
  id: string,
  by: Agent,
  decision: Pick<Decision, 'kind' | 'intent'>,
  now: number,
): Promise<Review> {
  const known = await readReview(id);
  const isUtterance = known !== null && decision.kind === 'intent' && (await isTaught(decision.intent!, known));
  // What is an utterance already can't judge.
  const trains =
    known !== null &&
    decision.kind === 'intent' &&
    (isUtterance || !isJudge(known.text)) &&
    (await hasIntent(decision.intent!));
  const review = await documents.change<Review | null>(id, {
    transition: (current) => {
      if (!current || (current.claim && current.claim.by !== by.id)) return [null, null];
      // Another word needs the first to be taken back: its utterance is in a draft.
      const said = current.decision;
      if (said && (said.by.id !== by.id || said.kind !== decision.kind || said.intent !== decision.intent))
        return [null, null];
      const added = said?.added ?? (trains && !isUtterance);
      const next = {
        ...current,
        claim: { by: by.id, until: now + CLAIM },
        decision: { ...decision, by, at: said?.at ?? now, trains: said?.trains ?? trains, added },
        decidedAt: said?.at ?? now,
      };
      return [next, next];
    },
  });
  if (!review) throw new Stale('A colleague has this, or something else was said of it: take that back first.');
  over.add(id);
  await carryOut(review, by);
  // Taken back while it was carried out: then that is, too.
  const after = await readReview(id);
  if (after && after.decision === null) await takeBack(review, by);
  return review;
}

async function carryOut(review: Review, by: Agent): Promise<void> {
  const { decision, from } = review;
  if (decision?.kind !== 'intent') return;
  const { intent, trains, added } = decision;
  if (added) await changeUtterances(intent!, review, by, 'add');
  for (const { conversationId, turnId } of from) await labelTurn(conversationId, turnId, { intent: intent!, trains });
}

async function takeBack(review: Review, by: Agent): Promise<void> {
  const { decision, from } = review;
  if (decision?.kind !== 'intent') return;
  if (decision.added) await changeUtterances(decision.intent!, review, by, 'remove');
  for (const { conversationId, turnId } of from) await labelTurn(conversationId, turnId, null);
}

/** Takes back what this person said. */
export async function undo(id: string, by: Agent, now: number): Promise<void> {
  // First, so that who carries it out right now sees it.
  const before = await documents.change<Review | null>(id, {
    transition: (current) => {
      if (current?.decision?.by.id !== by.id) return [null, null];
      return [{ ...current, decision: null, decidedAt: null, claim: { by: by.id, until: now + CLAIM } }, current];
    },
  });
  if (!before) throw new Stale('There is nothing of yours to take back.');
  over.delete(id);
  await takeBack(before, by);
}

/** Labels that people have given, the newest first: what models learn from, and what judges them. */
export async function labels(): Promise<(Label & { at: number })[]> {
  const query = `SELECT TOP ${LABELS} c.text, c.locale, c.decision, c.decidedAt FROM c WHERE c.decidedAt > 0 ORDER BY c.decidedAt DESC`;
  const rows = await documents.query<Pick<Review, 'text' | 'locale' | 'decision' | 'decidedAt'>>(query, [], {
    limit: 1_000,
  });
  return rows.flatMap(({ text, locale, decision, decidedAt }) =>
    decision?.kind === 'intent'
      ? [{ text, locale, intent: decision.intent!, trains: decision.trains, at: decidedAt! }]
      : [],
  );
}

/** When somebody last decided something; 0: nobody has. */
export async function lastDecision(): Promise<number> {
  const query = 'SELECT TOP 1 VALUE c.decidedAt FROM c WHERE c.decidedAt > 0 ORDER BY c.decidedAt DESC';
  return (await documents.query<number>(query, [], { limit: 1 }))[0] ?? 0;
}

/** Whether it is an utterance of an intent already: as it is live, or as somebody wants it. */
async function isTaught(intent: string, { text, locale }: Review): Promise<boolean> {
  const { value } = await wanted(intent);
  return value?.utterances?.[locale]?.some((one) => utteranceKey(one) === utteranceKey(text)) ?? false;
}

type Utterances = { utterances?: Record<string, string[]> } | null;

/** An intent as somebody wants it, or as it is live; a draft that is live already is none. */
async function wanted(intent: string) {
  const item = `intent.${intent}`;
  const { content } = await published();
  const live = itemsOf(content).get(item);
  const found = await readDraft(item);
  const draft = found && hashOf(found.document.value) !== hashOf(live) ? found : null;
  const value = (draft ? draft.document.value : (live ?? null)) as Utterances;
  // What it was written from stays: whoever publishes it is told that something else was published since.
  const base = draft ? draft.document.base : live === undefined ? null : hashOf(live);
  return { item, content, value, base, etag: found?.etag ?? null };
}

async function hasIntent(name: string): Promise<boolean> {
  const { content } = await published();
  return content.intents.some((intent) => intent.name === name) || (await readDraft(`intent.${name}`)) !== null;
}

/** An utterance more or less in the draft of an intent, whoever else changes it meanwhile. */
async function changeUtterances(
  intent: string,
  { text, locale }: Review,
  by: Agent,
  how: 'add' | 'remove',
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const { item, content, value, base, etag } = await wanted(intent);
    // Taken out of the bot by somebody: it is labelled all the same.
    if (!value) return;
    const texts = value.utterances?.[locale] ?? [];
    if (texts.includes(text) === (how === 'add')) return;
    const next = how === 'add' ? [...texts, text] : texts.filter((one) => one !== text);
    const utterances = { ...value.utterances, [locale]: next };
    try {
      await writeDraft(item, { ...value, utterances }, etag, by, content, { base });
      return;
    } catch (error) {
      if (!(error instanceof Stale) || attempt >= ATTEMPTS) throw error;
    }
  }
}
