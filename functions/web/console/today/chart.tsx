import { useEffect, useRef } from 'preact/hooks';
import Plot from 'uplot';
import { clock, day } from '../texts.ts';

export interface Line {
  title: string;
  /** A custom property of the style sheet. */
  color: string;
  values: (number | null)[];
}

const HEIGHT = 220;

/** Lines over time. What it shows stands in a table, too: it is drawn, and says nothing to who can't see it. */
export function Chart({
  times,
  lines,
  by,
  timeZone,
  label,
}: {
  times: number[];
  lines: Line[];
  by: 'hour' | 'day';
  timeZone: string;
  label: string;
}) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const plot = draw(element, times, lines, by, timeZone);
    const watcher = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }));
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      plot.destroy();
    };
  }, [times, lines, by, timeZone]);
  return <div class="chart" ref={place} role="img" aria-label={label} />;
}

function draw(element: HTMLElement, times: number[], lines: Line[], by: 'hour' | 'day', timeZone: string): Plot {
  const style = getComputedStyle(document.documentElement);
  const color = (name: string) => style.getPropertyValue(name).trim();
  const axis = { stroke: color('--quiet'), grid: { stroke: color('--line'), width: 1 }, ticks: { show: false } };
  const when = (seconds: number) => (by === 'hour' ? clock(seconds * 1_000, timeZone) : day(seconds * 1_000, timeZone));
  return new Plot(
    {
      width: element.clientWidth,
      height: HEIGHT,
      padding: [8, 32, 0, 0],
      legend: { live: false },
      tzDate: (seconds) => Plot.tzDate(new Date(seconds * 1_000), timeZone),
      series: [
        { value: (_, seconds) => (seconds === null ? '' : when(seconds)) },
        ...lines.map(({ title, color: name }) => ({
          label: title,
          stroke: color(name),
          width: 2,
          points: { show: times.length < 3 },
        })),
      ],
      axes: [
        { ...axis, values: (_, ticks) => ticks.map(when) },
        { ...axis, size: 48 },
      ],
      scales: { y: { range: (_, __, most) => [0, Math.max(1, most * 1.05)] } },
    },
    [times.map((at) => at / 1_000), ...lines.map(({ values }) => values)],
    element,
  );
}
