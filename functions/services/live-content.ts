import { setTimeout as sleep } from 'node:timers/promises';
import type { Hashes } from '../content/item.ts';
import type { Agent } from '../conversation/document.ts';
import { Bot, type Content } from '../dialog/bot.ts';
import { served } from '../dialog/check.ts';
import { deployedBot, publishedBot } from './bot.ts';
import { Documents } from './documents.ts';
import { log } from './telemetry.ts';

/**
 * Which content is live: a pointer (a document of the container `content`) to an immutable bundle in Blob storage, named by what is in it.
 * Without a pointer it is what was deployed with the app.
 */
export interface Pointer extends Omit<Version, 'id'> {
  id: 'pointer';
  /** What the bot's folder had when it was last taken over. */
  imported: Hashes;
}

/** What was published once. */
export interface Version {
  id: `version.${number}`;
  /** Counts from 1. */
  serial: number;
  /** The bundle's name. */
  version: string;
  /** The bundle of what was live before. */
  before: string;
  at: number;
  by: Agent;
  note: string;
  /** The items that are otherwise than in the version before. */
  changed: string[];
}

export const POINTER = 'pointer';
export const pointers = new Documents<Pointer>('content');

/** How long what is live is taken for it, in milliseconds. */
const FRESH = 3_000;
/** What was looked up longer ago may be another by now, in milliseconds. */
const RESTED = 30_000;
/** How long the first look may hold up what was asked, in milliseconds. */
const FIRST_MS = 2_000;

let looked = 0;
let looking: Promise<void> | undefined;
let live = '';
let isKnown = false;

/**
 * Sees to it that the bot is the one that was published: every few seconds, and the first time before anything is answered. Where that can't be
 * asked, the last one stays.
 */
export async function followContent(): Promise<void> {
  if (Date.now() - looked < FRESH) return;
  looking ??= follow().finally(() => {
    looked = Date.now();
    looking = undefined;
  });
  // Nobody waits for the later ones, but for one after a long rest; and never long: what was deployed is better than nothing.
  if (!isKnown || Date.now() - looked > RESTED) await Promise.race([looking, sleep(FIRST_MS)]);
}

/** Something was published by this instance: it need not wait. */
export function lookAgain(): void {
  looked = 0;
  isKnown = false;
}

async function follow(): Promise<void> {
  try {
    const pointer = await pointers.read(POINTER);
    const version = pointer?.document.version ?? '';
    if (version !== live) {
      // Loaded only where something was published: a cold start need not know of blobs.
      const { readBundle } = await import('./bundles.ts');
      publishedBot(version === '' ? null : new Bot(withPhrases(served(await readBundle(version)))));
      live = version;
    }
    isKnown = true;
  } catch (error) {
    log('error', 'what was published could not be looked up; the bot goes on as before', { error: String(error) });
  }
}

/** A newer build may say what nobody knew of when this was published: then it says it as it was deployed. */
function withPhrases(content: Content): Content {
  return { ...content, phrases: { ...deployedBot().content.phrases, ...content.phrases } };
}
