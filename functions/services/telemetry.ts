import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { settings } from './settings.ts';

/**
 * Traces and logs. One turn is one trace: `traceparent` travels in the wake-up message, and every hop is a span of it.
 * Without a connection string there is nothing to trace and all of it costs nothing.
 */
let started: Promise<void> | undefined;

/** Starts Application Insights once, if it is configured. */
export function startTelemetry(): Promise<void> {
  started ??= settings().APPLICATIONINSIGHTS_CONNECTION_STRING
    ? import('./application-insights.ts')
        .then((module) => module.start())
        .catch((error) => log('error', 'no telemetry', { error: String(error) }))
    : Promise.resolve();
  return started;
}

/** Runs one hop of a turn as a span below `parent` (a W3C traceparent; blank: a new trace). */
export async function hop<T>(
  name: string,
  parent: string,
  attributes: Record<string, string | number | boolean>,
  work: () => Promise<T>,
): Promise<T> {
  const outer = parent ? propagation.extract(context.active(), { traceparent: parent }) : context.active();
  // SERVER: Application Insights shows it as a request with this name.
  return trace.getTracer('maru').startActiveSpan(name, { kind: SpanKind.SERVER, attributes }, outer, async (span) => {
    try {
      return await work();
    } catch (error) {
      span.recordException(error instanceof Error ? error : String(error));
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  });
}

/** The W3C traceparent of the current hop; blank outside of one. */
export function traceparent(): string {
  return traceHeaders().traceparent ?? '';
}

export function traceHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  propagation.inject(context.active(), headers);
  return headers;
}

type Level = 'info' | 'warn' | 'error';

/** How often a line is written of what an outsider can make happen as often as they like. */
const SELDOM_MS = 10_000;
const told = new Map<string, { at: number; since: number }>();

/** As {@link log}, but one line in ten seconds, which says how many there were since the last. */
export function logSeldom(level: Level, message: string, fields: Record<string, unknown> = {}): void {
  const now = Date.now();
  const last = told.get(message);
  if (last && now - last.at < SELDOM_MS) {
    last.since += 1;
    return;
  }
  told.set(message, { at: now, since: 0 });
  log(level, message, { ...fields, ...(last?.since ? { alike: last.since } : {}) });
}

/** One line of JSON for the Functions host's log. Never a user's text or id: those stand in the call log only. */
export function log(level: Level, message: string, fields: Record<string, unknown> = {}): void {
  console[level](lineOf(level, message, fields));
}

/**
 * The host takes a line of stderr for a warning where "warn" stands in it, else for an error where "error" does: a warning says so,
 * and an error spells the other word, where it quotes it, with the letter's number, which JSON reads the same.
 */
function lineOf(level: Level, message: string, fields: Record<string, unknown>): string {
  if (level === 'info') return JSON.stringify({ message, ...fields });
  const line = JSON.stringify({ message, ...fields, level });
  return level === 'warn'
    ? line
    : line.replace(/(?<=w)a(?=rn)/gi, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`);
}
