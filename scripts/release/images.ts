import { execFileSync } from 'node:child_process';
import { createWebSiteManagement } from '@azure/arm-appservice/api';
import { getConfiguration, getConfigurationSlot, listByResourceGroup } from '@azure/arm-appservice/api/webApps';
import { RestError } from '@azure/core-rest-pipeline';
import { DefaultAzureCredential } from '@azure/identity';
import { reach } from '../../functions/services/loopback.ts';

/**
 * azd's hook before a deployment: sets PRODUCTION_IMAGE and STAGING_IMAGE of its environment to what the slots run, so that
 * the deployment leaves them as they are. Azure is asked, by the names that infra/main.bicep makes, and not this machine: whoever deploys
 * from another one, or from a pipeline, knows nothing of the last deployment. Where Azure can't be asked, nothing is deployed.
 */
const TIMEOUT_MS = 30_000;
const { AZURE_ENV_NAME: name, AZURE_SUBSCRIPTION_ID: subscription, STAGING_SLOT: staging = 'staging' } = process.env;

try {
  if (!name) throw new Error('this is a hook of azd, which says for which environment: azd provision');
  if (!subscription)
    throw new Error(
      'which subscription is not known yet. Say so, and deploy again:  azd env set AZURE_SUBSCRIPTION_ID "$(az account show --query id -o tsv)"',
    );
  const group = `rg-${name}`;
  const images = await imagesOf(subscription, group);
  if (images === null) console.log('No model server yet: the slots start with a placeholder.');
  for (const [setting, image] of Object.entries(images ?? { PRODUCTION_IMAGE: '', STAGING_IMAGE: '' })) {
    // Only images of releases are kept; what an environment kept of another time is not.
    execFileSync('azd', ['env', 'set', setting, image.includes('@sha256:') ? image : ''], { stdio: 'inherit' });
  }
  process.exit(0);
} catch (error) {
  const reason = error instanceof Error ? error.message.split('\n')[0] : error;
  const code = error instanceof RestError && error.code ? `${error.code}: ` : '';
  console.error(`What the slots run is not known, and a deployment might replace it: ${code}${reason}`);
  process.exit(1);
}

/** What the slots of the model server run; null where there is none yet. Throws where that can't be known. */
async function imagesOf(subscription: string, group: string) {
  const { endpoint, httpClient } = reach(process.env.ARM_ENDPOINT ?? 'https://management.azure.com');
  const context = createWebSiteManagement(new DefaultAzureCredential(), subscription, {
    endpoint,
    ...(httpClient ? { httpClient } : {}),
    userAgentOptions: { userAgentPrefix: 'maru' },
  });
  const options = { requestOptions: { timeout: TIMEOUT_MS } };
  let site: string | undefined;
  try {
    for await (const { name, kind } of listByResourceGroup(context, group, options))
      if (kind?.includes('container')) site = name;
  } catch (error) {
    // No group: nothing was deployed under this name. Anything else leaves it open.
    if (error instanceof RestError && error.statusCode === 404 && error.code === 'ResourceGroupNotFound') return null;
    throw error;
  }
  if (site === undefined) return null;
  const image = ({ linuxFxVersion = '' }: { linuxFxVersion?: string }) => linuxFxVersion.replace(/^DOCKER\|/i, '');
  return {
    PRODUCTION_IMAGE: image(await getConfiguration(context, group, site, options)),
    STAGING_IMAGE: image(await getConfigurationSlot(context, group, site, staging, options)),
  };
}
