import type { HttpRequest } from '@azure/functions';
import { type ContentProblem, differences, hashOf, isEdited, itemsOf, kindOf, type Value } from '../../content/item.ts';
import { audited } from '../../services/audit.ts';
import { currentBot, keptOf } from '../../services/bot.ts';
import {
  type Draft,
  discardDraft,
  draftContent,
  Faulty,
  listDrafts,
  listVersions,
  type Published,
  publishContent,
  publishDrafts,
  published,
  readDraft,
  readVersion,
  Stale,
  seenAs,
  versionContent,
  type Wanted,
  writeDraft,
} from '../../services/content.ts';
import { Problem } from '../problem.ts';
import { json, read, readJson, readQuery, staffRoute } from '../route.ts';
import * as schemas from './schemas.ts';
import { agentOf } from './speak.ts';

const VERSIONS = 30;
const PROBLEMS = 50;

/** GET /api/admin/content */
export const getContent = staffRoute(
  'admin.content',
  {
    summary: 'What the bot says: its items, the drafts of them, and what is wrong with those',
    answers: { 200: { description: 'The items.', schema: schemas.contentList } },
    problems: ['unavailable'],
  },
  async () => {
    const seen = await published();
    const drafts = await listDrafts(seen);
    const problems = await problemsOf(seen, drafts);
    const items = itemsOf(seen.content);
    const ids = new Set([...items.keys(), ...drafts.map(({ item }) => item)]);
    return json(200, {
      version: seen.content.version,
      published: seen.pointer && { at: seen.pointer.document.at, by: seen.pointer.document.by },
      languages: seen.content.languages.map(({ tag, name }) => ({ tag, name })),
      items: [...ids].filter(isEdited).map((id) => ({ id, ...kindOf(id), ...draftState(drafts, items, id) })),
      drafts: drafts.length === 0 ? null : seenAs(drafts),
      problems: problems.slice(0, PROBLEMS),
    });
  },
);

function draftState(drafts: Draft[], items: Map<string, Value>, id: string) {
  const draft = drafts.find(({ item }) => item === id);
  if (!draft) return {};
  const state = draft.value === null ? 'removed' : items.has(id) ? 'changed' : 'added';
  return { draft: { state, by: draft.by, at: draft.draftAt } };
}

/** GET /api/admin/content/items/{itemId} */
export const getItem = staffRoute(
  'admin.content-item',
  {
    summary: 'An item as it is live, its draft, and what that was before',
    path: schemas.item,
    answers: { 200: { description: 'The item.', schema: schemas.contentItem } },
    problems: ['invalid_message', 'not_found', 'unavailable'],
  },
  async (request) => {
    const id = itemOf(request);
    const seen = await published();
    const live = itemsOf(seen.content).get(id) ?? null;
    const draft = await readDraft(id);
    if (live === null && !draft) throw new Problem('not_found', 'The bot has no such item.');
    const isOther = draft !== null && hashOf(draft.document.value) !== hashOf(live ?? undefined);
    return json(200, {
      id,
      ...kindOf(id),
      live,
      draft: isOther ? { value: draft.document.value, by: draft.document.by, at: draft.document.draftAt } : null,
      etag: draft?.etag ?? null,
      history: (draft?.document.history ?? []).toReversed(),
    });
  },
);

/** PUT /api/admin/content/items/{itemId} */
export const putItem = staffRoute(
  'admin.content-edit',
  {
    summary: 'Write the draft of an item',
    description:
      'A draft may have mistakes: they are said, and it can not be published. What customers said in it is kept without personal details.',
    path: schemas.item,
    body: schemas.itemEdit,
    answers: { 200: { description: 'Written.', schema: schemas.itemEdited } },
    problems: ['content_changed', 'unavailable'],
  },
  async (request, principal) => {
    const id = itemOf(request);
    const { value: given, etag } = await readJson(request, schemas.itemEdit);
    const value = withoutDetails(id, given);
    if (value !== null) refuseOtherName(id, value);
    const by = agentOf(principal);
    const seen = await published();
    const before = (await readDraft(id))?.document.value ?? itemsOf(seen.content).get(id) ?? null;
    const draft = await orChanged(
      audited(by, 'content.edit', id, async () => ({
        result: await writeDraft(id, value, etag, by, seen.content),
        before,
        after: value,
      })),
    );
    return json(200, {
      etag: draft.etag,
      problems: (await problemsOf(seen)).filter(({ item }) => item === id || item === null),
    });
  },
);

/** DELETE /api/admin/content/items/{itemId}: the draft, and not what is live. */
export const deleteDraft = staffRoute(
  'admin.content-discard',
  {
    summary: 'Take the draft of an item away: it stays as it is live',
    path: schemas.item,
    query: schemas.discard,
    answers: { 204: { description: 'There is no draft of it any more.' } },
    problems: ['content_changed', 'invalid_message', 'unavailable'],
  },
  async (request, principal) => {
    const id = itemOf(request);
    const { etag } = readQuery(request, schemas.discard);
    const before = await readDraft(id);
    if (!before) return { status: 204 };
    await orChanged(
      audited(agentOf(principal), 'content.discard', id, async () => ({
        result: await discardDraft(id, etag),
        before: before.document.value,
      })),
    );
    return { status: 204 };
  },
);

