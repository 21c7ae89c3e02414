/** The limits of a conversation. Times in milliseconds. */
export const policy = {
  /** Turns that may wait in one conversation (the HTTP API's `inbox_full`). */
  inboxTurns: 100,
  /** UTF-8 bytes a document may have to take another turn: Cosmos DB refuses more than 2 MiB; the rest is for answers. */
  documentBytes: 1_500_000,
  /** Answered turns that are kept for duplicates and for reading. */
  recentTurns: 20,
  /** Answered turns that may wait for the call log before no more are accepted. */
  unloggedTurns: 400,
  /** Failures of a turn before it is answered with an apology. */
  turnAttempts: 5,
  /** Waits after the 1st, 2nd … failure: together more than the 20 s that an inference restart may take. */
  turnBackoff: [2_000, 5_000, 8_000, 12_000],
  deliveryAttempts: 6,
  deliveryBackoff: [1_000, 3_000, 10_000, 30_000, 60_000],
  /** A skill is given up before its claim ends, so that its failure can still be recorded. */
  skillClaim: 20_000,
  skillDeadline: 17_000,
  /** No send begins after the deadline; one send takes at most the difference (services/channel.ts). */
  deliveryClaim: 25_000,
  deliveryDeadline: 14_000,
  /** The longest wait that a channel may ask for by Retry-After. */
  deliveryWaitLimit: 300_000,
  /** How late a wake-up may be before the sweep sends another. */
  wakeGrace: 5_000,
  logGrace: 30_000,
  wakeGraceLimit: 300_000,
  /** A flow that nobody went on with is forgotten. */
  flowIdle: 15 * 60_000,
  /** Waits before another desk that was away is told again of a message that was left. */
  passOnWaits: [30_000, 60_000, 300_000, 900_000],
  /** A person who does not answer for so long loses the conversation to whoever is free. */
  personUnanswered: 5 * 60_000,
  /** Who has waited for so long is answered by the bot again; what was said is kept as a message. */
  waiting: 12 * 3_600_000,
  /** How often it is looked at whether somebody is still at the desk for those who wait. */
  waitingLook: 10 * 60_000,
  /** A conversation with a person in which nobody wrote for so long is over. */
  personIdle: 30 * 60_000,
  /** A number that is tapped within this time says what the user thought of a person's help. */
  ratingTime: 24 * 3_600_000,
  /** A user who has not written to a person for so long talks to the bot again. */
  handoverIdle: 24 * 3_600_000,
} as const;
