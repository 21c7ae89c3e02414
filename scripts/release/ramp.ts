import { userInfo } from 'node:os';
import { parseArgs } from 'node:util';
import { type Evidence, isActive, type Ramp, STEPS, shareOf } from '../../functions/releases/ramp.ts';
import { beginRamp, steerRamp } from '../../functions/releases/ramping.ts';
import { SwapRefused } from '../../functions/releases/swap.ts';
import { readRamp } from '../../functions/services/ramp.ts';
import { loadSettings } from './environment.ts';

const HELP = `npm run ramp -- <what>: the staged release answers a growing share of conversations before it goes live

  status     how far it is, and what was measured (the default)
  start      begins: asked in shadow, then ${STEPS.slice(1)
    .map((share) => `${100 * share}%`)
    .join(', ')}, then the slots are swapped
  continue   goes on where it waits for a person
  stop       back to nobody: what is live answers everybody, within seconds

Each step needs RAMP_TURNS messages, and is stopped by itself where the release fails, is slow, or is liked less than what is
live. Works on the platform of this machine (npm start), or on a deployment whose settings stand in the environment.
`;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { help: { type: 'boolean', short: 'h' } },
});
const [what = 'status'] = positionals;
if (values.help || !['status', 'start', 'continue', 'stop'].includes(what)) {
  console.log(HELP);
  process.exit(values.help ? 0 : 1);
}

try {
  await loadSettings();
  const by = process.env.RELEASE_BY ?? userInfo().username;
  if (what === 'start') show(await beginRamp(by));
  else if (what === 'stop') show(await steerRamp({ to: 'stop' }, by));
  else if (what === 'continue') show(await steerRamp({ to: 'continue', step: (await readRamp())?.step ?? 0 }, by));
  else {
    const ramp = await readRamp();
    if (ramp) show(ramp);
    else console.log('No ramp yet. To begin one of what is staged:  npm run ramp -- start');
  }
  process.exit(0);
} catch (error) {
  console.error(error instanceof SwapRefused ? error.message : error instanceof Error ? error.message : error);
  process.exit(1);
}

function show(ramp: Ramp): void {
  const { digest, models, state, reasons, evidence, history } = ramp;
  const named = Object.entries(models).map((one) => one.join(' '));
  console.log(`${state.padEnd(9)}  ${percent(shareOf(ramp)).padStart(4)}  ${digest.slice(7, 19)}  ${named.join(', ')}`);
  for (const [place, { share, at, by, note, evidence: found }] of history.entries())
    console.log(
      `  ${new Date(at).toISOString().slice(0, 19).replace('T', ' ')}  ${(place === 0 ? 'shadow' : percent(share)).padStart(6)}  ${[by && `by ${by}`, note, found && told(found)].filter(Boolean).join('  ')}`,
    );
  if (isActive(ramp) && evidence) console.log(`  now: ${told(evidence)}`);
  for (const reason of reasons) console.log(`  ${reason}`);
  if (state === 'waiting') console.log('It waits for you:  npm run ramp -- continue, or stop');
  if (state === 'swapping') console.log('It answers everybody. To make it live:  npm run swap');
}

function told({ asked, failed, differed, p95, ramp, live }: Evidence): string {
  const pair = (of: 'missed' | 'handedOver' | 'down') =>
    `${rate(ramp[of], ramp.conversations)} (${rate(live[of], live.conversations)})`;
  return [
    `${asked} asked`,
    failed > 0 && `${failed} failed`,
    differed > 0 && `${differed} otherwise`,
    `p95 ${p95.ramp} ms (${p95.live})`,
    `missed ${pair('missed')}, handed over ${pair('handedOver')}, thumbs down ${pair('down')}`,
  ]
    .filter(Boolean)
    .join(', ');
}

function rate(count: number, of: number): string {
  return of === 0 ? '–' : `${((100 * count) / of).toFixed(1)}%`;
}

function percent(share: number): string {
  return `${100 * share}%`;
}
