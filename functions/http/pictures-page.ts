import { z } from 'zod';
import { currentBot } from '../services/bot.ts';
import { customerPage, HTML } from './page.ts';
import { Problem } from './problem.ts';
import { route } from './route.ts';
import { staticFile } from './static-file.ts';

/** The files of the page, beside the built app in `web/pictures/`. */
const files: Record<string, string> = {
  'pictures.js': 'text/javascript; charset=utf-8',
  'pictures.css': 'text/css; charset=utf-8',
};

/** GET /pictures: draw or show something, and see what the bot's model of pictures takes it for. */
export const getPicturesPage = route(
  'pictures-page',
  {
    summary: 'The page where pictures are tried, and its files',
    access: 'anyone',
    path: z.object({ file: z.enum(['pictures.js', 'pictures.css']) }),
    answers: {
      200: { description: 'The file.', types: [HTML, ...Object.values(files)] },
      304: { description: 'It is the one that the client has (If-None-Match).' },
    },
    problems: ['not_found'],
  },
  async (request) => {
    if (!currentBot().content.about.pictures) throw new Problem('not_found', 'This bot has no model of pictures.');
    const name = request.params.file ?? '';
    if (name === '') return await customerPage('pictures/index.html', texts(), SOURCES);
    const type = Object.hasOwn(files, name) ? files[name] : undefined;
    if (!type) throw new Problem('not_found');
    return await staticFile(request, `pictures/${name}`, { 'content-type': type, 'cache-control': 'no-cache' });
  },
);

const SOURCES = {
  'script-src': ["'self'"],
  'style-src': ["'self'"],
  'img-src': ["'self'", 'blob:'],
  'connect-src': ["'self'"],
};

/** What the page says, in each of the bot's languages. */
function texts() {
  const bot = currentBot();
  const { about, languages } = bot.content;
  const own = (tag: string) => {
    const say = (phrase: string) => bot.say(tag, phrase);
    return {
      title: say('pictures_title'),
      intro: say('pictures_intro'),
      paper: say('pictures_paper'),
      keys: say('pictures_keys'),
      down: say('pictures_down'),
      choose: say('pictures_choose'),
      take: say('pictures_take'),
      clear: say('pictures_clear'),
      empty: say('pictures_empty'),
      none: say('pictures_none'),
      unread: say('pictures_unread'),
      busy: say('pictures_busy'),
      lost: say('pictures_lost'),
      looks: bot.say(tag, 'image_looks', { what: '{what}' }),
      names: Object.fromEntries(
        Object.entries(about.pictures!.names).map(([label, names]) => [label, bot.of(tag, names) ?? label]),
      ),
    };
  };
  return { name: about.name, languages: languages.map(({ tag }) => ({ tag, ...own(tag) })) };
}
