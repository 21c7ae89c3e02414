import { createWebSiteManagement, type WebSiteManagementContext } from '@azure/arm-appservice/api';
import {
  getConfiguration,
  getConfigurationSlot,
  getWebSiteContainerLogsSlot,
  swapSlotWithProduction,
  updateConfigurationSlot,
} from '@azure/arm-appservice/api/webApps';
import { RestError } from '@azure/core-rest-pipeline';
import { Rejected, Unavailable } from './failure.ts';
import { credential } from './identity.ts';
import { reach } from './loopback.ts';
import { settings } from './settings.ts';

/** The web app's slots, by Azure Resource Manager: what they run, staging an image, swapping. */
export type Slot = 'production' | 'staging';

const TIMEOUT_MS = 30_000;
/** Swaps of real sites have taken up to 11 minutes. */
const SWAP_TIMEOUT_MS = 20 * 60_000;
const LOG_BYTES = 6_000;

function site() {
  const { AZURE_SUBSCRIPTION_ID: subscription, INFERENCE_RESOURCE_GROUP: group, INFERENCE_SITE: name } = settings();
  if (!subscription || !group || !name)
    throw new Rejected('arm', 'INFERENCE_SITE and its group and subscription are not set');
  return { subscription, group, name, slot: settings().STAGING_SLOT };
}

function context(): WebSiteManagementContext {
  const { endpoint, httpClient } = reach(settings().ARM_ENDPOINT);
  return createWebSiteManagement(credential(), site().subscription, {
    endpoint,
    ...(httpClient ? { httpClient } : {}),
    retryOptions: { maxRetries: 3, retryDelayInMs: 500, maxRetryDelayInMs: 4_000 },
    userAgentOptions: { userAgentPrefix: 'maru' },
  });
}

/** The image that a slot is to run, as `registry/repository@sha256:…`; blank for none. Throws Unavailable or Rejected. */
export async function imageOf(slot: Slot): Promise<string> {
  const { group, name, slot: staging } = site();
  const options = { requestOptions: { timeout: TIMEOUT_MS } };
  const { linuxFxVersion = '' } = await guard(() =>
    slot === 'production'
      ? getConfiguration(context(), group, name, options)
      : getConfigurationSlot(context(), group, name, staging, options),
  );
  return linuxFxVersion.replace(/^DOCKER\|/i, '');
}

/** Points the staging slot at an image; it restarts by itself. */
export async function stage(image: string): Promise<void> {
  const { group, name, slot } = site();
  await guard(() =>
    updateConfigurationSlot(
      context(),
      group,
      name,
      slot,
      { linuxFxVersion: `DOCKER|${image}` },
      { requestOptions: { timeout: TIMEOUT_MS } },
    ),
  );
}

/** The end of the staging slot's container log; blank where it can't be had. */
export async function stagingLog(): Promise<string> {
  const { group, name, slot } = site();
  try {
    const { readableStreamBody: stream } = await getWebSiteContainerLogsSlot(context(), group, name, slot, {
      abortSignal: AbortSignal.timeout(TIMEOUT_MS),
    });
    // Only the end is kept: a log may be long.
    let end = Buffer.alloc(0);
    for await (const chunk of stream ?? []) end = Buffer.concat([end, Buffer.from(chunk)]).subarray(-LOG_BYTES);
    return end.toString();
  } catch (error) {
    // It only explains a failure: without it the failure is told all the same.
    return `(the slot's log could not be read: ${message(error)})`;
  }
}

/** Swaps staging and production, and waits until it is done. Not repeated: a second swap would undo the first. */
export async function swap(): Promise<void> {
  const { group, name, slot } = site();
  const once = context();
  once.pipeline.removePolicy({ name: 'defaultRetryPolicy' });
  await guard(async () => {
    await swapSlotWithProduction(
      once,
      group,
      name,
      { targetSlot: slot, preserveVnet: true },
      { updateIntervalInMs: 500, abortSignal: AbortSignal.timeout(SWAP_TIMEOUT_MS) },
    ).pollUntilDone();
  });
}

async function guard<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const status = error instanceof RestError ? (error.statusCode ?? 0) : 0;
    if (status >= 400 && status < 500 && status !== 408 && status !== 409 && status !== 429)
      throw new Rejected('arm', message(error), status, { cause: error });
    throw new Unavailable('arm', message(error), 0, { cause: error });
  }
}

function message(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!.slice(0, 300);
}
