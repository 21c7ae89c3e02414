import type { Known, Limits } from '../../releases/judgement.ts';
import { judge, worseThan } from '../../releases/judgement.ts';
import { figures } from '../metrics.ts';
import type { Verdict } from './job.ts';

/** What a model said of a text, whatever its threshold, and what that makes of it (`none` below). */
export interface Answer {
  label: string;
  top: string;
  score: number;
}

/** What was asked of both: utterances whose meaning is known, and what customers have written. */
export interface Asked {
  /** `before` null: nothing is live that could be asked. */
  intents: { known: readonly Known[]; before: readonly string[] | null; after: readonly Answer[] };
  /** Null: there is no FAQ, or it has nothing to judge by. */
  faq: { known: readonly Known[]; before: readonly string[] | null; after: readonly string[] } | null;
  log: { before: readonly string[]; after: readonly string[] } | null;
  threshold: number;
}

/** When a model must not go on by itself. */
export interface Gates extends Limits {
  /** The least share of logged turns that are understood as before. */
  agreement: number;
}

/** Utterances of one intent that are lost before it is said of the intent: by number, and by share of its own. */
const [LOST, LOST_SHARE] = [3, 0.2];
/** The greatest calibration error of scores that mean something, and the utterances that it takes to say so. */
const [ECE, ECE_LEAST] = [0.15, 100];
/** Fewer utterances judge nothing. */
const LEAST = 10;
/** Fewer logged turns say nothing of a share. */
const LEAST_LOGGED = 50;

/** What is to be said of a model beside the one that is live. Pure. */
export function verdictOf({ intents, faq, log, threshold }: Asked, gates: Gates): Verdict {
  const { known, before, after } = intents;
  const judged =
    before && known.length > 0
      ? judge(
          known,
          before,
          after.map(({ label }) => label),
        )
      : null;
  const judgedFaq = faq?.before && faq.known.length > 0 ? judge(faq.known, faq.before, faq.after) : null;
  const worse = before ? worseIntents(known, before, after) : [];
  const inside = known.flatMap(({ intent }, index) => {
    const { top, score } = after[index]!;
    return intent === 'none' ? [] : [{ intent, label: top, score }];
  });
  const ece = inside.length >= ECE_LEAST ? figures(inside, [], threshold).ece : null;
  const changed = log?.before.filter((label, index) => label !== log.after[index]).length ?? 0;
  const compared = log ? { compared: log.before.length, changed } : null;

  const stays = [judged && worseThan(judged, gates), judgedFaq && told('the FAQ', worseThan(judgedFaq, gates))];
  const asks = [
    before === null ? 'nothing is live that it could be judged beside' : null,
    faq?.before === null ? 'the FAQ that is live could not be asked' : null,
    known.length < LEAST
      ? `only ${known.length} utterances are there to judge it by: label some more, or fill held-out/`
      : null,
    ...worse.map(
      ({ intent, of, before: was, after: is }) =>
        `of ${of} utterances of “${intent}” ${is} are right, and ${was} are with what is live`,
    ),
    ece !== null && ece > ECE ? `its scores are off by ${(100 * ece).toFixed(0)} points on average` : null,
    compared && compared.compared >= LEAST_LOGGED && 1 - changed / compared.compared < gates.agreement
      ? `${changed} of the last ${compared.compared} messages are understood otherwise`
      : null,
  ];
  const isWorse = stays.some((reason) => reason !== null);
  const reasons = [...stays, ...asks].filter((reason) => reason !== null);
  return { intents: judged, faq: judgedFaq, worse, log: compared, ece, reasons, mayPass: !isWorse };
}

function told(what: string, reason: string | null): string | null {
  return reason && `${what}: ${reason}`;
}

function worseIntents(known: readonly Known[], before: readonly string[], after: readonly Answer[]): Verdict['worse'] {
  const rows = known.map(({ intent }, index) => ({
    intent,
    before: Number(before[index] === intent),
    after: Number(after[index]!.label === intent),
  }));
  return [...Map.groupBy(rows, ({ intent }) => intent)]
    .map(([intent, own]) => ({
      intent,
      of: own.length,
      before: own.reduce((sum, row) => sum + row.before, 0),
      after: own.reduce((sum, row) => sum + row.after, 0),
    }))
    .filter(({ of, before: was, after: is }) => was - is >= LOST && (was - is) / of >= LOST_SHARE)
    .sort((a, b) => b.before - b.after - (a.before - a.after));
}
