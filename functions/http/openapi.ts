import { z } from 'zod';
import { problems } from './problem.ts';
import { json, route } from './route.ts';
import * as schemas from './schemas.ts';

/** GET /api/openapi.json: OpenAPI 3.1, made of the schemas that validate. */
export const getOpenApi = route('openapi', async () => json(200, openApi()));

export function openApi() {
  const registry = z.registry<{ id: string }>();
  const named = {
    MessageRequest: schemas.messageRequest,
    MessageResponse: schemas.messageResponse,
    MessageList: schemas.messageList,
    FeedbackRequest: schemas.feedbackRequest,
    Reply: schemas.reply,
    Problem: schemas.problem,
  };
  for (const [id, schema] of Object.entries(named)) registry.add(schema, { id });
  const { schemas: components } = z.toJSONSchema(registry, { uri: (id) => `#/components/schemas/${id}`, io: 'input' });

  const conversation = [path('conversationId', schemas.conversationId)];
  const turn = [...conversation, path('turnId', schemas.turnId)];
  const prefer = header('Prefer', 'How long to wait for the answer, up to 30 s (RFC 7240).', {
    type: 'string',
    examples: ['wait=10'],
  });
  const key = header(
    'Idempotency-Key',
    'Sent again with the same key, a message is answered once.',
    z.toJSONSchema(schemas.turnId, { io: 'input' }),
  );
  const accepted = {
    ...answer('Accepted; not answered yet.', 'MessageResponse'),
    headers: { Location: textHeader, 'Retry-After': textHeader },
  };
  const answered = answer('Answered.', 'MessageResponse');
  const user = [path('userId', schemas.anyUserId)];
  return {
    openapi: '3.1.0',
    info: {
      title: 'Maru',
      version: '1',
      description: 'Talk to the bot over HTTP. Errors are application/problem+json (RFC 9457) with a stable `code`.',
    },
    security: [{ key: [] }],
    paths: {
      '/api/conversations/{conversationId}/messages': {
        post: operation(
          'Send a message',
          [...conversation, key, prefer],
          { 200: answered, 202: accepted },
          [
            'invalid_json',
            'invalid_message',
            'not_found',
            'idempotency_conflict',
            'message_too_large',
            'unsupported_media_type',
            'inbox_full',
            'unavailable',
          ],
          'MessageRequest',
        ),
        get: operation('The recent turns, oldest first', conversation, { 200: answer('The turns.', 'MessageList') }, [
          'invalid_message',
          'not_found',
          'unavailable',
        ]),
      },
      '/api/conversations/{conversationId}/messages/{turnId}': {
        get: operation('One turn', [...turn, prefer], { 200: answered, 202: accepted }, [
          'invalid_message',
          'not_found',
          'unavailable',
        ]),
      },
      '/api/conversations/{conversationId}/messages/{turnId}/feedback': {
        post: operation(
          'Rate an answer',
          turn,
          { 200: { description: 'Recorded.' } },
          ['invalid_json', 'invalid_message', 'not_found', 'unavailable'],
          'FeedbackRequest',
        ),
      },
      '/api/users/{userId}': {
        delete: operation('Erase a user', user, { 200: { description: 'Erased.' } }, [
          'invalid_message',
          'unavailable',
        ]),
      },
      '/api/users/{userId}/export': {
        get: operation('Everything that is kept about a user', user, { 200: { description: 'The data.' } }, [
          'invalid_message',
          'not_found',
          'unavailable',
        ]),
      },
      '/api/incidents': {
        get: operation('What an operator must look at, newest first', [], { 200: { description: 'The incidents.' } }, [
          'unavailable',
        ]),
      },
      '/api/health': {
        get: { summary: 'This process answers', security: [], responses: { 200: { description: 'It does.' } } },
      },
    },
    components: {
      securitySchemes: { key: { type: 'apiKey', in: 'header', name: 'x-functions-key' } },
      schemas: Object.fromEntries(
        Object.entries(components).map(([id, { $id: _id, $schema: _schema, ...schema }]) => [id, schema]),
      ),
    },
  };
}

const textHeader = { schema: { type: 'string' } };

function operation(
  summary: string,
  parameters: unknown[],
  responses: Record<number, unknown>,
  codes: (keyof typeof problems)[],
  body?: string,
) {
  const errors: Record<number, unknown> = { 401: { description: 'The key is missing or wrong.' } };
  for (const code of codes) {
    const { status } = problems[code];
    const same = codes.filter((other) => problems[other].status === status);
    errors[status] = {
      description: `Codes: ${same.join(', ')}.`,
      content: { 'application/problem+json': { schema: reference('Problem') } },
    };
  }
  return {
    summary,
    parameters,
    ...(body ? { requestBody: { required: true, content: { 'application/json': { schema: reference(body) } } } } : {}),
    responses: { ...responses, ...errors },
  };
}

function answer(description: string, schema: string) {
  return { description, content: { 'application/json': { schema: reference(schema) } } };
}

function reference(id: string) {
  return { $ref: `#/components/schemas/${id}` };
}

function path(name: string, schema: z.ZodType) {
  return { name, in: 'path', required: true, schema: z.toJSONSchema(schema, { io: 'input' }) };
}

function header(name: string, description: string, schema: unknown) {
  return { name, in: 'header', description, schema };
}
