import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Named } from './models/scheduler.ts';
import type { Timing } from './models/session.ts';

const SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const labelNames = ['model', 'version'] as const;

/** What a thread has counted, as it is sent to another. */
export type MetricsJson = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/** What `/metrics` shows, for Prometheus: of the process, and the sum of what its threads have counted. */
export class Metrics {
  readonly #process = new Registry();
  readonly #own = new Registry();
  /** Asks the other threads that count. */
  others: () => Promise<MetricsJson[]> = () => Promise.resolve([]);
  readonly #requests = new Counter({
    name: 'maru_inference_requests_total',
    help: 'Requests by model, version and HTTP status',
    labelNames: [...labelNames, 'code'],
    registers: [this.#own],
    collect: () => this.#count(),
  });
  readonly #phase = new Histogram({
    name: 'maru_inference_seconds',
    help: 'Seconds by phase: queue (each request), preprocess, compute and postprocess (each group of requests), total (each request)',
    labelNames: [...labelNames, 'phase'],
    buckets: SECONDS,
    registers: [this.#own],
  });
  readonly #batchRows = new Histogram({
    name: 'maru_inference_batch_rows',
    help: 'Rows of each batch',
    labelNames,
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
    registers: [this.#own],
  });
  readonly #waiting = new Gauge({
    name: 'maru_inference_queue_requests',
    help: 'Requests that wait',
    labelNames,
    registers: [this.#own],
    collect: () => this.#collect(),
  });
  readonly models = new Gauge({
    name: 'maru_models_loaded',
    help: 'Versions that are served',
    labelNames,
    registers: [this.#own],
  });

  readonly threads = new Gauge({
    name: 'maru_http_threads',
    help: 'Threads that serve HTTP',
    registers: [this.#own],
  });
  readonly #running = new Gauge({
    name: 'maru_inference_running_requests',
    help: 'Requests that run, in a worker or inline',
    labelNames,
    registers: [this.#own],
  });
  /** Answers since the metrics were last shown: the counter's own labels cost more than a small model's run. */
  readonly #tallies = new Map<string, { labels: Record<string, string | number>; count: number }>();
  #collect: () => void = () => undefined;

  /** `ofProcess`: with the process's own, which one thread shows. */
  constructor(ofProcess: boolean) {
    if (ofProcess) collectDefaultMetrics({ register: this.#process });
  }

  get contentType(): string {
    return this.#own.contentType;
  }

  async text(): Promise<string> {
    const sum = AggregatorRegistry.aggregate([await this.json(), ...(await this.others())]);
    return `${await this.#process.metrics()}\n${await sum.metrics()}`;
  }

  json(): Promise<MetricsJson> {
    return this.#own.getMetricsAsJSON();
  }

  #count(): void {
    for (const tally of this.#tallies.values()) {
      this.#requests.inc(tally.labels, tally.count);
      tally.count = 0;
    }
  }

  /** Called before the metrics are shown, for what is read and not counted. */
  onCollect(collect: () => void): void {
    this.#collect = collect;
  }

  /** Requests that wait, and that run. */
  inFlight({ name, version }: Named, waiting: number, running: number): void {
    this.#waiting.set({ model: name, version }, waiting);
    this.#running.set({ model: name, version }, running);
  }

  /** A request has its answer, so many milliseconds after it came. */
  answered({ key, name, version }: Named, status: number, ms: number): void {
    const tally = this.#tallies.get(`${key} ${status}`);
    if (tally) tally.count += 1;
    else this.#tallies.set(`${key} ${status}`, { labels: { model: name, version, code: status }, count: 1 });
    this.#phase.observe({ model: name, version, phase: 'total' }, ms / 1_000);
  }

  /** A group of requests ran: the milliseconds each had waited, and what the worker measured. */
  ran({ name, version }: Named, waited: number[], timing: Timing): void {
    const labels = { model: name, version };
    for (const ms of waited) this.#phase.observe({ ...labels, phase: 'queue' }, ms / 1_000);
    for (const phase of ['preprocess', 'compute', 'postprocess'] as const)
      this.#phase.observe({ ...labels, phase }, timing[phase] / 1_000);
    for (const rows of timing.batches) this.#batchRows.observe(labels, rows);
  }

  /** A model is gone: its gauges too. */
  forget(model: string, version: string): void {
    this.models.remove({ model, version });
    this.#waiting.remove({ model, version });
    this.#running.remove({ model, version });
  }
}
