import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Changes,
  type ContentProblem,
  draftOf,
  type Hashes,
  hashesOf,
  hashOf,
  itemsOf,
  kindOf,
  type Value,
} from '../content/item.ts';
import type { Agent } from '../conversation/document.ts';
import { type Content, content as shape, utteranceKey } from '../dialog/bot.ts';
import { builtIn } from './bot.ts';
import { readBundle, writeBundle } from './bundles.ts';
import { Conflict, Documents, REMOVE, type Versioned } from './documents.ts';
import { heldOut } from './held-out.ts';
import { lookAgain, POINTER, type Pointer, pointers, type Version } from './live-content.ts';

/**
 * What the bot says, as people edit it: drafts of items, and versions that were published, in the container `content` (partition key = id). Which
 * one is live: live-content.ts.
 */

/** An item as somebody wants it to be. */
export interface Draft {
  id: `draft.${string}`;
  item: string;
  /** Null: the item goes. */
  value: Value;
  /** What was live when it was written, by its hash; null: there was no such item. */
  base: string | null;
  by: Agent;
  draftAt: number;
  /** It comes from a bot's folder that was checked, its patterns too. */
  tried?: true;
  /** What it was before, the newest last. */
  history: { value: Value; by: Agent; at: number }[];
}

const versions = new Documents<Version>('content');
const drafts = new Documents<Draft>('content');

const HISTORY = 10;
const DRAFTS = 500;
/** Everything that was deployed with the app; what it serves of it stands in bot.json. */
const FILE = join(dirname(fileURLToPath(import.meta.url)), 'content.json');

/** Something about a publication that is not as the caller thinks: look again. */
export class Stale extends Error {}
/** The content has mistakes. */
export class Faulty extends Error {
  readonly problems: ContentProblem[];
  constructor(problems: ContentProblem[]) {
    super(`${problems.length} to correct`);
    this.problems = problems;
  }
}

/** What was deployed with the app, all of it. */
export function deployedContent(): Content {
  return builtIn() ?? shape.parse(JSON.parse(readFileSync(FILE, 'utf8')));
}

export interface Published {
  pointer: Versioned<Pointer> | null;
  content: Content;
}

export async function published(): Promise<Published> {
  const pointer = await pointers.read(POINTER);
  return { pointer, content: pointer ? await readBundle(pointer.document.version) : deployedContent() };
}

/** Drafts that differ from what is live, the oldest first. */
export async function listDrafts({ content }: Published): Promise<Draft[]> {
  const query = `SELECT TOP ${DRAFTS} * FROM c WHERE c.draftAt > 0 ORDER BY c.draftAt`;
  const all = await drafts.query(query, [], { limit: DRAFTS });
  const items = itemsOf(content);
  return all.filter(({ item, value }) => hashOf(value) !== hashOf(items.get(item)));
}

export async function readDraft(item: string): Promise<Versioned<Draft> | null> {
  return await drafts.read(`draft.${item}`);
}

/**
 * Writes a draft of an item. `etag`: of the draft that the writer has seen; null: there was none. Throws {@link Stale} where somebody else
 * has written since. `base`: what it was written from, where that is another draft.
 */
export async function writeDraft(
  item: string,
  value: Value,
  etag: string | null,
  by: Agent,
  live: Content,
  more: { base?: string | null; tried?: true } = {},
): Promise<Versioned<Draft>> {
  const known = await readDraft(item);
  if ((known?.etag ?? null) !== etag) throw new Stale('Somebody else has changed this since: look at it once more.');
  const now = itemsOf(live).get(item);
  const before = known?.document;
  const draft: Draft = {
    id: `draft.${item}`,
    item,
    value,
    base: more.base !== undefined ? more.base : now === undefined ? null : hashOf(now),
    by,
    draftAt: Date.now(),
    ...(more.tried && { tried: more.tried }),
    history: before
      ? [...before.history, { value: before.value, by: before.by, at: before.draftAt }].slice(-HISTORY)
      : [],
  };
  try {
    if (known) await drafts.replace(draft, known.etag);
    else await drafts.create(draft);
  } catch (error) {
    if (error instanceof Conflict) throw new Stale('Somebody else has changed this since: look at it once more.');
    throw error;
  }
  return (await readDraft(item))!;
}

/** Takes a draft away; with an ETag only that one. */
export async function discardDraft(item: string, etag?: string): Promise<void> {
  try {
    await drafts.remove(`draft.${item}`, undefined, etag);
  } catch (error) {
    if (error instanceof Conflict) throw new Stale('Somebody else has changed this since: look at it once more.');
    throw error;
  }
}

/** What is looked at of a draft. */
export type Wanted = Pick<Draft, 'item' | 'value' | 'base' | 'tried'>;

/** What drafts would make of what is live, and all that is wrong with it. */
export async function draftContent(
  { content }: Published,
  list: readonly Wanted[],
): Promise<ReturnType<typeof draftOf>> {
  const changes = new Map(list.map(({ item, value }) => [item, value]));
  const tried = new Set(list.filter((one) => one.tried).map(({ item }) => item));
  const { content: next, problems } = draftOf(content, changes, tried);
  const items = itemsOf(content);
  for (const { item, base } of list) {
    const now = items.get(item);
    if ((now === undefined ? null : hashOf(now)) !== base)
      problems.push({
        item,
        path: '',
        message: 'was published otherwise since this draft was written: look at it, and save it again',
      });
  }
  problems.push(...(await heldOutProblems(list)));
  return { content: problems.length > 0 ? null : next, problems };
}

