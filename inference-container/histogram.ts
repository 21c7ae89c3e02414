import type { MetricObjectWithValues, MetricValue } from 'prom-client';

type Labels = Record<string, string | number>;

/** The values of one series: counted by the least bound that holds them, and summed. */
export class Series {
  readonly labels: Labels;
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(labels: Labels, bounds: readonly number[]) {
    this.labels = labels;
    this.#bounds = bounds;
    this.#counts = new Array(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket += 1;
    this.#counts[bucket]! += 1;
    this.#sum += value;
  }

  values(name: string): MetricValue<string>[] {
    let count = 0;
    const buckets = this.#counts.map((own, index) => {
      count += own;
      const le = this.#bounds[index] ?? '+Inf';
      return { metricName: `${name}_bucket`, labels: { ...this.labels, le }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels: this.labels, value: this.#sum } as MetricValue<string>,
      { metricName: `${name}_count`, labels: this.labels, value: count } as MetricValue<string>,
    ];
  }
}

/**
 * A histogram whose series are kept by whoever counts: prom-client's own looks its series up by all labels for each value, which
 * costs as much as a small model's run. Shown as prom-client's are.
 */
export class Histogram {
  readonly #name: string;
  readonly #help: string;
  readonly #bounds: readonly number[];
  readonly #series: Series[] = [];

  constructor(name: string, help: string, bounds: readonly number[]) {
    this.#name = name;
    this.#help = help;
    this.#bounds = bounds;
  }

  series(labels: Labels): Series {
    const series = new Series(labels, this.#bounds);
    this.#series.push(series);
    return series;
  }

  json(): MetricObjectWithValues<MetricValue<string>> {
    const values = this.#series.flatMap((series) => series.values(this.#name));
    const shown = { name: this.#name, help: this.#help, type: 'histogram', aggregator: 'sum', values };
    // Nothing that is read has prom-client's own `collect`, which its type asks for.
    return shown as unknown as MetricObjectWithValues<MetricValue<string>>;
  }
}
