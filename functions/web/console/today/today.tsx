import { useMemo } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { api, type Schemas } from '../api.ts';
import { useLoaded } from '../load.ts';
import { clock, day, duration, number, percent, say, type Text } from '../texts.ts';
import { Trouble } from '../trouble.tsx';
import { Chart } from './chart.tsx';

type Figures = Schemas['Figures'];

const REFRESH_MS = 30_000;
const SHOWN = 15;

/** Ranges that are chosen by name: how many days, and how many days ago the last of them is. */
const RANGES = { today: [1, 0], yesterday: [1, 1], week: [7, 0], month: [28, 0] } as const;
type Range = keyof typeof RANGES;

/** What happened, beside the week before. */
export function Today() {
  const { query, route } = useLocation();
  const { from, to, channel, locale } = query;
  const loaded = useLoaded(
    JSON.stringify([from, to, channel, locale]),
    () => api.GET('/api/admin/today', { params: { query: { from, to, channel, locale } } }),
    REFRESH_MS,
  );
  document.title = `${say('today')} · ${document.body.dataset.bot}`;
  const { data, problem } = loaded.value;
  const choose = (change: Record<string, string>) => {
    const next = Object.entries({ ...query, ...change }).filter(([, value]) => value !== '');
    route(`/console/today?${new URLSearchParams(next)}`);
  };
  return (
    <main class="page">
      <Trouble problem={problem} />
      {data && <Choice data={data} choose={choose} />}
      {data && <Board data={data} />}
    </main>
  );
}

function Choice({ data, choose }: { data: Schemas['Today']; choose(change: Record<string, string>): void }) {
  const { query } = useLocation();
  const now = dayBefore(data.now, 0, data.timeZone);
  const named = (Object.keys(RANGES) as Range[]).find((name) => {
    const [days, ago] = RANGES[name];
    return (
      data.to === dayBefore(data.now, ago, data.timeZone) &&
      data.from === dayBefore(data.now, ago + days - 1, data.timeZone)
    );
  });
  const pick = (name: Range) => {
    const [days, ago] = RANGES[name];
    choose({ from: dayBefore(data.now, ago + days - 1, data.timeZone), to: dayBefore(data.now, ago, data.timeZone) });
  };
  return (
    <div class="filters">
      <fieldset class="segments">
        <legend class="hidden">{say('time')}</legend>
        {(Object.keys(RANGES) as Range[]).map((name) => (
          <button type="button" key={name} aria-pressed={name === named} onClick={() => pick(name)}>
            {say(name)}
          </button>
        ))}
      </fieldset>
      <label>
        {say('from')}
        <input
          type="date"
          value={data.from}
          max={now}
          onChange={(event) =>
            choose({ from: event.currentTarget.value, to: later(event.currentTarget.value, data.to) })
          }
        />
      </label>
      <label>
        {say('to')}
        <input
          type="date"
          value={data.to}
          min={data.from}
          max={now}
          onChange={(event) => choose({ from: data.from, to: event.currentTarget.value })}
        />
      </label>
      <Select
        title={say('channel')}
        value={query.channel}
        options={data.channels}
        choose={(channel) => choose({ channel })}
      />
      <Select
        title={say('spoken')}
        value={query.locale}
        options={data.locales}
        choose={(locale) => choose({ locale })}
      />
    </div>
  );
}

const later = (a: string, b: string) => (a > b ? a : b);

function Select({
  title,
  value = '',
  options,
  choose,
}: {
  title: string;
  value: string | undefined;
  options: string[];
  choose(value: string): void;
}) {
  const all = value && !options.includes(value) ? [...options, value] : options;
  return (
    <label>
      {title}
      <select value={value} onChange={(event) => choose(event.currentTarget.value)}>
        <option value="">{say('all')}</option>
        {all.map((option) => (
          <option key={option} value={option}>
            {option}
          </option>
        ))}
      </select>
    </label>
  );
}

