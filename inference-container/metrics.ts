import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, type MetricValue, Registry } from 'prom-client';
import { Histogram, type Series } from './histogram.ts';
import type { Named } from './models/scheduler.ts';
import type { Timing } from './models/session.ts';

const SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const ROWS = [1, 2, 4, 8, 16, 32, 64, 128, 256];
const SECONDS_NAME = 'maru_inference_seconds';
const ROWS_NAME = 'maru_inference_batch_rows';
const LAST_NAME = 'maru_inference_last_request_timestamp_seconds';
const labelNames = ['model', 'version'] as const;
const phases = ['queue', 'preprocess', 'compute', 'postprocess', 'total', 'refused'] as const;
type Phase = (typeof phases)[number];

/** What a thread has counted, as it is sent to another. */
export type MetricsJson = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

type Value = MetricValue<string> & { metricName?: string };

/** What is counted of one version of a model. */
interface Counted {
  seconds: Record<Phase, Series>;
  rows: Series;
  /** Answers by status, since the metrics were last shown. */
  answers: Map<number, number>;
  /** When the last one had its answer, in milliseconds since 1970. */
  last: number;
}

/** How often, and how long or how many altogether. */
export interface Total {
  count: number;
  sum: number;
}

/** What was counted of a version, over all threads. Seconds by phase; `rows`: of each batch. */
export interface Statistics extends Record<Phase, Total> {
  model: string;
  version: string;
  rows: Total;
  /** Milliseconds since 1970; 0: never. */
  last: number;
}

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
  readonly #seconds = new Histogram(
    SECONDS_NAME,
    'Seconds by phase: queue (each request), preprocess, compute and postprocess (each group of requests), total (each request), refused (each that had no 2xx)',
    SECONDS,
  );
  readonly #rows = new Histogram(ROWS_NAME, 'Rows of each batch', ROWS);
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

  readonly failed = new Gauge({
    name: 'maru_models_failed',
    help: 'Versions that can not be served; the repository index says why',
    labelNames,
    registers: [this.#own],
  });

  readonly #last = new Gauge({
    name: LAST_NAME,
    help: 'When the last request had its answer',
    labelNames,
    aggregator: 'max',
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
  readonly #counted = new Map<string, Counted>();
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

  async json(): Promise<MetricsJson> {
    return [...(await this.#own.getMetricsAsJSON()), this.#seconds.json(), this.#rows.json()];
  }

  /** What was counted of versions, over all threads. */
  async statistics(versions: Named[]): Promise<Statistics[]> {
    const values = [await this.json(), ...(await this.others())]
      .flat()
      .flatMap(({ name, values: own }) =>
        (own as Value[]).map((value) => ({ ...value, metricName: value.metricName ?? name })),
      );
    return versions.map(({ name: model, version }) => {
      const own = values.filter(({ labels }) => labels.model === model && labels.version === version);
      const total = (metric: string, phase?: Phase): Total => {
        const sum = (name: string) =>
          own
            .filter((value) => value.metricName === name && (phase === undefined || value.labels.phase === phase))
            .reduce((all, { value }) => all + value, 0);
        return { count: sum(`${metric}_count`), sum: sum(`${metric}_sum`) };
      };
      const seconds = Object.fromEntries(phases.map((phase) => [phase, total(SECONDS_NAME, phase)]));
      const rows = total(ROWS_NAME);
      const times = own.filter(({ metricName }) => metricName === LAST_NAME).map(({ value }) => value * 1_000);
      return { model, version, ...(seconds as Record<Phase, Total>), rows, last: Math.max(0, ...times) };
    });
  }

  #count(): void {
    for (const { rows, answers, last } of this.#counted.values()) {
      if (last > 0) this.#last.set(rows.labels, last / 1_000);
      for (const [code, count] of answers) {
        this.#requests.inc({ ...rows.labels, code }, count);
        answers.set(code, 0);
      }
    }
  }

  #of({ key, name, version }: Named): Counted {
    const known = this.#counted.get(key);
    if (known) return known;
    const labels = { model: name, version };
    const seconds = Object.fromEntries(phases.map((phase) => [phase, this.#seconds.series({ ...labels, phase })]));
    const counted = { seconds, rows: this.#rows.series(labels), answers: new Map(), last: 0 } as Counted;
    this.#counted.set(key, counted);
    return counted;
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
  answered(model: Named, status: number, ms: number): void {
    const counted = this.#of(model);
    const { seconds, answers } = counted;
    answers.set(status, (answers.get(status) ?? 0) + 1);
    seconds.total.observe(ms / 1_000);
    if (status >= 300) seconds.refused.observe(ms / 1_000);
    counted.last = Date.now();
  }

  /** A group of requests ran: the milliseconds each had waited, and what the worker measured. */
  ran(model: Named, waited: number[], timing: Timing): void {
    const { seconds, rows } = this.#of(model);
    for (const ms of waited) seconds.queue.observe(ms / 1_000);
    for (const phase of ['preprocess', 'compute', 'postprocess'] as const)
      seconds[phase].observe(timing[phase] / 1_000);
    for (const count of timing.batches) rows.observe(count);
  }

  /** A model is gone: its gauges too. */
  forget(model: string, version: string): void {
    this.models.remove({ model, version });
    this.#waiting.remove({ model, version });
    this.#running.remove({ model, version });
  }
}
