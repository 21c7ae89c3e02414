import { createHash } from 'node:crypto';
import { utteranceKey } from '../dialog/bot.ts';
import type { LoggedTurn } from '../services/call-log.ts';
import { outcomeOf } from '../statistics/rollup.ts';

/** What a person should look at of the call log, and in which order. Pure. */
export type Reviewed = Pick<
  LoggedTurn,
  | 'id'
  | 'conversationId'
  | 'userId'
  | 'text'
  | 'locale'
  | 'answeredAt'
  | 'understanding'
  | 'skill'
  | 'outcome'
  | 'feedback'
  | 'handover'
  | 'givenId'
  | 'replies'
>;

type Reason = 'thumbs_down' | 'not_understood' | 'handed_over' | 'unsure' | 'disagreement';

/** The same thing, said by one or by several. */
export interface Group {
  id: string;
  text: string;
  locale: string;
  reasons: Reason[];
  /** The newest first. */
  turns: Reviewed[];
}

/** How much each reason is worth a look. */
const WEIGHT: Record<Reason, number> = {
  thumbs_down: 5,
  not_understood: 4,
  disagreement: 3,
  handed_over: 2,
  unsure: 1,
};
/** The next guess is nearly as likely. */
const MARGIN = 0.2;
/** Texts that are longer are no utterances. */
const LENGTH = 200;

/** What says the same, but for case, blanks and signs. */
export function groupId(text: string, locale: string): string {
  const key = text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, ' ')
    .trim();
  // Of signs alone each is its own.
  return createHash('sha256')
    .update(JSON.stringify([locale, key || text]))
    .digest('base64url');
}

/** What a customer wrote, by itself, whether it needs a look or not; null: of this nothing can be said. */
export function groupOf(turn: Reviewed): Group | null {
  const outcome = outcomeOf(turn);
  if (outcome === null || turn.text.trim() === '' || turn.text.length > LENGTH) return null;
  const { text, locale } = turn;
  return { id: groupId(text, locale), text, locale, reasons: reasonsOf(turn), turns: [turn] };
}

/** Groups of turns that need a look, those that need it most first. */
export function groupsOf(turns: Iterable<Reviewed>): Group[] {
  const groups = new Map<string, Group>();
  /** What each text was understood as, by model: another model may have said otherwise. */
  const meanings = new Map<string, Set<string>>();
  for (const turn of turns) {
    if (turn.text.trim() === '' || turn.text.length > LENGTH) continue;
    const id = groupId(turn.text, turn.locale);
    const group = groups.get(id) ?? { id, text: turn.text, locale: turn.locale, reasons: [], turns: [] };
    groups.set(id, group);
    group.turns.push(turn);
    for (const reason of reasonsOf(turn)) if (!group.reasons.includes(reason)) group.reasons.push(reason);
    const { understanding } = turn;
    if (!understanding) continue;
    const said = meanings.get(id) ?? new Set();
    meanings.set(id, said.add(understanding.intent));
    if (said.size > 1 && !group.reasons.includes('disagreement')) group.reasons.push('disagreement');
  }
  return [...groups.values()].filter(({ reasons }) => reasons.length > 0).sort((a, b) => need(b) - need(a));
}

function need({ reasons, turns }: Group): number {
  return reasons.reduce((sum, reason) => sum + WEIGHT[reason], 0) + Math.log2(turns.length);
}

function reasonsOf(turn: Reviewed): Reason[] {
  const { feedback, understanding } = turn;
  const outcome = outcomeOf(turn);
  if (outcome === null || outcome === 'person') return [];
  const reasons: Reason[] = [];
  if (feedback?.rating === 'down') reasons.push('thumbs_down');
  if (outcome === 'not_understood') reasons.push('not_understood');
  if (outcome === 'handed_over') reasons.push('handed_over');
  const [first, second] = [...(understanding?.top ?? [])].sort((a, b) => b.score - a.score);
  if (first && second && first.score - second.score < MARGIN) reasons.push('unsure');
  return reasons;
}

/** A fifth of what is labelled judges models, and never trains them: by what it says, however it is written and in whatever language. */
export const isJudge = (text: string): boolean =>
  createHash('sha256').update(utteranceKey(text)).digest()[0]! % 5 === 0;
