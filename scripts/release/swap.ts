import { userInfo } from 'node:os';
import { parseArgs } from 'node:util';
import { named, rollBack, SwapRefused, swapIn } from '../../functions/releases/swap.ts';
import { loadSettings } from './environment.ts';

const HELP = `npm run swap: makes the staged release live, if it is ready; swaps back by itself if production does not serve it well
npm run rollback: swaps back to what was live before

Works on the platform of this machine (npm start), or on a deployment whose settings stand in the environment
(azd env get-values). You need the right to swap the web app's slots.
`;
const { values } = parseArgs({
  options: { back: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h' } },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}

const progress = (text: string) => console.log(`${text} …`);
try {
  await loadSettings();
  const by = process.env.RELEASE_BY ?? userInfo().username;
  if (values.back) {
    const { from, to } = await rollBack(by, progress);
    console.log(`\n${to ? named(to) : 'What was built in'} is live again; ${named(from)} was rolled back.`);
  } else {
    const live = await swapIn(by, progress);
    console.log(`\n${named(live)} is live. To undo it:  npm run rollback`);
  }
  process.exit(0);
} catch (error) {
  console.error(`\n${error instanceof SwapRefused ? error.message : error instanceof Error ? error.message : error}`);
  process.exit(1);
}
