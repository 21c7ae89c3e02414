import type { Locale } from './document.ts';

/**
 * Where a dialog stands in a flow, as the conversation document keeps it; functions/dialog/ moves it on. Everything in it is
 * JSON, and bounded: what an action gives comes from outside.
 */
export interface FlowState {
  /** The flow's name in the bot's folder. */
  flow: string;
  /** The step that waits for the user. */
  step: string;
  /** What was collected, by slot; null: skipped. */
  slots: Record<string, Slot | null>;
  /** What could be chosen when a slot was asked for, by slot. */
  options: Record<string, Option[]>;
  /** What actions said, by name. */
  values: Values;
  /** Answers in a row that were not clear. */
  tries: number;
  /** The fingerprint of what the open confirmation showed. */
  shown: string | null;
  /** What was confirmed and what was declined, by the step that asked: the fingerprint of what it showed. */
  confirmed: Record<string, string>;
  declined: Record<string, string>;
  /** When what waits was asked: what was written before is no answer to it. */
  askedAt: number;
  updatedAt: number;
}

export interface Slot {
  /** As actions get it: an id, a date (`2026-11-29`), a time (`14:30`), a number. */
  value: string;
  /** As a person reads it. */
  label: Value;
}

/** Something that a user may choose. */
export interface Option {
  /** As it is named to the bot, and may be typed: `ORD-10022`. */
  value: string;
  /** Other names of it, in any language: what is in the order. */
  names: string[];
  /** What its button says; without it, the value. */
  label?: Value;
  /** False: it may be named, but is not offered. */
  listed?: boolean;
  /** What its line in a list is made of. */
  values?: Values;
  image?: Image;
  /** Where more of it is. */
  link?: string;
}

interface Image {
  url: string;
  alt: Value;
}

/** A text, a number, or something that each language writes in its own way. */
export type Value =
  | string
  | number
  | { money: number }
  /** `2026-11-29`. */
  | { date: string }
  /** `14:30`. */
  | { time: string }
  | { text: Record<Locale, string> }
  | { phrase: string; with?: Values }
  | { list: Value[] };

export type Values = { [name: string]: Value };
