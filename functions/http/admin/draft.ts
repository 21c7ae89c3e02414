import { createHash } from 'node:crypto';
import { differences, hashOf, itemsOf } from '../../content/item.ts';
import { type Dialog, emptyDialog, type Reply, type Turn } from '../../conversation/document.ts';
import { conversationId, customerId, turnId, userId } from '../../conversation/identifier.ts';
import { Bot, type Content } from '../../dialog/bot.ts';
import { served } from '../../dialog/check.ts';
import { meaningOf } from '../../dialog/meaning.ts';
import { act } from '../../services/actions.ts';
import { lastMeant, type Meant } from '../../services/call-log.ts';
import { draftContent, listDrafts, published } from '../../services/content.ts';
import * as inference from '../../services/inference.ts';
import { answerOf } from '../../skills/answer.ts';
import { answerBy, choose } from '../../skills/choose.ts';
import type { Outside, Question } from '../../skills/skill.ts';
import { json, readJson, staffRoute } from '../route.ts';
import { problemsOf, refuseFaulty, withoutDetails } from './content.ts';
import * as schemas from './schemas.ts';

const TURNS = 1_000;
const SHOWN = 200;

/** POST /api/admin/content/check */
export const checkItem = staffRoute(
  'admin.content-check',
  {
    summary: 'What would be wrong with an item as it is typed; nothing is written',
    body: schemas.itemCheck,
    answers: { 200: { description: 'The problems, of this item and of none.', schema: schemas.itemChecked } },
    problems: ['unavailable'],
  },
  async (request) => {
    const { id, value } = await readJson(request, schemas.itemCheck);
    const seen = await published();
    const drafts = (await listDrafts(seen)).filter(({ item }) => item !== id);
    const live = itemsOf(seen.content).get(id);
    const typed = { item: id, value: withoutDetails(id, value), base: live === undefined ? null : hashOf(live) };
    const problems = await problemsOf(seen, [...drafts, typed]);
    return json(200, { problems: problems.filter(({ item }) => item === id || item === null) });
  },
);

/** POST /api/admin/content/try */
export const tryDraft = staffRoute(
  'admin.content-try',
  {
    summary: 'Talk to the drafts: what the bot would answer to what is said, from the beginning',
    description:
      'Understood by the models that are live. What is only looked up is asked; what would change something is not done, and said.',
    body: schemas.trial,
    answers: { 200: { description: 'A turn for each text.', schema: schemas.tried } },
    problems: ['content_faulty', 'unavailable'],
  },
  async (request) => {
    const { texts, signedIn } = await readJson(request, schemas.trial);
    const bot = new Bot(served(await drafted()));
    return json(200, { turns: await talk(bot, texts, signedIn) });
  },
);

/** GET /api/admin/content/effect */
export const getEffect = staffRoute(
  'admin.content-effect',
  {
    summary: 'What the drafts would have answered otherwise, of the last logged turns',
    description:
      'As those were understood then: what customers say is understood anew only once a model was trained on it. Of a flow it says that it is another.',
    answers: { 200: { description: 'The turns that differ.', schema: schemas.effect } },
    problems: ['content_faulty', 'unavailable'],
  },
  async () => {
    const seen = await published();
    const next = await drafted();
    const [now, then] = [new Bot(served(seen.content)), new Bot(served(next))];
    const changed = new Set(differences(seen.content, next).map(({ item }) => item));
    const turns = await lastMeant(TURNS);
    const found = turns.flatMap((turn) => {
      const [before, after] = [answerTo(now, turn, changed, false), answerTo(then, turn, changed, true)];
      const { id, conversationId: conversation, text, locale } = turn;
      return before === after ? [] : [{ turnId: id, conversationId: conversation, text, locale, before, after }];
    });
    return json(200, { looked: turns.length, changed: found.length, turns: found.slice(0, SHOWN) });
  },
);

