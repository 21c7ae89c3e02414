import { Problem } from './problem.ts';
import { route } from './route.ts';
import { routes } from './routes.ts';

/** Whatever no other route takes: 405 where the path is known, else 404. */
export const notFound = route('not-found', async (request) => {
  const segments = new URL(request.url).pathname.split('/').filter(Boolean);
  const methods = routes.filter(({ route: path }) => matches(path, segments)).flatMap((known) => known.methods);
  if (methods.length === 0) throw new Problem('not_found');
  throw new Problem('method_not_allowed', undefined, { headers: { allow: [...new Set(methods)].join(', ') } });
});

function matches(path: string, segments: string[]): boolean {
  const parts = path.split('/');
  if (path.startsWith('{*') || segments.length > parts.length) return false;
  return parts.every(
    (part, index) => part === segments[index] || (part.startsWith('{') && (part.endsWith('?}') || segments[index])),
  );
}
