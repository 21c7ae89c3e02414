import type { Cookie, HttpHandler } from '@azure/functions';
import { routes } from '../../../functions/http/routes.ts';

export interface Called {
  status: number;
  headers: Record<string, string>;
  cookies: Cookie[];
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever came back
  body: any;
}

/** Calls a route by its name as the host does, in this process. `install()` (scripts/local/functions-core.ts) must have run. */
export async function callRoute(
  name: string,
  url: string,
  { method = 'GET', headers = {}, params = {}, body }: CallOptions = {},
): Promise<Called> {
  const { HttpRequest } = await import('@azure/functions');
  const { load, role } = routes.find((route) => route.name === name)!;
  const request = new HttpRequest({
    method,
    url,
    params,
    query: Object.fromEntries(new URL(url).searchParams),
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: { string: JSON.stringify(body) } }),
  });
  const handler = (await load()) as unknown as (
    ...given: [...Parameters<HttpHandler>, typeof role]
  ) => Promise<Partial<Called>>;
  const answer = await handler(request, {} as never, role);
  const text = answer.body ?? '';
  const json = /json/.test(answer.headers?.['content-type'] ?? '');
  return {
    status: answer.status ?? 200,
    headers: answer.headers ?? {},
    cookies: answer.cookies ?? [],
    body: json ? JSON.parse(text) : text,
  };
}

interface CallOptions {
  method?: string;
  headers?: Record<string, string>;
  params?: Record<string, string>;
  body?: object;
}

/** The cookies as a browser sends them back; one without a value is gone. */
export function cookieHeader(cookies: readonly Cookie[]): Record<string, string> {
  const kept = cookies.filter(({ value }) => value !== '');
  return { cookie: kept.map(({ name, value }) => `${name}=${value}`).join('; ') };
}