/** The content with all drafts. Throws the problem `content_faulty`. */
async function drafted(): Promise<Content> {
  const seen = await published();
  const drafts = await listDrafts(seen);
  const { content, problems } = await draftContent(seen, drafts);
  if (!content) throw refuseFaulty(problems);
  return content;
}

/** What a bot answers to a turn that was understood so; of a flow, which. */
function answerTo(bot: Bot, turn: Meant, changed: ReadonlySet<string>, isDraft: boolean): string {
  const { skill, locale, understanding } = turn;
  const intent = bot.intents.get(understanding?.intent ?? '');
  const fallback = bot.say(locale, 'fallback');
  if (skill === 'fallback') return fallback;
  if (skill === 'faq') return bot.of(locale, bot.faq.get(understanding?.faq?.entry ?? '')?.answer) ?? fallback;
  if (!intent) return skill === 'flow' || skill === 'answer' ? fallback : '';
  if (intent.handover) return bot.say(locale, intent.handover);
  if (intent.flow !== undefined) {
    const isOther = isDraft && usedBy(bot, intent.flow).some((id) => changed.has(id));
    return `→ ${intent.flow}${isOther ? ' *' : ''}`;
  }
  return intent.answers ? answerOf(bot, { id: turn.id, locale } as Turn, intent).text : fallback;
}

/** The items that a flow says and asks by. */
function usedBy(bot: Bot, name: string): string[] {
  const flow = bot.content.flows[name];
  const words = new Set(JSON.stringify(flow ?? null).match(/[a-z]\w+/g));
  const phrases = Object.keys(bot.content.phrases).filter((key) => words.has(key));
  const entities = Object.keys(bot.content.entities).filter((key) => words.has(key));
  return [`flow.${name}`, ...phrases.map((key) => `phrase.${key}`), ...entities.map((key) => `entity.${key}`)];
}

async function talk(bot: Bot, texts: string[], signedIn: boolean) {
  const turns = [];
  let dialog: Dialog = emptyDialog;
  let last: Reply[] = [];
  let locale = bot.languages.first;
  for (const [index, text] of texts.entries()) {
    locale = bot.languages.of(text, locale);
    const notDone: string[] = [];
    const now = Date.now();
    const understanding = await meaningOf(bot, text, { intents: inference.understand, faq: inference.findInFaq });
    const key = createHash('sha256')
      .update(JSON.stringify(texts.slice(0, index + 1)))
      .digest('hex');
    const question: Question = {
      bot,
      conversationId: conversationId('api', `try-${key}`),
      turn: {
        id: turnId(key),
        givenId: key,
        userId: userId('api', 'try'),
        customerId: signedIn ? customerId('try') : null,
        text,
        attachments: [],
        locale,
        fingerprint: '',
        traceparent: '',
        acceptedAt: now,
        attempts: 0,
        retryAt: 0,
      },
      understanding,
      dialog,
      speaker: { kind: 'bot' },
      callback: null,
      history: [],
      last,
      now,
    };
    const chosen = choose(question);
    const answer = await answerBy(chosen.skill, { ...question, dialog: chosen.dialog }, outside(notDone));
    dialog = answer.dialog;
    last = answer.replies;
    turns.push({
      text,
      locale,
      intent: understanding.intent,
      score: understanding.score,
      skill: chosen.skill.name,
      replies: answer.replies.map(({ text: said, suggestions = [] }) => ({ text: said, suggestions })),
      notDone,
    });
  }
  return turns;
}

/** What is only looked up is looked up; nothing is changed anywhere, and nobody is called. */
function outside(notDone: string[]): Outside {
  const never = (): never => {
    throw new Error('this is not done while the drafts are tried');
  };
  return {
    act: async (bot, name, request) => {
      const known = bot.content.actions[name]!;
      if (known.effect === 'none') return await act(bot, name, request);
      notDone.push(name);
      return { result: known.results[0]! };
    },
    queue: { ahead: async () => 0 },
    hub: null,
    desk: { openTicket: never, addToTicket: never, closeTicket: never },
    respond: never,
    attachments: { keep: never, look: never },
  };
}
