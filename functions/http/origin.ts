import type { HttpRequest } from '@azure/functions';
import { settings } from '../services/settings.ts';

/** Where browsers reach this app: as the settings say (behind a proxy with a name of its own), else as this request came. */
export function originOf(request: HttpRequest): string {
  const { PUBLIC_URL: url } = settings();
  return new URL(url ?? request.url).origin;
}
