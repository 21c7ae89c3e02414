import { ensureBotModels } from '../local/bot-models.ts';

/** Trains a bot's models in a process of its own: `node train.ts <bot's folder> <model repository>`; tells its parent how far it is. */
const [bot, repository] = process.argv.slice(2) as [string, string];
// Nobody waits for it any more.
const left = () => process.exit(1);
process.once('disconnect', left);
await ensureBotModels(repository, (what, share) => process.send?.({ what, share }), bot);
process.off('disconnect', left);
process.disconnect?.();
