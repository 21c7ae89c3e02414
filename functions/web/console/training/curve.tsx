import { percent, say } from '../texts.ts';
import type { Job } from './training.tsx';

const [WIDTH, HEIGHT] = [640, 160];

/** How the loss falls while it trains; each rise is the next part that is held out. What it shows stands in a table, too. */
export function Curve({ losses }: { losses: Job['losses'] }) {
  const most = Math.max(...losses.map(({ loss }) => loss), 1e-9);
  const points = losses.map(
    ({ share, loss }) => `${(share * WIDTH).toFixed(1)},${(HEIGHT - (loss / most) * (HEIGHT - 8)).toFixed(1)}`,
  );
  const last = losses.at(-1)!;
  const some = losses.filter((_, place) => place % Math.ceil(losses.length / 12) === 0);
  return (
    <figure class="curve">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`${say('loss')} ${last.loss.toFixed(2)}`}>
        <path d={`M0 ${HEIGHT - 1}H${WIDTH}`} />
        <polyline points={points.join(' ')} />
      </svg>
      <figcaption class="quiet-text">
        {say('loss')} {last.loss.toFixed(2)} · {percent(last.share)}
      </figcaption>
      <details>
        <summary>{say('asTable')}</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">{say('howFar')}</th>
              <th scope="col">{say('loss')}</th>
            </tr>
          </thead>
          <tbody>
            {some.map(({ share, loss }) => (
              <tr key={share}>
                <td>{percent(share)}</td>
                <td>{loss.toFixed(3)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}
