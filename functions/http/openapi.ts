import { z } from 'zod';
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi';
import type { Role } from '../services/sign-in.ts';
import { type Code, problems } from './problem.ts';
import { commonProblems, json, type Operation, route } from './route.ts';
import { routes } from './routes.ts';
import { problem } from './schemas.ts';

/** GET /api/openapi.json: OpenAPI 3.1, made of what stands beside each route. */
export const getOpenApi = route(
  'openapi',
  {
    summary: 'This document',
    access: 'anyone',
    answers: { 200: { description: 'OpenAPI 3.1.', schema: z.looseObject({ openapi: z.string() }) } },
    problems: [],
  },
  async () => json(200, await openApi()),
);

let made: ReturnType<typeof make> | undefined;

export function openApi() {
  made ??= make();
  return made;
}

async function make() {
  const paths: ZodOpenApiPathsObject = {};
  for (const { route: path, methods, role, load } of routes) {
    // Whatever is nowhere else is no path of its own.
    if (path.startsWith('{*')) continue;
    const { operation } = await load();
    const method = methods.find((known) => known !== 'HEAD')!.toLowerCase();
    const described = documentedPath(path);
    paths[described] = { ...paths[described], [method]: descriptionOf(operation, role) };
  }
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Maru',
      version: '1',
      description:
        'Talk to the bot over HTTP. Errors are application/problem+json (RFC 9457) with a stable `code`. Every GET may be asked as HEAD.',
    },
    paths,
    components: {
      securitySchemes: {
        key: { type: 'apiKey', in: 'header', name: 'x-functions-key', description: 'A key of the function app.' },
        channel: { type: 'http', scheme: 'bearer', description: 'A token of the Bot Framework.' },
        staff: {
          type: 'http',
          scheme: 'bearer',
          description: 'A token of the console’s issuer for this app; a browser has its session’s cookie.',
        },
        secret: { type: 'apiKey', in: 'header', name: 'x-maru-webhook-secret' },
      },
    },
  });
}

/** As OpenAPI writes the host's `{name?}` and `{*name}`. */
export function documentedPath(route: string): string {
  return `/${route.replace('{*', '{').replace('?}', '}')}`;
}

function descriptionOf(operation: Operation, role: Role | undefined): ZodOpenApiOperationObject {
  const { summary, description, access, path, query, headers, body, bytes } = operation;
  const optional = body instanceof z.ZodOptional;
  return {
    summary,
    ...(description || role ? { description: [description, role && `Role: ${role}.`].filter(Boolean).join(' ') } : {}),
    security: access === 'anyone' ? [] : [{ [access]: [] }],
    ...(path || query || headers
      ? {
          requestParams: {
            ...(path ? { path } : {}),
            ...(query ? { query } : {}),
            ...(headers ? { header: headers } : {}),
          },
        }
      : {}),
    ...(body
      ? {
          requestBody: {
            required: !optional,
            content: { 'application/json': { schema: optional ? (body.unwrap() as z.ZodType) : body } },
          },
        }
      : {}),
    ...(bytes
      ? {
          requestBody: {
            required: true,
            content: Object.fromEntries(
              bytes.map((type) => [type, { schema: { type: 'string' as const, format: 'binary' } }]),
            ),
          },
        }
      : {}),
    responses: { ...answersOf(operation), ...problemsOf(operation) },
  };
}

function answersOf({ answers }: Operation): ZodOpenApiOperationObject['responses'] {
  return Object.fromEntries(
    Object.entries(answers).map(([status, { description, schema, types, headers }]) => [
      status,
      {
        description,
        ...(headers
          ? {
              headers: Object.fromEntries(
                Object.entries(headers).map(([name, meaning]) => [
                  name,
                  { description: meaning, schema: { type: 'string' as const } },
                ]),
              ),
            }
          : {}),
        ...(schema ? { content: { 'application/json': { schema } } } : {}),
        ...(types
          ? { content: Object.fromEntries(types.map((type) => [type, { schema: { type: 'string' as const } }])) }
          : {}),
      },
    ]),
  );
}

function problemsOf(operation: Operation): ZodOpenApiOperationObject['responses'] {
  const codes = [...new Set<Code>([...operation.problems, ...commonProblems(operation)])];
  const byStatus = Map.groupBy(codes, (code) => problems[code].status);
  const described = [...byStatus].map(([status, same]) => [
    String(status),
    {
      description: `Codes: ${same.join(', ')}.`,
      content: { 'application/problem+json': { schema: problem } },
    },
  ]);
  // The host's own answer, before the app is asked.
  const unauthorized = operation.access === 'key' ? [['401', { description: 'The key is missing or wrong.' }]] : [];
  return Object.fromEntries([...unauthorized, ...described]);
}
