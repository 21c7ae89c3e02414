import { call } from './http.ts';
import { settings } from './settings.ts';
import { log } from './telemetry.ts';

/** Whether there is anybody to tell. */
export const hasOperators = (): boolean => settings().OPERATOR_WEBHOOK_URL !== undefined;

/**
 * Tells OPERATOR_WEBHOOK_URL of something: `text` for people, the rest for programs. A message that can't be delivered holds nothing up;
 * false when nobody was reached.
 */
export async function tellOperators(message: { event: string; text: string; state: string } & Record<string, unknown>) {
  try {
    await call('operator', settings().OPERATOR_WEBHOOK_URL!, {
      method: 'POST',
      body: message,
      timeout: 5_000,
      attempts: 3,
    });
  } catch (error) {
    const { event, state } = message;
    log('warn', 'the operators were not told', { event, state, error: String(error) });
    return false;
  }
  return true;
}
