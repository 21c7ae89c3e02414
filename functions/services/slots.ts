import { createWebSiteManagement, type WebSiteManagementContext } from '@azure/arm-appservice/api';
import {
  getConfiguration,
  getConfigurationSlot,
  getWebSiteContainerLogsSlot,
  swapSlotWithProduction,
  updateConfigurationSlot,
} from '@azure/arm-appservice/api/webApps';
import { defaultRetryPolicy, type PipelinePolicy, RestError } from '@azure/core-rest-pipeline';
import { z } from 'zod';
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
  const made = createWebSiteManagement(credential(), site().subscription, {
    endpoint,
    ...(httpClient ? { httpClient } : {}),
    retryOptions: { maxRetries: 3, retryDelayInMs: 500, maxRetryDelayInMs: 4_000 },
    userAgentOptions: { userAgentPrefix: 'maru' },
  });
  made.pipeline.addPolicy(readsOwnErrors);
  return made;
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

/** A swap of which nobody knows what came: the slots themselves must say. */
export class SwapUnknown extends Error {}

/**
 * Swaps staging and production, and waits until it is done. Not repeated: a second swap would undo the first. What is asked of one that
 * is under way is repeated. Throws Unavailable or Rejected where nothing was swapped, {@link SwapUnknown} where that can't be told.
 */
export async function swap(): Promise<void> {
  const { group, name, slot } = site();
  const asked: Asked = { maybe: false, accepted: false };
  const once = context();
  once.pipeline.removePolicy({ name: 'defaultRetryPolicy' });
  once.pipeline.addPolicy(pollsAgain(asked), { phase: 'Retry' });
  try {
    await swapSlotWithProduction(
      once,
      group,
      name,
      { targetSlot: slot, preserveVnet: true },
      { updateIntervalInMs: 500, abortSignal: AbortSignal.timeout(SWAP_TIMEOUT_MS) },
    ).pollUntilDone();
  } catch (error) {
    const status = error instanceof RestError ? (error.statusCode ?? 0) : 0;
    // The operation itself has failed: Resource Manager answers with a status then, or says so in its body, which the SDK throws as an
    // error of its own. Any other answer says only that it can't be asked.
    const said = !(error instanceof RestError) && (error as Error).name !== 'AbortError';
    const ended = said || (status >= 400 && status < 500 && !CANT_BE_ASKED.has(status));
    if (asked.accepted ? !ended : asked.maybe) throw new SwapUnknown(message(error), { cause: error });
    throw failure(error);
  }
}

/** Whether a swap may have been begun, and whether it was. */
interface Asked {
  maybe: boolean;
  accepted: boolean;
}

const CANT_BE_ASKED = new Set([401, 403, 404, 408, 429]);
/** How often one look at an operation is tried again: minutes, with the pauses between. */
const LOOKS = 20;

/** Repeats what only asks, and notes what became of what does. A 204 at the end is one way to say that it is done. */
function pollsAgain(asked: Asked): PipelinePolicy {
  const retry = defaultRetryPolicy({ maxRetries: LOOKS, retryDelayInMs: 500, maxRetryDelayInMs: 10_000 });
  return {
    name: 'pollsAgain',
    async sendRequest(request, next) {
      // A connection that is silent is no answer.
      request.timeout = TIMEOUT_MS;
      if (request.method !== 'POST') {
        const response = await retry.sendRequest(request, next);
        return response.status === 204 ? { ...response, status: 200 } : response;
      }
      asked.maybe = true;
      const response = await next(request);
      // What is refused was not begun; an error behind the door leaves that open, but for a service that says it is busy.
      asked.maybe = response.status >= 500 && response.status !== 503;
      asked.accepted = response.status < 300;
      return response;
    },
  };
}

async function guard<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw failure(error);
  }
}

function failure(error: unknown): Unavailable | Rejected {
  const status = error instanceof RestError ? (error.statusCode ?? 0) : 0;
  const final = status >= 400 && status < 500 && status !== 408 && status !== 409 && status !== 429;
  return final
    ? new Rejected('arm', message(error), status, { cause: error })
    : new Unavailable('arm', message(error), 0, { cause: error });
}

function message(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!.slice(0, 300);
}

/** App Service's own errors, `{"Code":"…","Message":"…"}`, as Resource Manager's, which are all that the SDK reads. */
const readsOwnErrors: PipelinePolicy = {
  name: 'readsOwnErrors',
  async sendRequest(request, next) {
    const response = await next(request);
    if (response.status < 400) return response;
    const { data } = ownError.safeParse(parsed(response.bodyAsText ?? ''));
    if (!data) return response;
    return { ...response, bodyAsText: JSON.stringify({ error: { code: data.Code, message: data.Message } }) };
  },
};
const ownError = z.looseObject({ Code: z.string().default(''), Message: z.string().min(1) });

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
