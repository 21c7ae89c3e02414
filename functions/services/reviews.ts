import { itemsOf } from '../content/item.ts';
import { type Group, groupsOf, isJudge } from '../content/queue.ts';
import type { Agent } from '../conversation/document.ts';
import type { ConversationId, TurnId, UserId } from '../conversation/identifier.ts';
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
  from: { conversationId: ConversationId; turnId: TurnId }[];
  participants: UserId[];
}

export interface Decision {
  kind: 'intent' | 'skip';
  /** What it means; `none`: out of scope. */
  intent: string | null;
  by: Agent;
  at: number;
  /** Whether it became an utterance of the draft. Otherwise it judges. */
  trains: boolean;
}

const documents = new Documents<Review>('reviews');

/** Turns that are looked through, and how far back. */
const [TURNS, DAYS_MS] = [2_000, 30 * 24 * 3_600_000];
/** How long what was found is taken for it, and how long somebody may think, in milliseconds. */
const [FRESH, CLAIM] = [30_000, 10 * 60_000];
const FROM = 20;
const ATTEMPTS = 8;

let found: { until: number; groups: Promise<Group[]> } | undefined;

async function groups(now: number): Promise<Group[]> {
  if (!found || found.until < now) {
    const groups = reviewableTurns(now - DAYS_MS, TURNS).then(groupsOf);
    groups.catch(() => {
      found = undefined;
    });
    found = { until: now + FRESH, groups };
  }
  return await found.groups;
}

/** The next that need a look and nobody has looked at, given to one person alone. Those that the person has already come first. */
export async function nextReviews(by: Agent, count: number, now: number): Promise<Group[]> {
  const given: Group[] = [];
  for (const group of await groups(now)) {
    if (given.length >= count) break;
    if (await claim(group, by, now)) given.push(group);
  }
  return given;
}

export async function waitingReviews(now: number): Promise<number> {
  return (await groups(now)).length;
}

async function claim({ id, text, locale, turns }: Group, by: Agent, now: number): Promise<boolean> {
  return await documents.change<boolean>(id, {
    transition: (review) => {
      if (review?.decision || (review?.claim && review.claim.until > now && review.claim.by !== by.id))
        return [null, false];
      const from = turns.slice(0, FROM).map((turn) => ({ conversationId: turn.conversationId, turnId: turn.id }));
      const participants = [...new Set(turns.slice(0, FROM).map(({ userId }) => userId))];
      const next = { id, text, locale, claim: { by: by.id, until: now + CLAIM }, decision: null, from, participants };
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
  const trains = decision.kind === 'intent' && !isJudge(id) && (await hasIntent(decision.intent!));
  const review = await documents.change<Review | null>(id, {
    transition: (current) => {
      if (!current || (current.claim && current.claim.by !== by.id)) return [null, null];
      // Another word needs the first to be taken back: its utterance is in a draft.
      const said = current.decision;
      if (said && (said.by.id !== by.id || said.kind !== decision.kind || said.intent !== decision.intent))
        return [null, null];
      const next = {
        ...current,
        claim: { by: by.id, until: now + CLAIM },
        decision: { ...decision, by, at: now, trains },
      };
      return [next, next];
    },
  });
  if (!review) throw new Stale('A colleague has this, or something else was said of it: take that back first.');
  if (decision.kind === 'intent') {
    if (trains) await changeUtterances(decision.intent!, review, by, 'add');
    for (const { conversationId, turnId } of review.from)
      await labelTurn(conversationId, turnId, { intent: decision.intent!, trains });
  }
  return review;
}

/** Takes back what this person said. */
export async function undo(id: string, by: Agent, now: number): Promise<Review> {
  const before = await readReview(id);
  if (before?.decision?.by.id !== by.id) throw new Stale('There is nothing of yours to take back.');
  const { decision } = before;
  if (decision.kind === 'intent') {
    if (decision.trains) await changeUtterances(decision.intent!, before, by, 'remove');
    for (const { conversationId, turnId } of before.from) await labelTurn(conversationId, turnId, null);
  }
  const claimed = await documents.change<Review | null>(id, {
    transition: (current) => {
      if (current?.decision?.by.id !== by.id) return [null, null];
      const next = { ...current, decision: null, claim: { by: by.id, until: now + CLAIM } };
      return [next, next];
    },
  });
  return claimed ?? before;
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
  const item = `intent.${intent}`;
  for (let attempt = 1; ; attempt += 1) {
    const { content } = await published();
    const draft = await readDraft(item);
    const value = (draft ? draft.document.value : itemsOf(content).get(item)) as {
      utterances?: Record<string, string[]>;
    } | null;
    // Taken out of the bot by somebody: it is labelled all the same.
    if (!value) return;
    const texts = value.utterances?.[locale] ?? [];
    const isThere = texts.includes(text);
    if (isThere === (how === 'add')) return;
    const next = how === 'add' ? [...texts, text] : texts.filter((one) => one !== text);
    try {
      await writeDraft(
        item,
        { ...value, utterances: { ...value.utterances, [locale]: next } },
        draft?.etag ?? null,
        by,
        content,
      );
      return;
    } catch (error) {
      if (!(error instanceof Stale) || attempt >= ATTEMPTS) throw error;
    }
  }
}