/** POST /api/admin/content/publish */
export const publish = staffRoute(
  'admin.content-publish',
  {
    summary: 'Make all drafts live, if nothing is wrong with them',
    description:
      'Answers are live within seconds. What customers say is understood anew once a model that was trained on it is live.',
    body: schemas.publication,
    answers: { 200: { description: 'Live.', schema: schemas.contentVersion } },
    problems: ['content_changed', 'content_faulty', 'unavailable'],
  },
  async (request, principal) => {
    const { note, drafts: asked } = await readJson(request, schemas.publication);
    const by = agentOf(principal);
    const seen = await published();
    const list = await listDrafts(seen);
    if (list.length === 0 || asked !== seenAs(list))
      throw new Problem('content_changed', 'The drafts are others by now: look at them once more.');
    const problems = await problemsOf(seen, list);
    if (problems.length > 0) throw refuseFaulty(problems);
    const version = await orChanged(
      audited(by, 'content.publish', null, async () => {
        const version = await publishDrafts(by, note, asked);
        return {
          result: version,
          before: seen.content.version,
          after: { version: version.version, changed: version.changed },
        };
      }),
    );
    return json(200, version);
  },
);

/** GET /api/admin/content/versions */
export const getVersions = staffRoute(
  'admin.content-versions',
  {
    summary: 'What was published, the newest first',
    query: schemas.versionsQuery,
    answers: { 200: { description: 'The versions.', schema: schemas.contentVersions } },
    problems: ['invalid_message', 'unavailable'],
  },
  async (request) => {
    const { before = 1e9 } = readQuery(request, schemas.versionsQuery);
    const versions = await listVersions(before, VERSIONS);
    return json(200, { versions, next: versions.length === VERSIONS ? versions.at(-1)!.serial : null });
  },
);

/** GET /api/admin/content/versions/{serial} */
export const getVersion = staffRoute(
  'admin.content-version',
  {
    summary: 'What a version changed, item by item',
    path: schemas.version,
    answers: { 200: { description: 'The changes.', schema: schemas.contentDiff } },
    problems: ['invalid_message', 'not_found', 'unavailable'],
  },
  async (request) => {
    const version = await versionOf(request);
    const { content, before } = await versionContent(version);
    return json(200, { ...version, differences: differences(before, content) });
  },
);

/** POST /api/admin/content/versions/{serial}/revert */
export const revert = staffRoute(
  'admin.content-revert',
  {
    summary: 'Make what was live as this version live again, as a version of its own',
    path: schemas.version,
    body: schemas.nothing,
    answers: { 200: { description: 'Live.', schema: schemas.contentVersion } },
    problems: ['invalid_message', 'not_found', 'content_changed', 'unavailable'],
  },
  async (request, principal) => {
    await readJson(request, schemas.nothing);
    const asked = await versionOf(request);
    const by = agentOf(principal);
    const seen = await published();
    const { content } = await versionContent(asked);
    const version = await orChanged(
      audited(by, 'content.revert', `version.${asked.serial}`, async () => {
        const version = await publishContent(seen, content, { by, note: `as in ${asked.serial}` });
        return {
          result: version,
          before: seen.content.version,
          after: { version: version.version, changed: version.changed },
        };
      }),
    );
    return json(200, version);
  },
);

/** All that is wrong with drafts; of those that are kept, unless others are named. */
export async function problemsOf(seen: Published, given?: Wanted[]): Promise<ContentProblem[]> {
  return (await draftContent(seen, given ?? (await listDrafts(seen)))).problems;
}

/** What customers said, without personal details; what the bot says may well have the shop's number. */
export function withoutDetails(id: string, value: Value): Value {
  const keep = keptOf(currentBot());
  const kept = (texts: unknown) =>
    typeof texts === 'object' && texts !== null
      ? Object.fromEntries(
          Object.entries(texts).map(([tag, list]) => [
            tag,
            Array.isArray(list) ? list.map((text) => (typeof text === 'string' ? keep(text) : text)) : list,
          ]),
        )
      : texts;
  if (value === null || typeof value !== 'object') return value;
  const fields = kindOf(id).kind === 'intent' ? ['utterances', 'not'] : kindOf(id).kind === 'faq' ? ['other_ways'] : [];
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, fields.includes(name) ? kept(inner) : inner]),
  );
}

/** An intent and an entry of the FAQ say their name themselves. */
function refuseOtherName(id: string, value: Value): void {
  const { kind, name } = kindOf(id);
  if (kind !== 'intent' && kind !== 'faq') return;
  if ((value as { name?: unknown }).name === name) return;
  const reason = `must be "${name}", as in the address`;
  throw new Problem('invalid_message', `value.name: ${reason}.`, { errors: [{ field: 'value.name', reason }] });
}

async function orChanged<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Stale) throw new Problem('content_changed', error.message);
    if (error instanceof Faulty) throw refuseFaulty(error.problems);
    throw error;
  }
}

export function refuseFaulty(problems: ContentProblem[]): Problem {
  const errors = problems
    .slice(0, PROBLEMS)
    .map(({ item, path, message }) => ({ field: [item, path].filter(Boolean).join(' '), reason: message }));
  return new Problem('content_faulty', `${problems.length} to correct: ${errors[0]!.field} ${errors[0]!.reason}.`, {
    errors,
  });
}

const itemOf = (request: HttpRequest): string => read('itemId', request.params.itemId ?? '', schemas.item.shape.itemId);

async function versionOf(request: HttpRequest) {
  const serial = read('serial', request.params.serial ?? '', schemas.version.shape.serial);
  const version = await readVersion(Number(serial));
  if (!version) throw new Problem('not_found', 'There is no such version.');
  return version;
}