/** What the bot is judged by must not be what it learns from. */
async function heldOutProblems(list: readonly Wanted[]): Promise<ContentProblem[]> {
  const { intents, faq } = await heldOut();
  const held = new Set([...intents, ...faq].map(({ text }) => utteranceKey(text)));
  return list.flatMap(({ item, value }) =>
    utterancesOf(item, value)
      .filter((text) => held.has(utteranceKey(text)))
      .map((text) => ({ item, path: 'utterances', message: `“${text}” is held out: the model is judged by it` })),
  );
}

function utterancesOf(id: string, value: Value): string[] {
  const { kind } = kindOf(id);
  const { utterances = {}, other_ways: ways = {} } = (value ?? {}) as Record<string, Record<string, unknown>>;
  const all = kind === 'intent' ? utterances : kind === 'faq' ? ways : {};
  return Object.values(all)
    .flat()
    .filter((text): text is string => typeof text === 'string');
}

/** Of drafts as somebody has seen them: another edit is another. */
export const seenAs = (list: readonly Draft[]): string => hashOf(list.map(({ item, value }) => [item, value]));

interface Publication {
  by: Agent;
  note: string;
  /** What the folder has that this takes over. */
  imported?: Hashes;
}

/** Makes content live. Throws {@link Stale} where something else was published since `seen` was read. */
export async function publishContent(
  seen: Published,
  next: Content,
  { by, note, imported }: Publication,
): Promise<Version> {
  const serial = (seen.pointer?.document.serial ?? 0) + 1;
  const changed = [...new Set([...itemsOf(seen.content).keys(), ...itemsOf(next).keys()])].filter(
    (id) => hashOf(itemsOf(seen.content).get(id)) !== hashOf(itemsOf(next).get(id)),
  );
  // What is rolled back to must be there, too: also what was deployed.
  if (!seen.pointer) {
    await writeBundle(seen.content);
    await versions.put(deployed(seen.content));
  }
  await writeBundle(next);
  const at = Date.now();
  const version: Omit<Version, 'id'> = {
    serial,
    version: next.version,
    before: seen.content.version,
    at,
    by,
    note,
    changed,
  };
  const base = imported ?? seen.pointer?.document.imported ?? hashesOf(seen.content);
  const pointer: Pointer = { id: POINTER, ...version, imported: base };
  // Its own entry stands in the pointer, and in the history before the pointer moves on: none can be lost, or be another's.
  if (seen.pointer) await versions.put(entryOf(seen.pointer.document));
  try {
    if (seen.pointer) await pointers.replace(pointer, seen.pointer.etag);
    else await pointers.create(pointer);
  } catch (error) {
    if (error instanceof Conflict) throw new Stale('Something else was published meanwhile: look at it once more.');
    throw error;
  }
  lookAgain();
  await versions.put(entryOf(pointer));
  return entryOf(pointer);
}

/** What was live before anything was published. */
function deployed({ version }: Content): Version {
  const by = { id: 'deployment', name: 'Deployment' };
  return {
    id: 'version.0',
    serial: 0,
    version,
    before: version,
    at: Date.now(),
    by,
    note: 'as it was deployed',
    changed: [],
  };
}

function entryOf({ id: _, imported: __, ...version }: Pointer): Version {
  return { id: `version.${version.serial}`, ...version };
}

/** Makes drafts live; `asked`: those that somebody has seen ({@link seenAs}). Throws {@link Faulty} and {@link Stale}. */
export async function publishDrafts(by: Agent, note: string, asked?: string): Promise<Version> {
  const seen = await published();
  const list = await listDrafts(seen);
  if (list.length === 0) throw new Stale('There is nothing to publish.');
  if (asked !== undefined && seenAs(list) !== asked)
    throw new Stale('The drafts are others by now: look at them once more.');
  const { content, problems } = await draftContent(seen, list);
  if (!content) throw new Faulty(problems);
  const version = await publishContent(seen, content, { by, note });
  await clear(list);
  return version;
}

/** Drafts that are live now; one that was changed meanwhile stays. */
async function clear(list: readonly Draft[]): Promise<void> {
  for (const { item, value } of list)
    await drafts.change(`draft.${item}`, {
      transition: (draft) => [draft && hashOf(draft.value) === hashOf(value) ? REMOVE : null, undefined],
    });
}

/** Makes changes live that are no drafts: of a bot's folder that was checked. Throws {@link Faulty} and {@link Stale}. */
export async function publishChanges(seen: Published, changes: Changes, publication: Publication): Promise<Version> {
  const { content, problems } = draftOf(seen.content, changes, new Set(changes.keys()));
  if (!content) throw new Faulty(problems);
  return await publishContent(seen, content, publication);
}

/** That the bot's folder has what is live, or will have: what differs from it later is a change. */
export async function setImported(imported: Hashes): Promise<void> {
  await pointers.change(POINTER, {
    transition: (pointer) => [pointer && { ...pointer, imported }, undefined],
  });
}

/** Versions before a serial number, the newest first. */
export async function listVersions(before: number, limit: number): Promise<Version[]> {
  const query = `SELECT TOP ${limit} * FROM c WHERE c.serial >= 0 AND c.serial < @before AND c.id != '${POINTER}' ORDER BY c.serial DESC`;
  return await versions.query(query, [{ name: '@before', value: before }], { limit });
}

export async function readVersion(serial: number): Promise<Version | null> {
  return (await versions.read(`version.${serial}`))?.document ?? null;
}

/** The content of a version, and of what was live before it. */
export async function versionContent({ version, before }: Version): Promise<{ content: Content; before: Content }> {
  return { content: await readBundle(version), before: await readBundle(before) };
}

/** Whether anything was ever published: else what was deployed is live. */
export async function isPublished(): Promise<boolean> {
  return (await pointers.read(POINTER)) !== null;
}
