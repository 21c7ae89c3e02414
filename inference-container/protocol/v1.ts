import { z } from 'zod';
import { type Api, HttpError } from './api.ts';

/** KServe V1. */
const predictRequest = z.object({ instances: z.array(z.unknown()).min(1) });

export const v1: Api = {
  'GET /v1/models': async ({ repository }) => ({ models: repository.names }),
  'GET /v1/models/:model': async ({ repository, params }) => {
    if (!repository.find(params.model!)) throw new HttpError(404, `model ${params.model} is not loaded`);
    return { name: params.model, ready: true };
  },
  'POST /v1/models/:model\\:predict': async ({ repository, params, body, run }) => {
    const model = repository.find(params.model!);
    if (!model) throw new HttpError(404, `model ${params.model} is not loaded`);
    const parsed = predictRequest.safeParse(body);
    if (!parsed.success) throw new HttpError(400, `instances: ${parsed.error.issues[0]!.message}`);
    return { predictions: await run(model, parsed.data.instances) };
  },
};
