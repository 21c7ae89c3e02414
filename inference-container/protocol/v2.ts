import { z } from 'zod';
import type { Model } from '../models/repository.ts';
import type { Classification } from '../tasks/text-classification.ts';
import { type Api, HttpError } from './api.ts';

/** Open Inference Protocol (V2) over REST: the paths the gateway needs. */
const input = z.object({
  name: z.string(),
  datatype: z.string(),
  shape: z.array(z.int().nonnegative()),
  data: z.array(z.unknown()),
});
const inferRequest = z.object({ id: z.string().max(128).optional(), inputs: z.array(input).length(1) });

export const v2: Api = {
  'GET /v2': async () => ({ name: 'maru-inference', version: '0.1.0', extensions: [] }),
  'GET /v2/health/live': async () => ({ live: true }),
  'GET /v2/health/ready': async ({ repository }) => {
    if (repository.names.length === 0) throw new HttpError(503, 'no model is loaded');
    return { ready: true };
  },
  'GET /v2/models/:model': async ({ repository, params }) => metadata(find(repository.find(params.model!), params)),
  'GET /v2/models/:model/ready': async ({ repository, params }) => {
    const { manifest } = find(repository.find(params.model!), params);
    return { name: manifest.name, ready: true };
  },
  'POST /v2/models/:model/infer': async ({ repository, params, body, run }) => {
    const model = find(repository.find(params.model!, params.version), params);
    return await infer(model, body, run);
  },
  'POST /v2/models/:model/versions/:version/infer': async ({ repository, params, body, run }) => {
    const model = find(repository.find(params.model!, params.version), params);
    return await infer(model, body, run);
  },
};

async function infer(model: Model, body: unknown, run: (model: Model, rows: unknown[]) => Promise<unknown[]>) {
  const parsed = inferRequest.safeParse(body);
  if (!parsed.success)
    throw new HttpError(400, `${parsed.error.issues[0]!.path.join('.')}: ${parsed.error.issues[0]!.message}`);
  const { datatype, shape, data, name } = parsed.data.inputs[0]!;
  if (datatype !== 'BYTES') throw new HttpError(400, `input ${name}: expected datatype BYTES, not ${datatype}`);
  if (shape.reduce((product, size) => product * size, 1) !== data.length || data.length === 0)
    throw new HttpError(400, `input ${name}: shape [${shape}] does not hold ${data.length} elements`);
  const results = (await run(model, data)) as Classification[];
  const rows = results.length;
  const top = results[0]!.top.length;
  return {
    model_name: model.manifest.name,
    model_version: model.manifest.version,
    ...(parsed.data.id ? { id: parsed.data.id } : {}),
    outputs: [
      { name: 'label', datatype: 'BYTES', shape: [rows], data: results.map((result) => result.label) },
      { name: 'score', datatype: 'FP32', shape: [rows], data: results.map((result) => result.score) },
      {
        name: 'top_labels',
        datatype: 'BYTES',
        shape: [rows, top],
        data: results.flatMap((result) => result.top.map((entry) => entry.label)),
      },
      {
        name: 'top_scores',
        datatype: 'FP32',
        shape: [rows, top],
        data: results.flatMap((result) => result.top.map((entry) => entry.score)),
      },
    ],
  };
}

function metadata({ manifest }: Model) {
  return {
    name: manifest.name,
    versions: [manifest.version],
    platform: 'onnxruntime_onnx',
    inputs: [{ name: 'text', datatype: 'BYTES', shape: [-1] }],
    outputs: [
      { name: 'label', datatype: 'BYTES', shape: [-1] },
      { name: 'score', datatype: 'FP32', shape: [-1] },
      { name: 'top_labels', datatype: 'BYTES', shape: [-1, -1] },
      { name: 'top_scores', datatype: 'FP32', shape: [-1, -1] },
    ],
  };
}

function find(model: Model | undefined, params: Record<string, string | undefined>): Model {
  if (!model)
    throw new HttpError(
      404,
      `model ${params.model}${params.version ? ` version ${params.version}` : ''} is not loaded`,
    );
  return model;
}
