import { createHash } from 'node:crypto';
import type { z } from 'zod';
import * as shape from '../dialog/bot.ts';
import { type Blame, check, type Part } from '../dialog/check.ts';

/**
 * A bot's content as items that are edited one by one: `intent.store_hours`, `phrase.fallback`, `flow.return_item`. What is no list of items
 * (`part.languages`) is one item. Pure.
 */
const EDITED = ['intent', 'faq', 'phrase', 'flow', 'entity'] as const;
export type Kind = (typeof EDITED)[number];

/** How models are trained: it has no place of its own among what is edited, and shows where a bot has it. */
export const RECIPE = 'part.recipe';

/** Whether people see an item in the console. */
export const isEdited = (id: string): boolean => id === RECIPE || EDITED.includes(kindOf(id).kind as Kind);

/** Null: there is no such item. */
export type Value = unknown;
export type Changes = ReadonlyMap<string, Value>;

/** Lists of items that name themselves, and records of items by name. */
const LISTS = { intent: 'intents', faq: 'faq' } as const;
const RECORDS = { phrase: 'phrases', flow: 'flows', entity: 'entities' } as const;
const PARTS = ['about', 'languages', 'shortAnswers', 'desk', 'actions', 'personalDetails', 'recipe'] as const;

const itemId = (kind: Kind | 'part', name: string): string => `${kind}.${name}`;

export function kindOf(id: string): { kind: Kind | 'part'; name: string } {
  const at = id.indexOf('.');
  return { kind: id.slice(0, at) as Kind, name: id.slice(at + 1) };
}

export function itemsOf(content: shape.Content): Map<string, Value> {
  const items = new Map<string, Value>();
  for (const [kind, part] of Object.entries(LISTS) as [Kind, 'intents' | 'faq'][])
    for (const item of content[part]) items.set(itemId(kind, item.name), item);
  for (const [kind, part] of Object.entries(RECORDS) as [Kind, 'phrases' | 'flows' | 'entities'][])
    for (const [name, item] of Object.entries(content[part])) items.set(itemId(kind, name), item);
  for (const part of PARTS) if (content[part] !== undefined) items.set(itemId('part', part), content[part]);
  return items;
}

/** Content with other items, in the order that they had; what is new stands last. */
function withItems(content: shape.Content, changes: Changes): Record<string, unknown> {
  const next: Record<string, unknown> = { ...content };
  for (const [kind, part] of Object.entries(LISTS)) {
    const items = content[part].flatMap((item) => {
      const id = itemId(kind as Kind, item.name);
      if (!changes.has(id)) return [item];
      const value = changes.get(id);
      return value === null ? [] : [value];
    });
    const known = new Set(content[part].map(({ name }) => itemId(kind as Kind, name)));
    for (const [id, value] of changes)
      if (kindOf(id).kind === kind && !known.has(id) && value !== null) items.push(value as never);
    next[part] = items;
  }
  for (const [kind, part] of Object.entries(RECORDS)) {
    const items = new Map<string, Value>(Object.entries(content[part]));
    for (const [id, value] of changes) {
      if (kindOf(id).kind !== kind) continue;
      if (value === null) items.delete(kindOf(id).name);
      else items.set(kindOf(id).name, value);
    }
    next[part] = Object.fromEntries(items);
  }
  for (const part of PARTS) {
    const value = changes.get(itemId('part', part));
    if (value === null) delete next[part];
    else if (value !== undefined) next[part] = value;
  }
  return next;
}

/** What an item is, whatever the order of its fields: 43 characters. */
export function hashOf(value: Value): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(value)))
    .digest('base64url');
}

function sorted(value: Value): Value {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value ?? null;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}

export interface ContentProblem {
  /** The item that it is in; null: in none of its own. */
  item: string | null;
  /** Where in the item. */
  path: string;
  message: string;
}

/**
 * Content with changes as it would be published, and all that is wrong with it; `content` is null where something is. `tried`: items whose pattern was
 * tried out, as those of a folder that was checked.
 */
