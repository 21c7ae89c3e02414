import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { applyEdits, modify, parse } from 'jsonc-parser';
import { differences, hashesOf, hashOf, itemsOf, kindOf, merge, type Value } from '../../functions/content/item.ts';
import type { Agent } from '../../functions/conversation/document.ts';
import {
  listDrafts,
  publishChanges,
  published,
  readDraft,
  setImported,
  writeDraft,
} from '../../functions/services/content.ts';
import { botFolder, fileOf } from '../bot/folder.ts';

/** A bot's folder and what is live, in step. */
const FORMAT = { formattingOptions: { insertSpaces: true, tabSize: 2 } };

export async function showDifferences(folder: string, shown: string): Promise<void> {
  const { content } = await published();
  const found = differences(content, botFolder(folder));
  for (const { item, before, after } of found)
    console.log(`${before === null ? `only in ${shown}` : after === null ? 'only live' : 'otherwise'}  ${item}`);
  console.log(found.length === 0 ? `${shown} and what is live are the same.` : `${found.length} items are different.`);
}

/** Takes what is live over into the folder. */
export async function exportContent(folder: string, shown: string): Promise<void> {
  const { content } = await published();
  const found = differences(botFolder(folder), content);
  for (const { item, after } of found) await writeItem(folder, item, after);
  // From now on what is changed in the folder is a change.
  await setImported(hashesOf(content));
  for (const { item } of found) console.log(`written  ${item}`);
  console.log(found.length === 0 ? `${shown} is as what is live.` : `${found.length} items written to ${shown}.`);
}

export async function importFolder(
  folder: string,
  shown: string,
  by: Agent,
  { publish, force, note }: { publish: boolean; force: boolean; note: string },
): Promise<void> {
  const seen = await published();
  const mine = botFolder(folder);
  const before = seen.pointer?.document.imported ?? hashesOf(seen.content);
  const { changes, conflicts } = merge(mine, seen.content, before);
  // Somebody is at it in the console, and has not published it yet.
  for (const { item, value } of await listDrafts(seen))
    if (changes.has(item) && hashOf(value) !== hashOf(changes.get(item))) conflicts.push(item);
  const left = new Set(force ? [] : conflicts);
  if (force) for (const id of conflicts) changes.set(id, itemsOf(mine).get(id) ?? null);
  for (const id of left) {
    changes.delete(id);
    console.error(
      `left alone  ${id}: it was changed in the console since (npm run content -- export, or import --force)`,
    );
  }
  // What is no list of items has no form in the console: it is published, or nothing.
  if (!publish)
    for (const id of [...changes.keys()].filter((one) => kindOf(one).kind === 'part')) {
      changes.delete(id);
      left.add(id);
      console.error(`left alone  ${id}: it is taken over by import --publish alone`);
    }
  if (left.size > 0) process.exitCode = 1;
  // What was left alone stays a change until somebody has looked at it.
  const hashes = hashesOf(mine);
  for (const id of left)
    if (before[id] === undefined) delete hashes[id];
    else hashes[id] = before[id];
  for (const id of changes.keys()) console.log(`taken over  ${id}`);
  if (changes.size === 0) {
    await setImported(hashes);
    return console.log(`${shown} has nothing that is new.`);
  }
  if (publish) {
    const { serial } = await publishChanges(seen, changes, { by, note, imported: hashes });
    return console.log(`Version ${serial} is live.`);
  }
  for (const [id, value] of changes) {
    const draft = await readDraft(id);
    await writeDraft(id, value, draft?.etag ?? null, by, seen.content, { tried: true });
  }
  await setImported(hashes);
  const waiting = await listDrafts(await published());
  console.log(`${waiting.length} drafts. To make them live:  npm run content -- publish`);
}

/** One item in its file, and nothing else of it. */
async function writeItem(folder: string, id: string, value: Value): Promise<void> {
  const { kind, name } = kindOf(id);
  const file = join(folder, fileOf(id));
  if (kind === 'part') return await writeFile(file, `${JSON.stringify(value, null, 2)}\n`);
  const isList = kind === 'intent' || kind === 'faq';
  const text = existsSync(file) ? await readFile(file, 'utf8') : isList ? '[]\n' : '{}\n';
  const place = isList ? (parse(text) as { name: string }[]).findIndex((item) => item.name === name) : name;
  if (place === -1 && value === null) return;
  const path = [place === -1 ? (parse(text) as unknown[]).length : place];
  await writeFile(file, applyEdits(text, modify(text, path, value ?? undefined, FORMAT)));
}