function Board({ data }: { data: Schemas['Today'] }) {
  const { total, before, series, intents } = data;
  const lines = useMemo(
    () => [
      { title: say('turns'), color: '--brand', values: series.map(({ turns }) => turns) },
      {
        title: say('not_understood'),
        color: '--late',
        values: series.map(({ outcomes }) => outcomes.not_understood ?? 0),
      },
      { title: say('handed_over'), color: '--mark', values: series.map(({ outcomes }) => outcomes.handed_over ?? 0) },
    ],
    [series],
  );
  const times = useMemo(() => series.map(({ at }) => at), [series]);
  const when = (at: number) => (data.by === 'hour' ? clock(at, data.timeZone) : day(at, data.timeZone));
  const { query } = useLocation();
  const link = (more: Record<string, string>) => {
    const { channel, locale } = query;
    const chosen = { from: String(data.begins), ...(data.ends < data.now ? { to: String(data.ends) } : {}) };
    const filters = { ...chosen, ...(channel ? { channel } : {}), ...(locale ? { locale } : {}), ...more };
    return `/console/conversations?${new URLSearchParams(filters)}`;
  };
  return (
    <>
      <section aria-label={say('figures')}>
        <dl class="tiles">
          <Tile
            title={say('turns')}
            value={number(total.turns)}
            now={total.turns}
            then={before.turns}
            href={link({})}
          />
          <Tile title={say('people_count')} value={number(total.people)} now={total.people} then={before.people} />
          {(['answered', 'not_understood', 'handed_over', 'failed'] as const).map((outcome) => (
            <Tile
              key={outcome}
              title={say(outcome)}
              value={number(total.outcomes[outcome] ?? 0)}
              more={total.turns ? percent((total.outcomes[outcome] ?? 0) / total.turns) : ''}
              now={share(total, outcome)}
              then={share(before, outcome)}
              href={link({ outcome })}
              tone={outcome === 'answered' ? 'good' : 'bad'}
            />
          ))}
          <Tile
            title={say('thumbs')}
            value={`${number(total.up)} / ${number(total.down)}`}
            now={total.down}
            then={before.down}
            href={link({ feedback: 'down' })}
            tone="bad"
          />
          <Tile
            title={say('stars')}
            tone="good"
            value={total.stars === null ? '–' : `${total.stars.toFixed(1)} ★`}
            more={total.rated ? number(total.rated) : ''}
            now={total.stars}
            then={before.stars}
          />
          <Tile title="p50" value={duration(total.p50)} now={total.p50} then={before.p50} tone="bad" />
          <Tile title="p95" value={duration(total.p95)} now={total.p95} then={before.p95} tone="bad" />
          <Tile
            title={say('waiting')}
            value={data.waiting === null ? '–' : number(data.waiting)}
            href="/console/desk"
          />
          <Tile
            title={say('open_incidents')}
            value={data.incidents >= 100 ? '100+' : number(data.incidents)}
            href="/console/incidents?open=true"
            tone="bad"
          />
        </dl>
        <p class="hint">
          {say(data.weeks === 1 ? 'besideWeek' : 'besideWeeks')} · {data.timeZone} {clock(data.now, data.timeZone)}
        </p>
      </section>
      <section class="card">
        <h2>{data.by === 'hour' ? say('byHour') : say('byDay')}</h2>
        <Chart times={times} lines={lines} by={data.by} timeZone={data.timeZone} label={say('chart')} />
        <details>
          <summary>{say('asTable')}</summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
          <section class="scroll" tabIndex={0} aria-label={say('asTable')}>
            <table>
              <thead>
                <tr>
                  <th scope="col">{say('time')}</th>
                  {(['turns', 'people_count', 'answered', 'not_understood', 'handed_over', 'failed'] as const).map(
                    (name) => (
                      <th scope="col" class="num" key={name}>
                        {say(name)}
                      </th>
                    ),
                  )}
                  <th scope="col" class="num">
                    p50
                  </th>
                  <th scope="col" class="num">
                    p95
                  </th>
                </tr>
              </thead>
              <tbody>
                {series.map((one) => (
                  <tr key={one.at}>
                    <th scope="row">{when(one.at)}</th>
                    <td class="num">{number(one.turns)}</td>
                    <td class="num">{number(one.people)}</td>
                    {(['answered', 'not_understood', 'handed_over', 'failed'] as const).map((outcome) => (
                      <td class="num" key={outcome}>
                        {number(one.outcomes[outcome] ?? 0)}
                      </td>
                    ))}
                    <td class="num">{duration(one.p50)}</td>
                    <td class="num">{duration(one.p95)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </section>
        </details>
      </section>
      <div class="columns">
        <section class="card">
          <h2>{say('topIntents')}</h2>
          {intents.length === 0 && <p class="hint">{say('nothingYet')}</p>}
          {intents.length > 0 && (
            <table>
              <thead>
                <tr>
                  <th scope="col">{say('intent')}</th>
                  <th scope="col" class="num">
                    {say('turns')}
                  </th>
                  <th scope="col" class="num">
                    {say('change')}
                  </th>
                </tr>
              </thead>
              <tbody>
                {intents.slice(0, SHOWN).map(({ intent, turns, before }) => (
                  <tr key={intent}>
                    <th scope="row">
                      <a href={link({ intent })}>{intent.replaceAll('_', ' ')}</a>
                      <meter min={0} max={intents[0]!.turns} value={turns} aria-hidden="true" />
                    </th>
                    <td class="num">{number(turns)}</td>
                    <td class="num">
                      <Change now={turns} then={before} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </section>
        <section class="card">
          <h2>{say('hops')}</h2>
          <table>
            <thead>
              <tr>
                <th scope="col">{say('hop')}</th>
                <th scope="col" class="num">
                  p50
                </th>
                <th scope="col" class="num">
                  p95
                </th>
              </tr>
            </thead>
            <tbody>
              {data.hops.map(({ hop, p50, p95 }) => (
                <tr key={hop}>
                  <th scope="row">{hop === 'all' ? say('allHops') : hop}</th>
                  <td class="num">{duration(p50)}</td>
                  <td class="num">{duration(p95)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          <h2>{say('inUse')}</h2>
          <ul class="plain">
            {data.models.map(({ name, turns }) => (
              <li key={name}>
                {name} <span class="quiet-text">{number(turns)}</span>
              </li>
            ))}
            {data.contents.map(({ name, turns }) => (
              <li key={name}>
                {say('content')} {name.slice(0, 12)} <span class="quiet-text">{number(turns)}</span>
              </li>
            ))}
          </ul>
          {data.releases.length > 0 && <h2>{say('releases')}</h2>}
          <ul class="plain">
            {data.releases.map(({ id, state, models }) => (
              <li key={id}>
                <a href="/console/releases">{models.join(', ') || id.slice(0, 19)}</a>{' '}
                <span class="tag">{say(`state_${state}` as Text)}</span>
              </li>
            ))}
          </ul>
        </section>
      </div>
    </>
  );
}

const share = ({ turns, outcomes }: Figures, outcome: 'answered' | 'not_understood' | 'handed_over' | 'failed') =>
  turns === 0 ? null : (outcomes[outcome] ?? 0) / turns;

interface TileProps {
  title: string;
  value: string;
  more?: string;
  now?: number | null;
  then?: number | null;
  href?: string;
  /** What more of it is; without, it is neither. */
  tone?: 'good' | 'bad';
}

function Tile({ title, value, more, now, then, href, tone }: TileProps) {
  return (
    <div class="tile">
      <dt>{href ? <a href={href}>{title}</a> : title}</dt>
      <dd>
        <b>{value}</b> {more && <span class="quiet-text">{more}</span>} <Change now={now} then={then} tone={tone} />
      </dd>
    </div>
  );
}

/** Against the week before. */
function Change({
  now,
  then,
  tone,
}: {
  now: number | null | undefined;
  then: number | null | undefined;
  tone?: 'good' | 'bad' | undefined;
}) {
  if (now === null || now === undefined || !then) return null;
  const change = (now - then) / then;
  if (Math.abs(change) < 0.005) return <span class="change">±0 %</span>;
  const kind = tone && (change > 0 === (tone === 'bad') ? 'worse' : 'better');
  return (
    <span class={`change ${kind ?? ''}`}>
      {change > 0 ? '▲' : '▼'} {percent(Math.abs(change))}
    </span>
  );
}

/** The day so many days before a moment, there. */
function dayBefore(at: number, days: number, timeZone: string): string {
  const today = new Intl.DateTimeFormat('sv-SE', { timeZone }).format(at);
  return new Date(Date.parse(`${today}T00:00:00Z`) - days * 86_400_000).toISOString().slice(0, 10);
}
