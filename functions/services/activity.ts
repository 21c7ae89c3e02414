import type { Card, Reply } from '../conversation/document.ts';

/** What a channel shows (Bot Framework's own table, botbuilder-dialogs' `Channel`); for one that is not here, plain text. */
interface Features {
  /** Suggested actions at once. */
  suggestions: number;
  /** Buttons of a card. */
  buttons: number;
  cards: boolean;
  /** Characters of one message. */
  text: number;
}

const WEB: Features = { suggestions: 100, buttons: 100, cards: true, text: 40_000 };
const PLAIN: Features = { suggestions: 0, buttons: 0, cards: false, text: 1_600 };
const CHANNELS: Readonly<Record<string, Features>> = {
  directline: WEB,
  webchat: WEB,
  emulator: WEB,
  // Suggested actions are shown in chats of one to one alone: buttons of a card are shown everywhere.
  msteams: { suggestions: 0, buttons: 6, cards: true, text: 20_000 },
  facebook: { suggestions: 10, buttons: 3, cards: true, text: 2_000 },
  line: { suggestions: 13, buttons: 4, cards: true, text: 5_000 },
  telegram: { suggestions: 100, buttons: 100, cards: true, text: 4_096 },
  slack: { suggestions: 0, buttons: 100, cards: true, text: 12_000 },
  kik: { suggestions: 20, buttons: 0, cards: false, text: 1_600 },
};

export interface Outgoing {
  type: 'message';
  text: string;
  suggestedActions?: { to: []; actions: Action[] };
  attachmentLayout?: 'carousel';
  attachments?: object[];
}

interface Action {
  type: 'imBack' | 'openUrl';
  title: string;
  value: string;
}

const HERO = 'application/vnd.microsoft.card.hero';

/** A reply as a channel shows it: its own cards and buttons, or all of it as text. */
export function activityOf(reply: Reply, channelId: string): Outgoing {
  const shows = Object.hasOwn(CHANNELS, channelId) ? CHANNELS[channelId]! : PLAIN;
  const cards = shows.cards ? (reply.cards ?? []) : [];
  const { picture } = reply;
  const shown =
    picture && shows.cards ? [{ contentType: picture.contentType, contentUrl: picture.url, name: picture.name }] : [];
  const attachments = [...shown, ...cards.map((card) => hero(card, shows))];
  const written = cards.length > 0 ? (reply.heading ?? reply.text) : reply.text;
  const said = picture && !shows.cards ? [written, picture.url].filter(Boolean).join('\n') : written;
  const suggestions = reply.suggestions ?? [];
  const actions = suggestions.map((text): Action => ({ type: 'imBack', title: text, value: text }));
  if (suggestions.length > 0 && suggestions.length <= shows.suggestions)
    return outgoing(said, shows, attachments, { to: [], actions });
  if (suggestions.length === 0) return outgoing(said, shows, attachments);
  if (shows.cards && suggestions.length <= shows.buttons)
    return outgoing(said, shows, [...attachments, { contentType: HERO, content: { buttons: actions } }]);
  return outgoing([said, ...suggestions.map((text) => `• ${text}`)].join('\n'), shows, attachments);
}

function outgoing(
  text: string,
  shows: Features,
  attachments: object[],
  suggestedActions?: Outgoing['suggestedActions'],
): Outgoing {
  return {
    type: 'message',
    // A channel refuses the whole of a message that is longer.
    text: text.length > shows.text ? `${text.slice(0, shows.text - 1).toWellFormed()}…` : text,
    ...(suggestedActions ? { suggestedActions } : {}),
    ...(attachments.length > 1 ? { attachmentLayout: 'carousel' } : {}),
    ...(attachments.length > 0 ? { attachments } : {}),
  };
}

function hero({ title, text, image, link, buttons = [] }: Card, shows: Features): object {
  const actions: Action[] = [
    ...(link ? [{ type: 'openUrl' as const, title: link.title, value: link.url }] : []),
    ...buttons.map((own) => ({ type: 'imBack' as const, title: own, value: own })),
  ];
  return {
    contentType: HERO,
    name: title,
    content: {
      title,
      ...(text ? { text } : {}),
      ...(image ? { images: [{ url: image.url, alt: image.alt }] } : {}),
      ...(actions.length > 0 ? { buttons: actions.slice(0, shows.buttons) } : {}),
    },
  };
}
