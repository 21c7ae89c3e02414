import { ensureIntentModel } from '../local/intent-model.ts';

/** Trains a bot's model in a process of its own: `node train.ts <bot's folder> <model repository>`; tells its parent how far it is. */
const [bot, repository] = process.argv.slice(2) as [string, string];
// Nobody waits for it any more.
const left = () => process.exit(1);
process.once('disconnect', left);
await ensureIntentModel(repository, (share) => process.send?.({ share }), bot);
process.off('disconnect', left);
process.disconnect?.();
