import type { Image, Registry } from '../services/registry.ts';
import { listReleases } from '../services/releases.ts';
import { named } from './swap.ts';

/** The tag whose pushes are staged, and that of an image which has no model yet. */
export const STAGING = 'staging';
export const SERVER = 'server';

/**
 * The image that the next one is made of: the one that was pushed last, or, where that failed or was rolled back, the newest
 * that did not; the next release must not carry along what was wrong with it. Which did is known only where the environment
 * names the deployment (COSMOS_ENDPOINT). Null: there is none.
 */
export async function currentImage(
  registry: Registry,
  say: (text: string) => void,
  tag: string = STAGING,
): Promise<Image | null> {
  const last = await registry.image(tag);
  if (!last) return (await registry.image(SERVER)) ?? null;
  if (!process.env.COSMOS_ENDPOINT) return last;
  const releases = await listReleases(50);
  const state = releases.find(({ digest }) => digest === last.digest)?.state;
  if (state !== 'failed' && state !== 'rolled-back') return last;
  const sound = releases.find((other) => !['failed', 'rolled-back', 'superseded', 'base'].includes(other.state));
  const image = (sound && (await registry.image(sound.digest))) ?? (await registry.image(SERVER)) ?? null;
  say(
    `  the last image ${state === 'failed' ? 'failed' : 'was rolled back'}: built on ${sound && image?.digest === sound.digest ? named(sound) : 'the server alone'}`,
  );
  return image;
}
