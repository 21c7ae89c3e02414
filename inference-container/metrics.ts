import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

const SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const labelNames = ['model', 'version'] as const;

/** What `/metrics` shows, for Prometheus. */
export class Metrics {
  readonly registry = new Registry();
  readonly requests = new Counter({
    name: 'maru_inference_requests_total',
    help: 'Requests by model, version and HTTP status',
    labelNames: [...labelNames, 'code'],
    registers: [this.registry],
  });
  readonly phase = new Histogram({
    name: 'maru_inference_seconds',
    help: 'Seconds by phase: queue (each request), preprocess, compute and postprocess (each batch), total (each request)',
    labelNames: [...labelNames, 'phase'],
    buckets: SECONDS,
    registers: [this.registry],
  });
  readonly batchRows = new Histogram({
    name: 'maru_inference_batch_rows',
    help: 'Rows of each batch',
    labelNames,
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
    registers: [this.registry],
  });
  readonly queueRows = new Gauge({
    name: 'maru_inference_queue_rows',
    help: 'Rows that wait',
    labelNames,
    registers: [this.registry],
  });
  readonly models = new Gauge({
    name: 'maru_models_loaded',
    help: 'Versions that are served',
    labelNames,
    registers: [this.registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  /** A model is gone: its gauges too. */
  forget(model: string, version: string): void {
    this.models.remove({ model, version });
    this.queueRows.remove({ model, version });
  }
}
