import { z } from 'zod';
import { name } from './name.ts';

/** The desk of a bot (desk.json): when somebody is there, what a conversation can end as, and answers that are written already. */
const texts = z.record(z.string(), z.string().regex(/\S/, 'must say something').max(4_000));
const time = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'must be a time such as 09:00');
const span = z
  .tuple([time, time])
  .refine(([from, until]) => from < until, 'must end after it begins; what goes past midnight is two spans');
const WEEKDAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const;

export const desk = z.strictObject({
  /** By weekday, in the bot's time zone; a day that is not here has none. Without hours, somebody is always there. */
  hours: z.partialRecord(z.enum(WEEKDAYS), z.array(span)).optional(),
  /** Days without hours, as 2026-12-25. */
  holidays: z.array(z.iso.date()).default([]),
  /** What a conversation with a person ended as. */
  wrap_up: z.array(z.strictObject({ name, title: texts })).default([]),
  /** Actions of the bot whose options are shown beside a conversation: the customer's orders. */
  customer: z.array(name).max(5).default([]),
  /** Answers that are found by `/` and their name. */
  canned: z.array(z.strictObject({ name, text: texts })).default([]),
});
export type Desk = z.infer<typeof desk>;

/** What a conversation can end as; where the bot says nothing of it, that it is done. */
export function wrapUps({ wrap_up: own }: Desk): Desk['wrap_up'] {
  return own.length > 0 ? own : [{ name: 'done', title: { en: 'Done', ko: '완료' } }];
}

/** Whether somebody is at the desk. `now`: milliseconds since the epoch. */
export class Hours {
  readonly #desk: Desk;
  readonly #format: Intl.DateTimeFormat;

  constructor(given: Desk, timeZone: string) {
    this.#desk = given;
    this.#format = new Intl.DateTimeFormat('en-CA', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      weekday: 'long',
      hour: '2-digit',
      minute: '2-digit',
    });
  }

  isOpen(now: number): boolean {
    const { hours, holidays } = this.#desk;
    if (!hours) return true;
    const part = Object.fromEntries(this.#format.formatToParts(now).map(({ type, value }) => [type, value]));
    if (holidays.includes(`${part.year}-${part.month}-${part.day}`)) return false;
    const clock = `${part.hour}:${part.minute}`;
    const spans = hours[part.weekday!.toLowerCase() as (typeof WEEKDAYS)[number]] ?? [];
    return spans.some(([from, until]) => from <= clock && clock < until);
  }
}
