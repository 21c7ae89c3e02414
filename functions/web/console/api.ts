import createClient from 'openapi-fetch';
import type { components, paths } from './schema.d.ts';

/** The platform's own API, as its OpenAPI describes it (npm run console:api writes the types). */
export const api = createClient<paths>({ baseUrl: '/' });

export type Schemas = components['schemas'];

/** What a request that failed says. */
export interface Problem {
  status: number;
  code: string;
  title: string;
  detail?: string;
}

/** A call that changes something: tried again while the bot finishes something, and its failure is said. */
export async function act(
  work: () => Promise<{ response: Response; error?: unknown }>,
  attempts = 12,
): Promise<Problem | null> {
  for (let attempt = 1; ; attempt += 1) {
    let status = 0;
    let problem: Problem;
    try {
      const { response, error } = await work();
      if (response.ok) return null;
      status = response.status;
      problem = { status, code: '', title: response.statusText, ...(error as Partial<Problem>) };
    } catch {
      problem = { status: 0, code: 'lost', title: '' };
    }
    const passes = status === 0 || status === 503 || problem.code === 'busy' || problem.code === 'too_many_requests';
    if (!passes || attempt >= attempts) return problem;
    await new Promise((done) => setTimeout(done, Math.min(300 * attempt, 2_000)));
  }
}
