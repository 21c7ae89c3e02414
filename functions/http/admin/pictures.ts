import { storedTurnId } from '../../conversation/identifier.ts';
import * as speaker from '../../conversation/speaker.ts';
import { keepSent, readAttachment } from '../../services/blobs.ts';
import { readTurn } from '../../services/call-log.ts';
import { Rejected } from '../../services/failure.ts';
import { originOf } from '../origin.ts';
import { addressOf, shown } from '../pictures.ts';
import { Problem } from '../problem.ts';
import { read, readBytes, staffRoute } from '../route.ts';
import * as schemas from './schemas.ts';
import { agentOf, step } from './speak.ts';
import { conversationOf, existing } from './transcript.ts';

/** Of one picture that the staff sends. */
const SIZE_LIMIT = 10 * 1024 * 1024;

/** GET …/pictures/{turnId}/{index}: a picture that the customer has sent. */
export const getPicture = staffRoute(
  'admin.picture',
  {
    summary: 'A picture that the customer has sent',
    path: schemas.picture,
    answers: { 200: { description: 'The picture.', types: ['image/png', 'image/jpeg', 'image/webp', 'image/gif'] } },
    problems: ['invalid_message', 'not_found', 'unavailable'],
  },
  async (request) => {
    const document = await existing(conversationOf(request));
    const id = storedTurnId(read('turnId', request.params.turnId ?? '', schemas.picture.shape.turnId));
    const index = Number(read('index', request.params.index ?? '', schemas.picture.shape.index));
    const turn =
      [...document.recent, ...document.inbox].find((one) => one.id === id) ?? (id && (await readTurn(document.id, id)));
    return shown(turn ? await readAttachment(document.id, turn, index) : null);
  },
);

/** POST …/pictures?key=…: the bytes of a picture, which the customer is sent. */
export const postPicture = staffRoute(
  'admin.send-picture',
  {
    summary: 'Send the customer a picture: PNG, JPEG, WebP or GIF, up to 10 MB',
    path: schemas.conversation,
    query: schemas.pictureQuery,
    bytes: ['image/png', 'image/jpeg', 'image/webp', 'image/gif'],
    answers: { 204: { description: 'Sent, or sent before.' } },
    problems: ['invalid_message', 'not_found', 'not_yours', 'not_a_picture', 'length_required', 'message_too_large'],
  },
  async (request, principal) => {
    const key = read('key', request.query.get('key') ?? '', schemas.pictureQuery.shape.key);
    const name = read('name', request.query.get('name') ?? 'picture', schemas.pictureQuery.shape.name) ?? 'picture';
    const agent = agentOf(principal);
    // Whoever is erased meanwhile is erased with it.
    const now = Date.now();
    const document = await existing(conversationOf(request));
    if (speaker.isSaid(document, agent, key)) return { status: 204 };
    // Nothing is kept for who may not send it.
    if (document.speaker.kind !== 'person' || document.speaker.agent.id !== agent.id) throw new Problem('not_yours');
    const body = await readBytes(request, SIZE_LIMIT);
    const user = document.recent.findLast(({ by }) => !by)?.userId ?? document.userId;
    const sent = await keepSent(user, document.id, body, now).catch((error) => {
      if (error instanceof Rejected && error.service === 'attachments') throw new Problem('not_a_picture');
      throw error;
    });
    const url = addressOf(originOf(request), sent.name);
    const picture = { url, contentType: sent.contentType, name };
    return await step(request, (current) =>
      speaker.say(current, agent, { key, replies: [{ text: '', picture }] }, Date.now()),
    );
  },
);
