import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Reply } from '../../../functions/conversation/document.ts';
import { activityOf } from '../../../functions/services/activity.ts';
import { classify } from '../../../functions/services/channel.ts';
import { retryAfter } from '../../../functions/services/http.ts';

const found: Reply = {
  text: 'I found:\n• Sofa, ₩549,000\n• Desk, ₩259,000',
  heading: 'I found:',
  cards: [
    {
      title: 'Sofa',
      text: '₩549,000',
      image: { url: 'https://shop.example/sofa.png', alt: 'A sofa' },
      link: { url: 'https://shop.example/sofa', title: 'Open' },
      buttons: ['Is the sofa in stock?'],
    },
    { title: 'Desk', text: '₩259,000' },
  ],
};

test('cards are those of the channel, side by side, with the alternative text of their pictures', () => {
  const { text, attachments, attachmentLayout, suggestedActions } = activityOf(found, 'directline');
  assert.equal(text, 'I found:');
  assert.equal(attachmentLayout, 'carousel');
  assert.equal(suggestedActions, undefined);
  assert.deepEqual(attachments![0], {
    contentType: 'application/vnd.microsoft.card.hero',
    name: 'Sofa',
    content: {
      title: 'Sofa',
      text: '₩549,000',
      images: [{ url: 'https://shop.example/sofa.png', alt: 'A sofa' }],
      buttons: [
        { type: 'openUrl', title: 'Open', value: 'https://shop.example/sofa' },
        { type: 'imBack', title: 'Is the sofa in stock?', value: 'Is the sofa in stock?' },
      ],
    },
  });
});

test('where a channel has no cards, all of it is text', () => {
  for (const channel of ['sms', 'email', 'a-channel-of-tomorrow', 'constructor']) {
    const { text, attachments } = activityOf({ ...found, suggestions: ['Talk to a person'] }, channel);
    assert.equal(text, `${found.text}\n• Talk to a person`, channel);
    assert.equal(attachments, undefined);
  }
});

test('suggestions are shown as the channel can: as actions, as buttons of a card, or in the text', () => {
  const reply = { text: 'Which order?', suggestions: ['ORD-1', 'ORD-2'] };
  const actions = ['ORD-1', 'ORD-2'].map((value) => ({ type: 'imBack', title: value, value }));
  assert.deepEqual(activityOf(reply, 'webchat').suggestedActions, { to: [], actions });
  const teams = activityOf(reply, 'msteams');
  assert.equal(teams.suggestedActions, undefined);
  assert.deepEqual(teams.attachments, [
    { contentType: 'application/vnd.microsoft.card.hero', content: { buttons: actions } },
  ]);
  const many = { text: 'Which?', suggestions: Array.from({ length: 11 }, (_, index) => `${index}`) };
  assert.match(activityOf(many, 'facebook').text, /^Which\?\n• 0\n/, 'more than it shows');
});

test('a text is not longer than the channel takes, and never half a sign', () => {
  const { text } = activityOf({ text: '😀'.repeat(2_000) }, 'facebook');
  assert.ok(text.length <= 2_000 && text.isWellFormed());
  assert.ok(text.endsWith('…'));
});

test('what may pass by itself is sent again; what one token was refused for, once', () => {
  const final = (statusCode: number, attempts = 0) => classify({ statusCode }, attempts).final;
  for (const status of [408, 412, 429, 500, 502, 503]) assert.equal(final(status), false, String(status));
  for (const status of [400, 403, 404, 413]) assert.equal(final(status), true, String(status));
  assert.equal(final(401), false);
  assert.equal(final(401, 1), true);
});

test('Retry-After is seconds or a date', () => {
  const now = Date.parse('2026-11-27T10:00:00Z');
  assert.equal(retryAfter('7', now), 7_000);
  assert.equal(retryAfter('Fri, 27 Nov 2026 10:00:30 GMT', now), 30_000);
  for (const header of [null, '', 'soon', '-5', 'Fri, 27 Nov 2026 09:00:00 GMT', 'Infinity'])
    assert.equal(retryAfter(header, now), 0, String(header));
  const headers = new Headers({ 'retry-after': new Date(Date.now() + 20_000).toUTCString() });
  const { after } = classify({ statusCode: 429, response: { headers } }, 0);
  assert.ok(after > 15_000 && after <= 21_000);
});
