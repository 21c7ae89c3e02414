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
  type Value,
} from '../content/item.ts';
import type { Agent } from '../conversation/document.ts';
import { type Content, content as shape } from '../dialog/bot.ts';
import { builtIn } from './bot.ts';
import { readBundle, writeBundle } from './bundles.ts';
import { Conflict, Documents, REMOVE, type Versioned } from './documents.ts';
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
function deployedContent(): Content {
  return shape.parse(JSON.parse(readFileSync(FILE, 'utf8')));
}

export interface Published {
  pointer: Versioned<Pointer> | null;
  content: Content;
}

export async function published(): Promise<Published> {
  const pointer = await pointers.read(POINTER);
  return { pointer, content: pointer ? await readBundle(pointer.document.version) : (builtIn() ?? deployedContent()) };
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
 * has written since.
 */
export async function writeDraft(
  item: string,
  value: Value,
  etag: string | null,
  by: Agent,
  live: Content,
): Promise<Versioned<Draft>> {
  const known = await readDraft(item);
  if ((known?.etag ?? null) !== etag) throw new Stale('Somebody else has changed this since: look at it once more.');
  const now = itemsOf(live).get(item);
  const before = known?.document;
  const draft: Draft = {
    id: `draft.${item}`,
    item,
    value,
    base: now === undefined ? null : hashOf(now),
    by,
    draftAt: Date.now(),
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

/** What drafts would make of what is live, and all that is wrong with it. */
export function draftContent(
  { content }: Published,
  list: readonly Pick<Draft, 'item' | 'value' | 'base'>[],
): ReturnType<typeof draftOf> {
  const { content: next, problems } = draftOf(content, new Map(list.map(({ item, value }) => [item, value])));
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
  return { content: problems.length > 0 ? null : next, problems };
}

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
  if (!seen.pointer) await writeBundle(seen.content);
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

function entryOf({ id: _, imported: __, ...version }: Pointer): Version {
  return { id: `version.${version.serial}`, ...version };
}

/** Makes drafts live. Throws {@link Faulty} and {@link Stale}. */
export async function publishDrafts(by: Agent, note: string): Promise<Version> {
  const seen = await published();
  const list = await listDrafts(seen);
  if (list.length === 0) throw new Stale('There is nothing to publish.');
  const { content, problems } = draftContent(seen, list);
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

/** Makes changes live that are no drafts: of the bot's folder. Throws {@link Faulty} and {@link Stale}. */
export async function publishChanges(seen: Published, changes: Changes, publication: Publication): Promise<Version> {
  const { content, problems } = draftOf(seen.content, changes);
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
  const query = `SELECT TOP ${limit} * FROM c WHERE c.serial > 0 AND c.serial < @before AND c.id != '${POINTER}' ORDER BY c.serial DESC`;
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
