import type { HttpRequest } from '@azure/functions';
import * as conversation from '../../conversation/transitions.ts';
import { audited } from '../../services/audit.ts';
import { change, notify } from '../../services/conversations.ts';
import {
  type Incident,
  incidentsBefore,
  markIncident,
  readIncident,
  unmarkRepeated,
} from '../../services/incidents.ts';
import { sendRelease } from '../../services/queues.ts';
import { Problem } from '../problem.ts';
import { json, read, readJson, readQuery, staffRoute } from '../route.ts';
import { pageOf } from './page.ts';
import * as schemas from './schemas.ts';
import { agentOf } from './speak.ts';

const PAGE = 50;

/** GET /api/admin/incidents */
export const getIncidents = staffRoute(
  'admin.incidents',
  {
    summary: 'What an operator must look at, the newest first',
    query: schemas.incidentsQuery,
    answers: { 200: { description: 'A page of incidents.', schema: schemas.incidents } },
    problems: ['invalid_message', 'unavailable'],
  },
  async (request) => {
    const { kind, open, before } = readQuery(request, schemas.incidentsQuery);
    const filter = { kind, isOpen: open === 'true' };
    const { page, next } = pageOf(await incidentsBefore(before ?? Date.now() + 60_000, filter, PAGE + 1), PAGE);
    return json(200, {
      incidents: page.map(({ userId: _, acceptedAt: __, release, ...incident }) => ({
        ...incident,
        ...(release && { release: release.digest }),
        repeatable: isRepeatable({ ...incident, release }),
      })),
      next,
    });
  },
);

/** POST /api/admin/incidents/{incidentId}/acknowledge */
export const acknowledge = staffRoute(
  'admin.incident-acknowledge',
  {
    summary: 'Say that somebody has seen to it',
    path: schemas.incident,
    body: schemas.nothing,
    answers: { 204: { description: 'Said, or said before.' } },
    problems: ['not_found', 'unavailable'],
  },
  async (request, principal) => {
    await readJson(request, schemas.nothing);
    const id = idOf(request);
    await existing(id);
    const by = agentOf(principal);
    await audited(by, 'incident.acknowledge', id, async () => {
      return { result: await markIncident(id, 'acknowledged', { by, at: Date.now() }) };
    });
    return { status: 204 };
  },
);

/** POST /api/admin/incidents/{incidentId}/repeat */
export const repeat = staffRoute(
  'admin.incident-repeat',
  {
    summary: 'Try once more what it stopped: a delivery, or what a poison message was for',
    path: schemas.incident,
    body: schemas.nothing,
    answers: { 204: { description: 'It is tried again; what fails again is an incident again.' } },
    problems: ['not_found', 'not_repeatable', 'unavailable'],
  },
  async (request, principal) => {
    await readJson(request, schemas.nothing);
    const id = idOf(request);
    const incident = await existing(id);
    if (!isRepeatable(incident)) throw new Problem('not_repeatable', 'Nothing of it can be tried again.');
    const by = agentOf(principal);
    await audited(by, 'incident.repeat', id, async () => {
      // First, so that what fails again finds that it was tried.
      await markIncident(id, 'repeated', { by, at: Date.now() });
      try {
        return { result: await again(incident) };
      } catch (error) {
        if (error instanceof Problem) await unmarkRepeated(id);
        throw error;
      }
    });
    return { status: 204 };
  },
);

function isRepeatable({
  kind,
  conversationId,
  turnId,
  release,
}: Pick<Incident, 'kind' | 'conversationId' | 'turnId'> & { release?: unknown }): boolean {
  if (kind === 'delivery_failed') return conversationId !== null && turnId !== null;
  return kind === 'poison_message' && (conversationId !== null || release !== undefined);
}

async function again({ kind, conversationId, turnId, release }: Incident): Promise<void> {
  if (release) return await sendRelease(release);
  const wakeUps = await change<conversation.WakeUp[] | null>(conversationId!, {
    transition: (document) => {
      const now = Date.now();
      if (!document) return [null, null];
      if (kind === 'poison_message') return [null, conversation.wakeUps(document, now)];
      const next = conversation.redeliver(document, turnId!, now);
      // Tried already, by whoever asked before: what is due is sent once more at the most.
      return [next === document ? null : next, next && conversation.wakeUps(next, now)];
    },
  });
  if (wakeUps === null)
    throw new Problem(
      'not_repeatable',
      'The conversation has gone on, or its user was erased: there is nothing left to deliver.',
    );
  await notify(conversationId!, wakeUps);
}

function idOf(request: HttpRequest): string {
  return read('incidentId', request.params.incidentId ?? '', schemas.incident.shape.incidentId);
}

async function existing(id: string): Promise<Incident> {
  const incident = await readIncident(id);
  if (!incident) throw new Problem('not_found', 'There is no such incident, or its user was erased.');
  return incident;
}
