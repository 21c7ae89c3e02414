import { ensureIntentModel } from '../local/intent-model.ts';

/** Trains a bot's model in a process of its own: `node train.ts <bot's folder> <model repository>`; tells its parent how far it is. */
const [bot, repository] = process.argv.slice(2) as [string, string];
process.once('disconnect', () => process.exit(1));
await ensureIntentModel(repository, (share) => process.send?.({ share }), bot);
process.disconnect?.();
