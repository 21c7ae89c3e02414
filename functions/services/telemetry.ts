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

/** One line of JSON for the Functions host's log. Never a user's text: that stands in the call log only. */
export function log(level: Level, message: string, fields: Record<string, unknown> = {}): void {
  console[level](JSON.stringify({ message, ...fields }));
}
