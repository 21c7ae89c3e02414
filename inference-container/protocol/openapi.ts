import { z } from 'zod';
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi';
import { datatypes } from '../models/tensor.ts';
import { predictRequest, scoreRequest } from './v1.ts';
import { inferRequest } from './v2.ts';

/** GET /openapi.json: what this server answers, made of the schemas that read its requests. */
const datatype = z.enum(Object.keys(datatypes) as [string, ...string[]]);
const anything = z.record(z.string(), z.unknown());
const metadataTensor = z.object({
  name: z.string(),
  datatype,
  shape: z.array(z.int()).meta({ description: '−1: any size.' }),
  parameters: anything.optional().meta({ description: 'labels: what the columns stand for, where the model says so.' }),
});
const metadata = z.object({
  name: z.string(),
  versions: z.array(z.string()),
  platform: z.string(),
  inputs: z.array(metadataTensor),
  outputs: z.array(metadataTensor),
  parameters: z.object({ batching: z.string().meta({ description: 'proven, declared, or off (why).' }) }),
});
const inferAnswer = z.object({
  model_name: z.string(),
  model_version: z.string(),
  id: z.string().optional(),
  outputs: z.array(
    z.object({
      name: z.string(),
      datatype,
      shape: z.array(z.int()),
      data: z.array(z.unknown()).optional(),
      parameters: anything.optional(),
    }),
  ),
});
const entry = z.object({
  name: z.string(),
  version: z.string(),
  state: z.enum(['READY', 'LOADING', 'UNLOADING', 'UNAVAILABLE']),
  reason: z.string(),
  batching: z.string().optional(),
});
const problem = z.object({ error: z.string() });

const json = (description: string, schema: z.ZodType) => ({
  description,
  content: { 'application/json': { schema } },
});
const problems = {
  400: json('What is wrong with the request.', problem),
  401: json('The key is missing, or another.', problem),
  404: json('There is no such path, model or version.', problem),
  413: json('The request is too large, or would be once it is read.', problem),
  503: json('Busy, loading or stopping: ask again after the seconds in Retry-After.', problem),
};
const infer = (versioned: boolean): ZodOpenApiOperationObject => ({
  summary: versioned ? 'Ask a version of a model' : 'Ask the newest version of a model',
  description:
    'FP tensors may hold "NaN", "Infinity" and "-Infinity". With Inference-Header-Content-Length the body is JSON with tensors in binary behind it.',
  requestParams: {
    path: modelPath(versioned),
    header: z.object({ 'inference-header-content-length': z.string().optional() }),
  },
  requestBody: { content: { 'application/json': { schema: inferRequest } } },
  responses: { 200: json('The outputs.', inferAnswer), ...problems },
});

function modelPath(versioned: boolean) {
  const model = z.object({ model: z.string() });
  return versioned ? model.extend({ version: z.string() }) : model;
}

const about = (versioned: boolean, summary: string, schema: z.ZodType) => ({
  get: {
    summary,
    requestParams: { path: modelPath(versioned) },
    responses: { 200: json(summary, schema), ...problems },
  },
});

const plain = (summary: string, schema: z.ZodType, others: ZodOpenApiOperationObject['responses'] = {}) => ({
  get: { summary, security: [], responses: { 200: json(summary, schema), ...others } },
});

function paths(): ZodOpenApiPathsObject {
  const ofModels: ZodOpenApiPathsObject = {};
  for (const versioned of [false, true]) {
    const base = `/v2/models/{model}${versioned ? '/versions/{version}' : ''}`;
    ofModels[base] = about(versioned, 'Inputs, outputs and versions', metadata);
    ofModels[`${base}/ready`] = about(
      versioned,
      'Whether it is served',
      z.object({ name: z.string(), ready: z.boolean() }),
    );
    ofModels[`${base}/config`] = about(versioned, 'Its configuration, as Triton has it', anything);
    ofModels[`${base}/stats`] = about(versioned, 'What was counted of it, as Triton has it', anything);
    ofModels[`${base}/infer`] = { post: infer(versioned) };
  }
  const change = (action: string): ZodOpenApiOperationObject => ({
    summary: `${action} a model: needs the key of the repository`,
    requestParams: { path: modelPath(false) },
    responses: { 200: json('It is done.', anything), ...problems, 403: json('Nobody may: there is no key.', problem) },
  });
  return {
    '/': plain('Alive', z.object({ status: z.string() })),
    '/healthcheck': plain('Ready, for the generic scoring API', z.object({ status: z.string() }), {
      503: problems[503],
    }),
    '/openapi.json': { get: { summary: 'This document', responses: { 200: json('OpenAPI 3.1.', anything) } } },
    '/metrics': {
      get: { summary: 'For Prometheus', responses: { 200: { description: 'Text.', content: { 'text/plain': {} } } } },
    },
    '/v2': {
      get: { summary: 'What this server is', responses: { 200: json('Name, version and extensions.', anything) } },
    },
    '/v2/health/live': plain('Whether the process is alive', z.object({ live: z.boolean() })),
    '/v2/health/ready': plain('Whether every model that should be there is served', z.object({ ready: z.boolean() }), {
      503: json('Not yet.', z.object({ ready: z.boolean() })),
    }),
    ...ofModels,
    '/v2/models/stats': {
      get: { summary: 'What was counted of every model', responses: { 200: json('By version.', anything) } },
    },
    '/v2/repository/index': {
      post: {
        summary: 'Every model and version, its state, and why it is not served',
        requestBody: {
          required: false,
          content: { 'application/json': { schema: z.object({ ready: z.boolean().optional() }) } },
        },
        responses: { 200: json('An entry a version.', z.array(entry)), 400: problems[400], 401: problems[401] },
      },
    },
    '/v2/repository/models/{model}/load': { post: change('Load') },
    '/v2/repository/models/{model}/unload': { post: change('Unload') },
    '/v1/models': {
      get: {
        summary: 'The names that are served',
        responses: { 200: json('Names.', z.object({ models: z.array(z.string()) })) },
      },
    },
    '/v1/models/{model}': about(false, 'Whether it is served (V1)', z.object({ name: z.string(), ready: z.boolean() })),
    '/v1/models/{model}:predict': {
      post: {
        summary: 'Ask a model by rows (instances) or by columns (inputs)',
        requestParams: { path: modelPath(false) },
        requestBody: { content: { 'application/json': { schema: predictRequest } } },
        responses: { 200: json('predictions, or outputs.', anything), ...problems },
      },
    },
    '/score': {
      post: {
        summary: 'Ask a model by rows, named in the body',
        requestBody: { content: { 'application/json': { schema: scoreRequest } } },
        responses: { 200: json('results.', anything), ...problems },
      },
    },
  };
}

let made: ReturnType<typeof createDocument> | undefined;

export function openApi(): ReturnType<typeof createDocument> {
  made ??= createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Maru model server',
      version: '1',
      description:
        'ONNX models by the Open Inference Protocol (V2), KServe V1 and a generic scoring API. Bodies may be gzip or deflate. Every GET may be asked as HEAD.',
    },
    security: [{ key: [] }],
    paths: paths(),
    components: {
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'INFERENCE_KEY or, to load and unload, REPOSITORY_KEY.' },
      },
    },
  });
  return made;
}
