import { Problem } from './problem.ts';
import { route } from './route.ts';
import { routes } from './routes.ts';

/** Whatever no other route takes: OPTIONS says what a path takes; else 405 where the path is known, and 404 where it is not. */
export const notFound = route(
  'not-found',
  {
    summary: 'Everything else',
    access: 'anyone',
    answers: { 204: { description: 'What the path takes (OPTIONS).', headers: { Allow: 'Methods.' } } },
    problems: ['not_found', 'method_not_allowed'],
  },
  async (request) => {
    const segments = new URL(request.url).pathname.split('/').filter(Boolean);
    const known = routes.filter(({ route: path }) => matches(path, segments)).flatMap(({ methods }) => methods);
    if (known.length === 0) throw new Problem('not_found');
    const allow = [...new Set([...known, 'OPTIONS'])].join(', ');
    // No word of other origins: pages of others call by their own servers.
    if (request.method === 'OPTIONS') return { status: 204, headers: { allow } };
    throw new Problem('method_not_allowed', undefined, { headers: { allow } });
  },
);

function matches(path: string, segments: string[]): boolean {
  const parts = path.split('/');
  if (path.startsWith('{*') || segments.length > parts.length) return false;
  return parts.every(
    (part, index) => part === segments[index] || (part.startsWith('{') && (part.endsWith('?}') || segments[index])),
  );
}
