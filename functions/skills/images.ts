import type { Reply } from '../conversation/document.ts';
import { mask } from '../conversation/mask.ts';
import { isForPerson } from '../conversation/transitions.ts';
import { begin } from '../dialog/engine.ts';
import { Rejected, Unavailable } from '../services/failure.ts';
import { heardOf, played } from './flow.ts';
import { understood } from './intent.ts';
import { keepForPerson, passOn, person } from './person.ts';
import type { Outside, Question, Skill, SkillAnswer } from './skill.ts';

/**
 * Keeps the pictures that a user sends. While a person has the conversation they are passed on, with the text beside
 * them; otherwise that text is answered too, or the bot asks what the pictures are about.
 */
export const images: Skill = {
  name: 'images',
  async run(question, outside) {
    const { bot, turn, dialog } = question;
    const kept = await Promise.all(turn.attachments.map((_, index) => keep(question, outside, index)));
    const tooMany = turn.refused === 'too_many_pictures' ? [bot.reply(turn.locale, 'image_too_many')] : [];
    const replies = [...kept.map(({ reply }) => reply), ...tooMany];
    const alone = { ...question, turn: { ...turn, attachments: [] } };
    // Whoever has the conversation, or will, sees them there.
    if (question.speaker.kind === 'person') {
      const heard = await person.run(alone, outside);
      // What did not get there is said, whoever speaks: it would be taken for read.
      const lost = [...kept.filter(({ url }) => url === '').map(({ reply }) => reply), ...tooMany];
      return lost.length > 0 ? { replies: lost, dialog, notice: true } : heard;
    }
    if (isForPerson(question, turn.userId)) {
      const waiting = await keepForPerson(alone, outside);
      return { ...waiting, replies: [...replies, ...waiting.replies] };
    }
    if (dialog.handover) {
      const lines = [turn.text, ...kept.map(({ url }) => url)].filter(Boolean);
      const passed = await passOn(alone, outside, lines.join('\n'));
      // Where it went on, the pictures' own replies say that they are there.
      return { ...passed, replies: passed.dialog.handover ? replies : [...replies, ...passed.replies] };
    }
    if (turn.text && understood(question)) {
      const answer = await outside.respond(alone);
      return { ...answer, replies: [...replies, ...answer.replies] };
    }
    const seen = await looked(question, outside, kept);
    if (seen) return { ...seen, replies: [...replies, ...seen.replies] };
    const suggestions = [...bot.content.about.images, 'ask_person'].map((phrase) => bot.say(turn.locale, phrase));
    const about = bot.reply(turn.locale, 'image_about', {}, suggestions);
    return { replies: [...replies, about], dialog: { ...dialog, misses: 0 } };
  },
};

interface Kept {
  reply: Reply;
  /** Empty: it was not kept. */
  url: string;
  picture: Buffer;
  contentType: string;
}

/**
 * What a picture looks like, and what the bot has for that; null: it is of nothing that the bot knows, or something else is being talked
 * about, which has its own use for pictures.
 */
async function looked(question: Question, outside: Outside, kept: readonly Kept[]): Promise<SkillAnswer | null> {
  const index = kept.findIndex(({ url }) => url !== '');
  const { bot, turn, dialog } = question;
  const { pictures } = bot.content.about;
  if (!pictures || index < 0 || turn.text || dialog.flow) return null;
  const label = await outside.attachments.look(kept[index]!, pictures.model);
  const what = label === null ? undefined : bot.of(turn.locale, pictures.names[label]);
  if (what === undefined) return null;
  const suggestions = [...bot.content.about.images, 'ask_person'].map((phrase) => bot.say(turn.locale, phrase));
  const said = bot.reply(turn.locale, 'image_looks', { what }, pictures.flow ? [] : suggestions);
  if (!pictures.flow || !bot.content.flows[pictures.flow]) return { replies: [said], dialog: { ...dialog, misses: 0 } };
  // As if it had been written: what there is is found by its words.
  const heard = { ...heardOf(question), text: what, intent: null, score: 1, denies: false };
  let found: SkillAnswer;
  try {
    found = await played(question, outside, begin(bot, pictures.flow, heard), null);
  } catch (error) {
    // The picture was taken, and is answered: what is behind the flow may be away.
    if (!(error instanceof Unavailable || error instanceof Rejected)) throw error;
    return null;
  }
  const last = found.replies.at(-1);
  if (found.dialog.flow || !last) return { ...found, replies: [said, ...found.replies] };
  // It may be about something else all the same.
  const offered = { ...last, suggestions: [...(last.suggestions ?? []), ...suggestions] };
  return { ...found, replies: [said, ...found.replies.slice(0, -1), offered] };
}

async function keep({ bot, conversationId, turn }: Question, outside: Outside, index: number): Promise<Kept> {
  const { locale } = turn;
  // The reply is kept: it says no more than what is kept of the turn.
  const name = mask(turn.attachments[index]!.name, bot.personalDetails);
  try {
    const { picture, contentType, url } = await outside.attachments.keep(conversationId, turn, index);
    const size = Math.ceil(picture.length / 1_024);
    return { reply: bot.reply(locale, 'image_kept', { name, size }), url, picture, contentType };
  } catch (error) {
    // What the user can correct is said to the user; everything else is tried again.
    if (!(error instanceof Rejected && error.service === 'attachments')) throw error;
    return { reply: bot.reply(locale, 'image_refused', { name }), url: '', picture: Buffer.alloc(0), contentType: '' };
  }
}
