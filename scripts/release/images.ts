import { execFileSync } from 'node:child_process';
import { imageOf } from '../../functions/services/slots.ts';

/**
 * azd's hook before a deployment: sets PRODUCTION_IMAGE and STAGING_IMAGE of its environment to what the slots run, so that
 * the deployment leaves them as they are. Before the first one there is no site, and nothing to keep.
 */
if (!process.env.INFERENCE_SITE) {
  console.log('No model server yet: the slots start with a placeholder.');
  process.exit(0);
}
try {
  for (const [slot, name] of [
    ['production', 'PRODUCTION_IMAGE'],
    ['staging', 'STAGING_IMAGE'],
  ] as const) {
    const image = await imageOf(slot);
    // Only images of releases: the placeholder needs no keeping.
    if (image.includes('@sha256:')) execFileSync('azd', ['env', 'set', name, image], { stdio: 'inherit' });
  }
  process.exit(0);
} catch (error) {
  console.error(
    `the slots' images could not be read, and a deployment would replace them: ${error instanceof Error ? error.message : error}`,
  );
  process.exit(1);
}
