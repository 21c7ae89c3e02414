import type { HttpRequest } from '@azure/functions';
import { storedTurnId } from '../../conversation/identifier.ts';
import { audited, auditLook } from '../../services/audit.ts';
import { type LoggedTurn, olderTurns } from '../../services/call-log.ts';
import { type Place, type Search, searchTurns } from '../../services/log-search.ts';
import { settings } from '../../services/settings.ts';
import { DAY_MS } from '../../statistics/day.ts';
import { outcomeOf } from '../../statistics/rollup.ts';
import { Problem } from '../problem.ts';
import { json, readQuery, staffRoute } from '../route.ts';
import * as schemas from './schemas.ts';
import { agentOf } from './speak.ts';
import { conversationOf } from './transcript.ts';

const PAGE = 50;
const TURNS = 100;
/** Of one file. */
const EXPORTED = 10_000;
const EXPORT_MS = 60_000;
/** After every other turn. */
const LAST = 1e12;

/** GET /api/admin/turns */
export const getTurns = staffRoute(
  'admin.turns',
  {
    summary: 'The call log: what customers wrote and what the bot made of it, the newest first',
    query: schemas.turnsQuery,
    answers: { 200: { description: 'A page of turns.', schema: schemas.turns } },
    problems: ['invalid_message', 'unavailable'],
  },
  async (request) => {
    const { search, place } = searchOf(request);
    const { turns, next } = await searchTurns(search, place, PAGE);
    return json(200, { turns: turns.map(shown), next: next && written(next), searched: next?.at ?? search.from });
  },
);

/** GET /api/admin/conversations/{conversationId} */
export const getConversation = staffRoute(
  'admin.conversation',
  {
    summary: 'A conversation as its user saw it, with all that is known of each turn',
    path: schemas.conversation,
    query: schemas.conversationQuery,
    answers: {
      200: { description: 'The last turns before a place, oldest first.', schema: schemas.loggedConversation },
    },
    problems: ['invalid_message', 'not_found', 'unavailable'],
  },
  async (request, principal) => {
    const id = conversationOf(request);
    const { before } = readQuery(request, schemas.conversationQuery);
    const turns = await olderTurns(id, before ?? LAST, TURNS);
    if (turns.length === 0 && before === undefined)
      throw new Problem('not_found', 'The call log has nothing of such a conversation, or its user was erased.');
    await auditLook(agentOf(principal), 'conversation.view', id);
    return json(200, {
      conversationId: id,
      turns: turns.map((turn) => ({ ...shown(turn), ...details(turn) })),
      more: turns.length === TURNS,
    });
  },
);

/** GET /api/admin/turns/export */
export const exportTurns = staffRoute(
  'admin.turns-export',
  {
    summary: 'What a search of the call log finds, as a file',
    description: `The newest ${EXPORTED.toLocaleString('en')} at most: a narrower time has the others. Texts are without personal details.`,
    query: schemas.exportQuery,
    answers: {
      200: {
        description: 'The file.',
        types: ['text/csv; charset=utf-8', 'application/jsonl; charset=utf-8'],
        headers: { 'Content-Disposition': 'A name for the file.' },
      },
    },
    problems: ['invalid_message', 'unavailable'],
  },
  async (request, principal) => {
    const { format } = readQuery(request, schemas.exportQuery);
    const { search } = searchOf(request);
    const turns = await audited(agentOf(principal), 'turns.export', null, async () => {
      const turns = await all(search);
      // Which filters, and not what was looked for by them.
      const { from, to, ...filters } = search;
      const named = Object.entries(filters).flatMap(([name, value]) => (value === undefined ? [] : [name]));
      return { result: turns, after: { format, turns: turns.length, from, to, filters: named } };
    });
    const rows = turns.map(row);
    const body =
      format === 'csv'
        ? `\ufeff${[COLUMNS, ...rows.map((one) => COLUMNS.map((name) => one[name]))].map(line).join('')}`
        : rows.map((one) => `${JSON.stringify(one)}\n`).join('');
    return {
      status: 200,
      headers: {
        'content-type': `${format === 'csv' ? 'text/csv' : 'application/jsonl'}; charset=utf-8`,
        'content-disposition': `attachment; filename="turns.${format}"`,
        'cache-control': 'no-store',
      },
      body,
    };
  },
);

async function all(search: Search): Promise<LoggedTurn[]> {
  const end = Date.now() + EXPORT_MS;
  const turns: LoggedTurn[] = [];
  let place: Place | null = null;
  do {
    const found = await searchTurns(search, place, Math.min(1_000, EXPORTED - turns.length));
    turns.push(...found.turns);
    place = found.next;
    if (place && Date.now() > end) throw new Problem('unavailable', 'This takes too long: ask for a narrower time.');
  } while (place && turns.length < EXPORTED);
  return turns;
}

