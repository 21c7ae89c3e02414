/** What pages are put together with. */

export function attribute(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

/** Where a page finds its texts. */
const NO_TEXTS = '<script id="texts" type="application/json">{}</script>';

/** A page with its texts, as JSON in a script element: no text may end it. */
export function inScript(html: string, texts: unknown): string {
  const json = JSON.stringify(texts).replaceAll('<', '\\u003c');
  return html.replace(NO_TEXTS, () => NO_TEXTS.replace('{}', () => json));
}
