import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Content, content as shape } from '../../../functions/dialog/bot.ts';
import { check } from '../../../functions/dialog/check.ts';
import { content } from '../../bot.ts';

/** What a bot says of the pictures that it looks at, checked. */
function complaints(pictures: object, more: Partial<Content> = {}): string[] {
  const found: string[] = [];
  const about = { ...content.about, pictures } as Content['about'];
  check({ ...content, about, ...more }, (part, path, message) => found.push(`${part} ${path.join('.')}: ${message}`));
  return found;
}
const { pictures } = content.about;

test('the bot’s own is right', () => {
  assert.deepEqual(complaints(pictures!), []);
});

test('what a picture begins must be there, and have no effect', () => {
  assert.match(complaints({ ...pictures, flow: 'nowhere' }).join(), /about pictures\.flow: there is no flow "nowhere"/);
  assert.match(complaints({ ...pictures, flow: 'order_cancel' }).join(), /must have no effect/);
});

test('a name is in every language that the bot speaks, or in what stands in for it', () => {
  const names = { Bag: { en: 'a bag' } };
  assert.deepEqual(complaints({ ...pictures, names }), ['about pictures.names.Bag: has no ko']);
  assert.match(
    complaints({ ...pictures, names: { Bag: { en: 'a bag', ko: '가방', fr: 'un sac' } } }).join(),
    /speaks no "fr"/,
  );
  assert.match(complaints({ ...pictures, names: { Bag: { en: 'a bag', ko: ' ' } } }).join(), /has no ko/);
});

test('a bot with pictures has the phrases of their page', () => {
  const { pictures_none: _, ...phrases } = content.phrases;
  assert.match(complaints(pictures!, { phrases }).join(), /no phrase "pictures_none"/);
  const { pictures: __, ...about } = content.about;
  assert.deepEqual(complaints({}, { about: about as Content['about'], phrases }), []);
});

test('what a newer build adds to the content is left alone', () => {
  const later = { ...content, weather: 'fine', about: { ...content.about, colour: 'green' } };
  assert.deepEqual(shape.parse(later), shape.parse(content));
});