const COLUMNS = [
  'answeredAt',
  'conversationId',
  'turnId',
  'channel',
  'locale',
  'text',
  'intent',
  'score',
  'outcome',
  'skill',
  'reply',
  'feedback',
  'label',
  'model',
  'content',
  'ms',
] as const;

function row(turn: LoggedTurn): Record<(typeof COLUMNS)[number], string | number> {
  const { understanding, replies } = turn;
  return {
    answeredAt: new Date(turn.answeredAt).toISOString(),
    conversationId: turn.conversationId,
    turnId: turn.id,
    channel: turn.channel,
    locale: turn.locale,
    text: turn.text,
    intent: understanding?.intent ?? '',
    score: understanding ? Number(understanding.score.toFixed(4)) : '',
    outcome: outcomeOf(turn) ?? '',
    skill: turn.skill,
    reply: replies.map(({ text }) => text).join('\n'),
    feedback: turn.feedback?.rating ?? '',
    label: turn.label ?? '',
    model: understanding?.model.version ?? '',
    content: turn.content ?? '',
    ms: turn.answeredAt - turn.acceptedAt,
  };
}

/** RFC 4180, with every text in quotes: some spreadsheets part at semicolons. What they would take for a formula is made a text. */
function line(cells: readonly (string | number)[]): string {
  const quoted = cells.map((cell) => {
    if (typeof cell === 'number') return String(cell);
    const text = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
    return `"${text.replaceAll('"', '""')}"`;
  });
  return `${quoted.join(',')}\r\n`;
}

function searchOf(request: HttpRequest): { search: Search; place: Place | null } {
  const now = Date.now();
  const { from, to, after, ...rest } = readQuery(request, schemas.turnsQuery);
  const oldest = now - settings().CALL_LOG_DAYS * DAY_MS;
  const search = { ...rest, from: Math.max(from ?? oldest, oldest), to: Math.min(to ?? now + DAY_MS, now + DAY_MS) };
  return { search, place: after === undefined ? null : placeOf(after) };
}

const written = ({ at, seen }: Place): string => [at, ...seen].join('~');

function placeOf(text: string): Place {
  const [at, ...seen] = text.split('~');
  return { at: Number(at), seen: seen.flatMap((id) => storedTurnId(id) ?? []) };
}

function shown(turn: LoggedTurn) {
  const { understanding, replies, feedback, attachments } = turn;
  return {
    conversationId: turn.conversationId,
    turnId: turn.id,
    at: turn.answeredAt,
    channel: turn.channel,
    locale: turn.locale,
    text: turn.text,
    pictures: attachments.length,
    reply: replies.map(({ text }) => text).join('\n'),
    outcome: outcomeOf(turn),
    skill: turn.skill,
    ...(understanding && {
      intent: understanding.intent,
      score: understanding.score,
      model: understanding.model.version,
    }),
    ...(feedback && { feedback: { rating: feedback.rating, comment: feedback.comment ?? null } }),
    ...(turn.handover !== undefined && { handover: turn.handover }),
    ...(turn.label !== undefined && { label: turn.label }),
  };
}

function details(turn: LoggedTurn) {
  const { understanding, timings, traceparent } = turn;
  return {
    ordinal: turn.ordinal,
    ms: turn.answeredAt - turn.acceptedAt,
    replies: turn.replies.map(({ text, suggestions = [], cards = [] }) => ({
      text,
      suggestions,
      cards: cards.map(({ title }) => title),
    })),
    ...(turn.by && { by: turn.by }),
    ...(turn.step && { step: turn.step }),
    ...(turn.wrapUp !== undefined && { wrapUp: turn.wrapUp }),
    ...(turn.rating !== undefined && { stars: turn.rating }),
    ...(turn.deliveryError !== undefined && { deliveryError: turn.deliveryError }),
    ...(turn.lastError !== undefined && { lastError: turn.lastError }),
    ...(turn.meant !== undefined && { meant: turn.meant }),
    top: understanding?.top ?? [],
    wishes: (understanding?.wishes ?? []).map(({ intent, entry, score, negated }) => ({
      intent,
      entry: entry ?? null,
      score,
      negated,
    })),
    faq: understanding?.faq ? { entry: understanding.faq.entry, score: understanding.faq.score } : null,
    modelName: understanding?.model.name ?? null,
    content: turn.content ?? null,
    timings,
    traceId: traceparent.split('-')[1] ?? '',
  };
}