export function draftOf(
  published: shape.Content,
  changes: Changes,
  tried: ReadonlySet<string> = new Set(),
): { content: shape.Content | null; problems: ContentProblem[] } {
  const raw = withItems(published, changes);
  const problems: ContentProblem[] = [];
  const named = (part: Part, path: readonly PropertyKey[]) => {
    const [first, ...rest] = path;
    const list = part === 'intents' ? 'intent' : part === 'faq' ? 'faq' : null;
    const items = raw[part];
    if (list) {
      const item = Array.isArray(items) && typeof first === 'number' ? items[first] : null;
      return { item: item?.name ? itemId(list, item.name) : null, path: rest };
    }
    const record = Object.entries(RECORDS).find(([, own]) => own === part)?.[0];
    if (record) return { item: first === undefined ? null : itemId(record as Kind, String(first)), path: rest };
    return { item: itemId('part', part), path };
  };
  const blame: Blame = (part, path, message) => {
    const found = named(part, path);
    problems.push({ item: found.item, path: found.path.map(String).join('.'), message });
  };
  const parsed = shape.content.safeParse({ ...raw, version: '' });
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const [part, ...path] = issue.path;
      if (part !== 'version') blame(part as Part, path as (string | number)[], told(issue));
    }
    return { content: null, problems };
  }
  check(parsed.data, blame);
  // What a pattern takes is found by trying it on a machine of one's own (npm run bot -- check).
  for (const [id, value] of changes)
    if (
      kindOf(id).kind === 'entity' &&
      !tried.has(id) &&
      isPattern(value) &&
      hashOf(value) !== hashOf(itemsOf(published).get(id))
    )
      problems.push({ item: id, path: 'pattern', message: 'is changed in the bot’s folder, where it is tried out' });
  const content = { ...parsed.data, version: versionOf(parsed.data) };
  return { content: problems.length > 0 ? null : content, problems };
}

const isPattern = (value: Value) => (value as { kind?: unknown } | null)?.kind === 'pattern';

/** The name of a bundle: SHA-256 of what is in it, in hexadecimal digits. */
function versionOf({ version: _, ...content }: shape.Content): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(content)))
    .digest('hex');
}

function told({ code, message, ...rest }: z.core.$ZodIssue): string {
  if (code === 'unrecognized_keys')
    return `does not know ${(rest as { keys: string[] }).keys.map((key) => `"${key}"`).join(', ')}`;
  const [inner] = code === 'invalid_key' ? (rest as { issues: z.core.$ZodIssue[] }).issues : [];
  return inner?.message ?? message;
}

export interface Difference {
  item: string;
  before: Value;
  after: Value;
}

/** Items that are otherwise in one content than in another; null where there is none. */
export function differences(before: shape.Content, after: shape.Content): Difference[] {
  const [old, now] = [itemsOf(before), itemsOf(after)];
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter((id) => hashOf(old.get(id)) !== hashOf(now.get(id)))
    .map((item) => ({ item, before: old.get(item) ?? null, after: now.get(item) ?? null }));
}

export type Hashes = Record<string, string>;

export const hashesOf = (content: shape.Content): Hashes =>
  Object.fromEntries([...itemsOf(content)].map(([id, value]) => [id, hashOf(value)]));

/**
 * What a folder has that it did not have when it was last taken over: its changes, and those of them that were changed in the console
 * since, too, and are left alone.
 */
export function merge(
  folder: shape.Content,
  published: shape.Content,
  imported: Hashes,
): { changes: Map<string, Value>; conflicts: string[] } {
  const [theirs, ours] = [itemsOf(folder), itemsOf(published)];
  const changes = new Map<string, Value>();
  const conflicts: string[] = [];
  for (const id of new Set([...theirs.keys(), ...Object.keys(imported)])) {
    const value = theirs.get(id) ?? null;
    const isSame = value === null ? !(id in imported) : hashOf(value) === imported[id];
    if (isSame) continue;
    const current = ours.get(id) ?? null;
    if (hashOf(current) === hashOf(value)) continue;
    const isUntouched = current === null ? !(id in imported) : hashOf(current) === imported[id];
    if (isUntouched) changes.set(id, value);
    else conflicts.push(id);
  }
  return { changes, conflicts };
}
