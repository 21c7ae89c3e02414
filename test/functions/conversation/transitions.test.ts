import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type AnsweredTurn,
  type Claim,
  type Conversation,
  type Dialog,
  emptyDialog,
} from '../../../functions/conversation/document.ts';
import { conversationId, type TurnId, type UserId, userId } from '../../../functions/conversation/identifier.ts';
import { policy } from '../../../functions/conversation/policy.ts';
import * as conversation from '../../../functions/conversation/transitions.ts';
import { bot } from '../../bot.ts';
import { flowAt } from './flow.ts';

const CONVERSATION = conversationId('api', 'c');
const USER = userId('api', 'u');
/** Short, so that a failure can be read. */
const named = (id: string) => id as TurnId;

/** One send takes at most this long (services/channel.ts). */
const SEND = 8_000;

/** What a channel says to the reply at one place of the outbox; those before it are taken. `silent`: nothing, for ever. */
type ChannelAnswer = { at: number; kind: 'ok' | 'busy' | 'refused' | 'silent'; after: number };
const answers = (kind: ChannelAnswer['kind']): ChannelAnswer => ({ at: 0, kind, after: 0 });
const takesAll = answers('ok');

/**
 * A world of one conversation: the stored document with its version, the queues' messages, and workers that crash
 * before or after each write, run late, twice, and next to each other. Every interleaving must keep the promises.
 * It keeps its own account of what happened, and the document must agree with it after every write.
 */
class World {
  now = 1_000;
  stored: { document: Conversation; version: number } | null = null;
  queues: string[] = [];
  /** Started and unfinished workers: what they do next, after what they have read or claimed. */
  suspended: (() => void)[] = [];
  accepted: string[] = [];
  answeredOrder: string[] = [];
  delivered: string[] = [];
  /** Turns in the call log, as they were written there. */
  logged = new Map<string, AnsweredTurn>();
  /** Given up: refused, or after all attempts. */
  undeliverable = new Set<string>();
  /** Failed attempts at a turn, and at its delivery: recorded, or claims that ran out. */
  failures = new Map<string, number>();
  deliveryFailures = new Map<string, number>();
  /** Until when a worker may act on the world outside, and how often one has for a turn. */
  actingUntil = 0;
  sendingUntil = 0;
  runs = new Map<string, number>();
  sends = new Map<string, number>();
  /** What the channel has of a reply, and when it wants the rest. */
  parts = new Map<string, number>();
  notBefore = new Map<string, number>();
  serial = 0;
  readonly channel: Conversation['channel'];
  readonly slow: (id: string) => boolean;
  readonly fails: (id: string) => boolean;

  constructor(kind: 'api' | 'activity', slow: (id: string) => boolean, fails: (id: string) => boolean) {
    this.channel = kind === 'api' ? { kind } : { kind, reference: {} };
    this.slow = slow;
    this.fails = fails;
  }

  /** read → transition → guarded write. `crash` says whether the process dies before the write, after it, or not. */
  step(
    transition: (document: Conversation) => Conversation | null,
    crash: 'before' | 'after' | null = null,
    read = this.stored,
    noted: (next: Conversation) => void = () => {},
  ): Conversation | null | 'crashed' | 'raced' {
    const next = read && transition(read.document);
    if (!next) return null;
    if (crash === 'before') return 'crashed';
    if (this.stored?.version !== read.version) return 'raced';
    // What changes nothing is a write that was made before.
    if (next !== read.document) {
      noted(next);
      this.write(next);
    }
    if (crash === 'after') return 'crashed';
    return next;
  }

  write(next: Conversation): void {
    const before = this.stored?.document;
    const known = new Set(before?.recent.map((turn) => turn.id));
    for (const turn of next.recent) if (!known.has(turn.id)) this.answeredOrder.push(turn.id);
    for (const turn of next.recent) if (turn.deliveryError) this.undeliverable.add(turn.id);
    const kept = new Set(next.recent.map((turn) => turn.id));
    for (const turn of before?.recent ?? [])
      assert.ok(kept.has(turn.id) || this.logged.has(turn.id), 'what leaves is in the call log');
    // Frozen: a transition that changes what it was given throws.
    this.stored = { document: freeze(next), version: (this.stored?.version ?? 0) + 1 };
    this.check();
  }

  send(document: Conversation): void {
    for (const { queue } of conversation.wakeUps(document, this.now)) this.queues.push(queue);
  }

  accept(id: string, crash: 'before' | 'after' | null, fingerprint = id): void {
    const turn = { ...incomingTurn(id, this.now), fingerprint };
    const read = this.stored ?? {
      document: conversation.open(CONVERSATION, USER, this.channel, 'en', this.now),
      version: 0,
    };
    const outcome = conversation.accept(read.document, turn, this.channel, this.now);
    if (this.accepted.includes(id)) {
      const answered = this.answeredOrder.indexOf(id);
      const forgotten = answered >= 0 && answered < this.answeredOrder.length - policy.recentTurns;
      // A turn of long ago may be taken for a new one: that is another story.
      if (forgotten && !read.document.recent.some((known) => known.id === id)) return;
      const expected = fingerprint !== id ? 'conflict' : answered < 0 ? 'waiting' : 'answered';
      assert.equal(outcome.kind, expected, 'sent again');
      return;
    }
    assert.ok(outcome.kind === 'accepted', outcome.kind);
    if (fingerprint !== id || crash === 'before') return;
    this.accepted.push(id);
    this.write(outcome.document);
    if (crash === 'after') return;
    this.send(outcome.document);
  }

  /** Takes a message (or leaves it for a redelivery) and runs its worker; `late` suspends it between claim and record. */
  work(pick: number, crash: 'before' | 'after' | null, keep: boolean, late: boolean, channel: ChannelAnswer): void {
    if (this.queues.length === 0) return;
    const index = pick % this.queues.length;
    const queue = this.queues[index]!;
    if (!keep && crash === null) this.queues.splice(index, 1);
    const by = `w${this.serial++}`;
    if (queue === 'turns') this.understand(crash, late);
    else if (queue === 'replies') this.deliver(by, crash, late, channel);
    else if (queue === 'call-log') this.log(crash);
    else this.skill(queue.slice('skill-'.length), by, crash, late);
  }

  understand(crash: 'before' | 'after' | null, late: boolean): void {
    const read = this.stored;
    const turn = read && conversation.head(read.document, this.now);
    if (!turn) return;
    const record = () => {
      const next = this.step(
        (document) => {
          if (this.slow(turn.id))
            return conversation.route(
              document,
              turn.id,
              { skill: 'orders', understanding: null, timings: {} },
              this.now,
            );
          if (this.fails(turn.id))
            return conversation.head(document, this.now)?.id === turn.id
              ? conversation.fail(document, turn.id, null, failure(document, turn.id), this.now)
              : null;
          return conversation.answer(document, turn.id, null, reply(turn.id, document), this.now);
        },
        crash,
        read,
        () => {
          if (this.fails(turn.id) && !this.slow(turn.id)) count(this.failures, turn.id);
        },
      );
      if (next && typeof next === 'object') this.send(next);
      if (next === 'raced') this.queues.push('turns');
    };
    if (late) this.suspended.push(record);
    else record();
  }

  skill(name: string, by: string, crash: 'before' | 'after' | null, late: boolean): void {
    const before = this.stored?.document;
    const claimed = this.step(
      (document) =>
        conversation.claim(document, name, by, { ...reply('sorry', document), outcome: 'failed' }, this.now),
      null,
      this.stored,
      () => {
        const { id } = before!.inbox[0]!;
        assert.ok(this.now >= this.actingUntil, 'no two workers act for one turn at the same time');
        if (before!.active!.claim) count(this.failures, id);
      },
    );
    if (!claimed || typeof claimed === 'string') return;
    if (claimed.active?.claim?.by !== by) {
      this.send(claimed);
      return;
    }
    const turn = claimed.inbox[0]!;
    this.actingUntil = this.now + policy.skillDeadline;
    count(this.runs, turn.id);
    assert.ok(this.runs.get(turn.id)! <= policy.turnAttempts, 'a skill runs at most five times for a turn');
    if (crash === 'before') return;
    const record = () => {
      const next = this.step(
        (document) => {
          const { active, inbox } = document;
          const recorded = this.fails(turn.id)
            ? conversation.fail(document, turn.id, by, failure(document, turn.id), this.now)
            : conversation.answer(document, turn.id, by, reply(turn.id, document), this.now);
          const own = active?.claim?.by === by && inbox[0]?.id === turn.id;
          assert.equal(recorded !== null, own, 'only who has the claim records');
          return recorded;
        },
        null,
        this.stored,
        () => {
          if (this.fails(turn.id)) count(this.failures, turn.id);
          this.actingUntil = 0;
        },
      );
      if (next && typeof next === 'object' && crash === null) this.send(next);
    };
    if (late) this.suspended.push(record);
    else record();
  }

  deliver(by: string, crash: 'before' | 'after' | null, late: boolean, channel: ChannelAnswer): void {
    const before = this.stored?.document;
    const claimed = this.step(
      (document) => conversation.claimDelivery(document, by, this.now),
      null,
      this.stored,
      () => {
        const { turnId } = before!.outbox[0]!;
        assert.ok(this.now >= this.sendingUntil, 'no two workers send at the same time');
        assert.ok(this.now >= (this.notBefore.get(turnId) ?? 0), 'not before the channel wants it');
        if (before!.delivering) count(this.deliveryFailures, turnId);
      },
    );
    if (!claimed || typeof claimed === 'string') return;
    if (claimed.delivering?.by !== by) {
      assert.equal(claimed.delivering, null, 'the claim went with the reply that was given up');
      this.send(claimed);
      return;
    }
    const first = claimed.outbox[0]!;
    this.sendingUntil = this.now + policy.deliveryDeadline + SEND;
    count(this.sends, first.turnId);
    assert.ok(this.sends.get(first.turnId)! <= policy.deliveryAttempts, 'a reply is sent at most so often');
    if (crash === 'before' || channel.kind === 'silent') return;
    // What was not sent by the deadline is not sent: only the record can be late.
    const results: conversation.Sent[] = [];
    for (const [index, { turnId, sent }] of claimed.outbox.entries()) {
      assert.equal(sent, this.parts.get(turnId) ?? 0, 'what the channel has of a reply is not sent again');
      const failed = channel.kind !== 'ok' && index === channel.at % claimed.outbox.length;
      const final = channel.kind === 'refused';
      if (!failed) this.take(turnId);
      results.push(
        failed
          ? { turnId, ms: 1, ok: false, sent: sent + 1, reason: channel.kind, final, after: channel.after }
          : { turnId, ms: 1, ok: true },
      );
      if (failed) break;
    }
    if (crash === 'after') return;
    const record = () => {
      const next = this.step(
        (document) => {
          const recorded = conversation.delivered(document, by, results, this.now);
          assert.equal(recorded !== null, document.delivering?.by === by, 'only who has the claim records');
          if (recorded) assert.equal(recorded.delivering, null, 'the claim is let go');
          return recorded;
        },
        null,
        this.stored,
        () => {
          this.sendingUntil = 0;
          const last = results.at(-1)!;
          if (last.ok || last.final) return;
          count(this.deliveryFailures, last.turnId);
          this.parts.set(last.turnId, last.sent);
          this.notBefore.set(last.turnId, this.now + Math.min(last.after, policy.deliveryWaitLimit));
        },
      );
      if (next && typeof next === 'object') this.send(next);
    };
    if (late) this.suspended.push(record);
    else record();
  }

  /** The channel has a reply: at least once, and in order. */
  take(turnId: string): void {
    const earlier = this.answeredOrder.slice(0, this.answeredOrder.indexOf(turnId));
    const taken = new Set([...this.delivered, ...this.undeliverable]);
    for (const id of earlier) assert.ok(taken.has(id), `${id} goes before ${turnId}`);
    this.delivered.push(turnId);
  }

  log(crash: 'before' | 'after' | null): void {
    this.step((document) => {
      const turns = conversation.unlogged(document);
      for (const turn of turns) {
        const settled = this.channel.kind === 'api' || turn.deliveredAt !== null || turn.deliveryError !== undefined;
        assert.ok(settled, 'the call log has turns that do not change any more');
        this.logged.set(turn.id, turn);
      }
      return conversation.logged(
        document,
        turns.map((turn) => turn.id),
        this.now,
      );
    }, crash);
  }

  sweep(): void {
    const next = this.step((document) => conversation.wake(document, this.now));
    if (next && typeof next === 'object') this.send(next);
  }

  /** Which steps apply to the document as it stands, whoever tries them: late, twice, or with the wrong name. */
  probe(pick: number, own: boolean, skill: string): void {
    if (!this.stored) return;
    const { document } = this.stored;
    const { inbox, active, outbox, delivering, wakeAt } = document;
    const ids = [...inbox, ...document.recent].map((turn) => turn.id);
    const id = ids[pick % (ids.length + 1)] ?? 'unknown';
    const worker = (own && active?.claim?.by) || 'stranger';
    const sender = (own && delivering?.by) || 'stranger';
    const free = (claim: Claim | null, by: string) => claim === null || claim.by === by || claim.until <= this.now;
    const first = inbox[0]?.id === id;
    const ready = inbox.length > 0 && inbox[0]!.retryAt <= this.now;
    const step = { skill, understanding: null, timings: {} };
    const answer = reply(id, document);
    const { head, route, claim, fail, claimDelivery, delivered, wake } = conversation;
    const steps: Record<string, [outcome: unknown, applies: boolean]> = {
      head: [head(document, this.now), ready && !active],
      route: [route(document, named(id), step, this.now), first && !active],
      claim: [
        claim(document, skill, worker, answer, this.now),
        ready && active?.skill === skill && free(active.claim, worker),
      ],
      'inline answer': [conversation.answer(document, named(id), null, answer, this.now), first && !active],
      answer: [
        conversation.answer(document, named(id), worker, answer, this.now),
        first && active?.claim?.by === worker,
      ],
      'inline failure': [fail(document, named(id), null, failure(document, id), this.now), first && !active?.claim],
      failure: [
        fail(document, named(id), worker, failure(document, id), this.now),
        first && active?.claim?.by === worker,
      ],
      'claim of the delivery': [
        claimDelivery(document, sender, this.now),
        outbox.length > 0 && outbox[0]!.retryAt <= this.now && free(delivering, sender),
      ],
      delivery: [delivered(document, sender, [], this.now), delivering?.by === sender],
      wake: [wake(document, this.now), wakeAt !== null && wakeAt <= this.now],
    };
    for (const [name, [outcome, applies]] of Object.entries(steps)) assert.equal(outcome !== null, applies, name);
    // The write was made and only its answer was lost: one's own claim is there already.
    if (ready && active?.claim)
      assert.equal(claim(document, active.skill, active.claim.by, answer, this.now), document, 'own claim');
    if (steps['claim of the delivery']![1] && delivering?.by === sender)
      assert.equal(steps['claim of the delivery']![0], document, 'own claim of the delivery');
  }

  /** What holds after every single write. */
  check(): void {
    const { document } = this.stored!;
    const waiting = document.inbox.map((turn) => turn.id);
    assert.equal(new Set(this.answeredOrder).size, this.answeredOrder.length, 'no turn is answered twice');
    const inOrder = [...this.answeredOrder, ...waiting].join();
    assert.equal(inOrder, this.accepted.join(), 'every accepted turn is answered or waits, in order');
    assert.equal(document.dialog.misses, this.answeredOrder.length, 'each turn changes the dialog once');
    if (document.active) assert.equal(document.active.turnId, waiting[0], 'only the head is active');
    for (const turn of [...document.inbox, ...document.recent])
      assert.equal(turn.attempts, this.failures.get(turn.id) ?? 0, 'every failure counts once');
    for (const delivery of document.outbox)
      assert.equal(delivery.attempts, this.deliveryFailures.get(delivery.turnId) ?? 0, 'so at the delivery');
    this.checkRecent(document);
    this.checkWakeUps(document);
  }

  checkRecent({ recent, outbox }: Conversation): void {
    const ids = recent.map((turn) => turn.id);
    const known = new Set(ids);
    assert.equal(ids.join(), this.answeredOrder.filter((id) => known.has(named(id))).join(), 'oldest first');
    const last = this.answeredOrder.slice(-policy.recentTurns);
    assert.equal(ids.slice(-policy.recentTurns).join(), last.join(), 'the last ones are kept');
    for (const turn of recent) {
      const spent = this.failures.get(turn.id) === policy.turnAttempts;
      assert.equal(turn.outcome, spent ? 'failed' : 'answered', 'the apology comes after the last attempt');
      const sending = outbox.some((delivery) => delivery.turnId === turn.id);
      const taken = this.channel.kind === 'activity' && !sending && !turn.deliveryError;
      assert.equal(turn.deliveredAt !== null, taken, 'who has the reply');
    }
    if (this.channel.kind === 'api') assert.equal(outbox.length, 0, 'replies to the API are read, not sent');
    for (const delivery of outbox) assert.ok(known.has(delivery.turnId), 'what is to be sent is there');
  }

  /** Each wake-up finds work when it comes and not before; the sweep looks while anything is due, soon, and finds it. */
  checkWakeUps(document: Conversation): void {
    const { inbox, outbox, active, delivering, wakeAt, wakes } = document;
    const [turn] = inbox;
    const [delivery] = outbox;
    const live = (claim: Claim | null | undefined) => (claim && claim.until > this.now ? claim.until : 0);
    const expected: string[] = [];
    const expect = (queue: string, at: number) => expected.push(`${queue} in ${Math.max(at - this.now, 0)}`);
    if (delivery && !live(delivering)) expect('replies', delivery.retryAt);
    if (turn && !live(active?.claim)) expect(active ? `skill-${active.skill}` : 'turns', turn.retryAt);
    const log = conversation.unlogged(document).length > 0;
    if (log) expect('call-log', this.now);
    const sent = conversation.wakeUps(document, this.now).map(({ queue, delay }) => `${queue} in ${delay}`);
    assert.equal(sent.sort().join(), expected.sort().join(), 'wake-ups');

    assert.equal(wakeAt === null, !turn && !delivery && !log, 'the sweep looks exactly when something is due');
    if (wakeAt === null || wakes > 0) return;
    assert.ok(wakeAt > this.now, 'a wake-up may have its time');
    const soonest = [
      ...(turn ? [Math.max(this.now, turn.retryAt, live(active?.claim)) + policy.wakeGrace] : []),
      ...(delivery ? [Math.max(this.now, delivery.retryAt, live(delivering)) + policy.wakeGrace] : []),
      ...(log ? [this.now + policy.logGrace] : []),
    ];
    assert.ok(wakeAt <= Math.min(...soonest), 'a lost wake-up costs seconds');
    assert.ok(
      conversation.wakeUps(document, wakeAt).some(({ delay }) => delay === 0),
      'the sweep does not come in vain',
    );
  }
}

function incomingTurn(id: string, acceptedAt = 1): conversation.Incoming {
  return {
    id: named(id),
    givenId: id,
    userId: USER,
    customerId: null,
    text: id,
    attachments: [],
    localeAfter: () => 'en',
    fingerprint: id,
    traceparent: '',
    acceptedAt,
    attempts: 0,
    retryAt: 0,
  };
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const part of Object.values(value)) freeze(part);
  return Object.freeze(value);
}

function count(counts: Map<string, number>, id: string): void {
  counts.set(id, (counts.get(id) ?? 0) + 1);
}

/** Counts in the dialog, so that an answer that is lost or made twice shows. */
function reply(text: string, { dialog } = { dialog: emptyDialog }): conversation.Answer {
  return {
    said: { text: 'masked', attachments: [] },
    replies: [{ text }, { text: 'anything else?' }],
    dialog: { ...dialog, misses: dialog.misses + 1 },
    skill: 'answer',
    understanding: null,
    kept: String,
    outcome: 'answered',
    timings: {},
  };
}

function failure(document: Conversation | undefined, text: string) {
  return { reason: 'down', final: false, apology: { ...reply(`sorry ${text}`, document), outcome: 'failed' as const } };
}

const crash = fc.option(fc.constantFrom('before' as const, 'after' as const), { nil: null, freq: 4 });
const channelAnswer = fc.oneof(
  { weight: 3, arbitrary: fc.constant(takesAll) },
  {
    weight: 2,
    arbitrary: fc.record({
      at: fc.nat(3),
      kind: fc.constantFrom('busy' as const, 'refused' as const),
      after: fc.integer({ min: 0, max: 40_000 }),
    }),
  },
);
const event = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('accept' as const),
      id: fc.integer({ min: 0, max: 12 }),
      crash,
      other: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('work' as const),
      pick: fc.nat(50),
      crash,
      keep: fc.boolean(),
      late: fc.boolean(),
      channel: channelAnswer,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('resume' as const), pick: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const), pick: fc.nat(50) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('sweep' as const), ms: fc.integer({ min: 0, max: 40_000 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('probe' as const),
      pick: fc.nat(5),
      own: fc.boolean(),
      skill: fc.constantFrom('orders', 'images'),
    }),
  },
);

const RUNS = Number(process.env.PROPERTY_RUNS ?? 2_000);

for (const kind of ['api', 'activity'] as const)
  test(`${kind}: nothing is lost, nothing answered twice, order kept, always drains`, () => {
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 80, size: 'max' }),
        fc.nat(4),
        fc.nat(6),
        fc.option(fc.integer({ min: 10, max: 20 }), { nil: 0, freq: 2 }),
        fc.constantFrom<ChannelAnswer['kind'][]>('ok', 'ok', 'ok', 'busy', 'silent'),
        (events, slow, fails, history, end) => {
          const number = (id: string) => Number(id.slice(1));
          const world = new World(
            kind,
            (id) => number(id) < 100 && number(id) % 5 < slow,
            (id) => number(id) < 100 && fails > 0 && number(id) % 7 === fails,
          );
          const workAll = (channel: ChannelAnswer) => {
            for (let guard = 0; world.queues.length > 0 && guard < 500; guard += 1)
              world.work(0, null, false, false, channel);
          };
          // A conversation that has a past.
          for (let index = 0; index < history; index += 1) {
            world.accept(`t${100 + index}`, null);
            workAll(takesAll);
          }
          for (const happening of events) {
            world.now += 50;
            if (happening.do === 'accept')
              world.accept(`t${happening.id}`, happening.crash, `t${happening.id}${happening.other ? ' other' : ''}`);
            if (happening.do === 'work')
              world.work(happening.pick, happening.crash, happening.keep, happening.late, happening.channel);
            if (happening.do === 'resume')
              world.suspended.splice(happening.pick % (world.suspended.length + 1), 1)[0]?.();
            if (happening.do === 'lose') world.queues.splice(happening.pick % (world.queues.length + 1), 1);
            if (happening.do === 'probe') world.probe(happening.pick, happening.own, happening.skill);
            if (happening.do === 'sweep') {
              world.now += happening.ms;
              world.sweep();
            }
          }
          // Every wake-up is lost and every worker has crashed: the sweep alone must drain it.
          world.queues = [];
          world.suspended = [];
          for (let round = 0; round < 2_000 && world.stored?.document.wakeAt; round += 1) {
            world.now += 15_000;
            world.sweep();
            workAll(answers(end));
          }
          if (!world.stored) return;
          const { document } = world.stored;
          assert.deepEqual([document.inbox, document.outbox, document.wakeAt], [[], [], null], 'it drains');
          assert.deepEqual(world.answeredOrder, world.accepted);
          assert.deepEqual([...world.logged.keys()].sort(), [...world.accepted].sort(), 'the call log has every turn');
          for (const turn of document.recent)
            assert.deepEqual({ ...world.logged.get(turn.id)!, logged: true }, turn, 'as it is');
          if (kind === 'activity')
            assert.deepEqual(
              [...new Set([...world.delivered, ...world.undeliverable])].sort(),
              [...world.accepted].sort(),
              'every reply was sent',
            );
        },
      ),
      { numRuns: RUNS },
    );
  });

const now = 1_000;
const turn = (id: string) => incomingTurn(id, now);
const apology = { ...reply('sorry'), outcome: 'failed' as const };
const empty = () => conversation.open(CONVERSATION, USER, { kind: 'api' }, 'en', now);

function accepted(document: Conversation, id: string): Conversation {
  const outcome = conversation.accept(document, turn(id), document.channel, now);
  assert.ok(outcome.kind === 'accepted');
  return outcome.document;
}

test('a duplicate changes nothing, also after the answer; the same id with another text is a conflict', () => {
  const one = accepted(empty(), 'a');
  assert.equal(conversation.accept(one, turn('a'), one.channel, now).kind, 'waiting');
  const answered = conversation.answer(one, named('a'), null, reply('x'), now)!;
  assert.equal(conversation.accept(answered, turn('a'), one.channel, now).kind, 'answered');
  assert.equal(
    conversation.accept(answered, { ...turn('a'), fingerprint: 'other' }, one.channel, now).kind,
    'conflict',
  );
});

test('the inbox takes 100 waiting turns, and no document that would leave no room for answers', () => {
  let document: Conversation = empty();
  for (let index = 0; index < policy.inboxTurns; index += 1) document = accepted(document, `t${index}`);
  assert.equal(conversation.accept(document, turn('more'), document.channel, now).kind, 'full');
  let large: Conversation = empty();
  let outcome = conversation.accept(large, { ...turn('0'), text: '가'.repeat(4_000) }, large.channel, now);
  for (let index = 1; outcome.kind === 'accepted'; index += 1) {
    large = outcome.document;
    outcome = conversation.accept(large, { ...turn(String(index)), text: '가'.repeat(100_000) }, large.channel, now);
  }
  assert.equal(outcome.kind, 'full');
  assert.ok(Buffer.byteLength(JSON.stringify(large)) < 1_600_000);
});

test('a claim holds until it expires; its late worker is refused once another has taken over', () => {
  const routed = conversation.route(
    accepted(empty(), 'a'),
    named('a'),
    { skill: 'orders', understanding: null, timings: {} },
    now,
  )!;
  const first = conversation.claim(routed, 'orders', 'w1', apology, now)!;
  assert.equal(conversation.claim(first, 'orders', 'w2', apology, now + policy.skillClaim - 1), null);
  const second = conversation.claim(first, 'orders', 'w2', apology, now + policy.skillClaim)!;
  assert.equal(conversation.answer(second, named('a'), 'w1', reply('late'), now), null);
  assert.equal(conversation.answer(second, named('a'), null, reply('inline'), now), null);
  assert.ok(conversation.answer(second, named('a'), 'w2', reply('in time'), now));
});

test('the fifth failure answers with the apology and the next turn is free', () => {
  let document = accepted(accepted(empty(), 'a'), 'b');
  let time = now;
  for (let attempt = 1; attempt < policy.turnAttempts; attempt += 1) {
    document = conversation.fail(document, named('a'), null, failure(undefined, 'a'), time)!;
    assert.equal(conversation.head(document, time), null, 'it waits before it is tried again');
    time = document.inbox[0]!.retryAt;
    assert.equal(conversation.head(document, time)?.id, 'a');
  }
  assert.ok(time - now > 20_000, 'the attempts span an outage of 20 s');
  document = conversation.fail(document, named('a'), null, failure(undefined, 'a'), time)!;
  assert.equal(document.recent[0]!.outcome, 'failed');
  assert.equal(document.recent[0]!.lastError, 'down');
  assert.equal(conversation.head(document, time)?.id, 'b');
});

test('only logged and delivered turns leave the recent ones', () => {
  let document: Conversation = { ...empty(), channel: { kind: 'activity', reference: {} } };
  for (let index = 0; index < policy.recentTurns + 15; index += 1) {
    document = accepted(document, `t${index}`);
    document = conversation.answer(document, named(`t${index}`), null, reply('x'), now)!;
  }
  assert.equal(document.recent.length, policy.recentTurns + 15);
  const claimed = conversation.claimDelivery(document, 'w', now)!;
  const results = claimed.outbox.map(({ turnId }) => ({ turnId, ms: 1, ok: true as const }));
  document = conversation.delivered(claimed, 'w', results, now)!;
  document = conversation.logged(
    document,
    conversation.unlogged(document).map((answered) => answered.id),
    now,
  )!;
  assert.equal(document.recent.length, policy.recentTurns);
});

test('a refused delivery ends; a passing fault is tried again, not before Retry-After, and keeps the order', () => {
  let document: Conversation = { ...empty(), channel: { kind: 'activity', reference: {} } };
  for (const id of ['a', 'b']) document = conversation.answer(accepted(document, id), named(id), null, reply(id), now)!;
  document = {
    ...document,
    channel: { kind: 'activity', reference: {} },
    outbox: [
      { turnId: named('a'), sent: 0, attempts: 0, retryAt: 0 },
      { turnId: named('b'), sent: 0, attempts: 0, retryAt: 0 },
    ],
  };
  let claimed = conversation.claimDelivery(document, 'w', now)!;
  const busy = { turnId: named('a'), ms: 1, ok: false as const, sent: 0, reason: '429', final: false, after: 7_000 };
  document = conversation.delivered(claimed, 'w', [busy, { turnId: named('b'), ms: 1, ok: true }], now)!;
  assert.deepEqual(
    document.outbox.map((delivery) => delivery.turnId),
    ['a', 'b'],
    'b does not overtake a',
  );
  assert.equal(document.outbox[0]!.retryAt, now + 7_000);
  assert.equal(conversation.claimDelivery(document, 'w', now), null);
  claimed = conversation.claimDelivery(document, 'w', now + 7_000)!;
  const refused = { turnId: named('a'), ms: 1, ok: false as const, sent: 0, reason: '404', final: true, after: 0 };
  document = conversation.delivered(claimed, 'w', [refused, { turnId: named('b'), ms: 1, ok: true }], now)!;
  assert.deepEqual(document.outbox, []);
  assert.equal(document.recent.find((known) => known.id === 'a')!.deliveryError, '404');
});

test('a skill whose claims keep running out ends with the apology, and so does a delivery', () => {
  let document = conversation.route(
    accepted(empty(), 'a'),
    named('a'),
    { skill: 'orders', understanding: null, timings: {} },
    now,
  )!;
  let time = now;
  for (let round = 0; document.inbox.length > 0 && round < 10; round += 1) {
    document = conversation.claim(document, 'orders', `w${round}`, apology, time)!;
    time += policy.skillClaim;
  }
  assert.equal(document.recent[0]!.outcome, 'failed');
  assert.equal(document.recent[0]!.attempts, policy.turnAttempts);

  let sending: Conversation = { ...empty(), channel: { kind: 'activity', reference: {} } };
  sending = conversation.answer(accepted(sending, 'a'), named('a'), null, reply('a'), now)!;
  for (let round = 0; sending.outbox.length > 0 && round < 10; round += 1) {
    sending = conversation.claimDelivery(sending, `w${round}`, time)!;
    time += policy.deliveryClaim;
  }
  assert.match(sending.recent[0]!.deliveryError!, /no answer/);
});

test('what the channel has of a reply is not sent again', () => {
  let document: Conversation = { ...empty(), channel: { kind: 'activity', reference: {} } };
  document = conversation.answer(accepted(document, 'a'), named('a'), null, reply('a'), now)!;
  const claimed = conversation.claimDelivery(document, 'w', now)!;
  const part = { turnId: named('a'), ms: 1, ok: false as const, sent: 2, reason: '503', final: false, after: 0 };
  assert.equal(conversation.delivered(claimed, 'w', [part], now)!.outbox[0]!.sent, 2);
});

test('a person writes in any language and over any address: the newest counts', () => {
  const here = (serviceUrl: string) => ({ kind: 'activity' as const, reference: { serviceUrl } });
  let document: Conversation = conversation.open(CONVERSATION, USER, here('https://old.example'), 'en', now);
  const say = (id: string, text: string, channel = here('https://new.example')) => {
    const localeAfter = (spoken: string) => bot.languages.of(text, spoken);
    const outcome = conversation.accept(document, { ...turn(id), text, localeAfter }, channel, now);
    assert.ok(outcome.kind === 'accepted');
    document = outcome.document;
    return document.inbox.at(-1)!.locale;
  };
  assert.equal(say('a', '안녕하세요'), 'ko');
  assert.deepEqual(document.channel, here('https://new.example'));
  assert.equal(document.locale, 'ko');
  assert.equal(say('b', '12345'), 'ko', 'what says nothing of its language is in that of the conversation');
});

test('while the call log has too many turns to catch up with, no more are accepted', () => {
  let document: Conversation = empty();
  for (let index = 0; index < policy.unloggedTurns; index += 1) {
    document = accepted(document, `t${index}`);
    document = conversation.answer(document, named(`t${index}`), null, reply('x'), now)!;
  }
  assert.equal(conversation.accept(document, turn('more'), document.channel, now).kind, 'busy');
  assert.equal(conversation.accept(document, turn('t0'), document.channel, now).kind, 'answered');
  const caughtUp = conversation.logged(document, [named('t0')], now)!;
  assert.equal(conversation.accept(caughtUp, turn('more'), document.channel, now).kind, 'accepted');
});

test('a skill that failed has its turn again, as it was understood; a failure that is final ends it at once', () => {
  const understanding = { intent: 'order_status', score: 0.9, top: [], model: { name: 'intents', version: '1' } };
  const step = { skill: 'orders', understanding, timings: { inference: 3 } };
  const routed = conversation.route(accepted(empty(), 'a'), named('a'), step, now)!;
  const claimed = conversation.claim(routed, 'orders', 'w1', apology, now)!;
  const failed = conversation.fail(claimed, named('a'), 'w1', failure(undefined, 'a'), now)!;
  assert.deepEqual(failed.active, { ...routed.active, claim: null });
  assert.equal(failed.inbox[0]!.attempts, 1);
  assert.deepEqual(conversation.wakeUps(failed, now), [{ queue: 'skill-orders', delay: policy.turnBackoff[0] }]);
  const ended = conversation.fail(claimed, named('a'), 'w1', { ...failure(undefined, 'a'), final: true }, now)!;
  assert.deepEqual([ended.inbox, ended.active], [[], null]);
  assert.equal(ended.recent[0]!.outcome, 'failed');
});

test('an answer without replies is not sent', () => {
  const document: Conversation = { ...empty(), channel: { kind: 'activity', reference: {} } };
  const answered = conversation.answer(accepted(document, 'a'), named('a'), null, { ...reply(''), replies: [] }, now)!;
  assert.deepEqual(answered.outbox, []);
  assert.equal(answered.recent.length, 1);
});

test('what is reported of a delivery counts in the order of the outbox only; no channel may ask for a day', () => {
  let document: Conversation = { ...empty(), channel: { kind: 'activity', reference: {} } };
  for (const id of ['a', 'b']) document = conversation.answer(accepted(document, id), named(id), null, reply(id), now)!;
  const claimed = conversation.claimDelivery(document, 'w', now)!;
  const strange = conversation.delivered(claimed, 'w', [{ turnId: named('b'), ms: 1, ok: true }], now)!;
  assert.deepEqual(
    strange.outbox.map((delivery) => delivery.turnId),
    ['a', 'b'],
  );
  const day = {
    turnId: named('a'),
    ms: 1,
    ok: false as const,
    sent: 0,
    reason: '429',
    final: false,
    after: 86_400_000,
  };
  const put = conversation.delivered(claimed, 'w', [day], now)!;
  assert.equal(put.outbox[0]!.retryAt, now + policy.deliveryWaitLimit);
});

test('a wake-up has its time; the sweep comes after it, each time twice as late, until something has happened', () => {
  let document = accepted(empty(), 'a');
  assert.equal(document.wakeAt, now + policy.wakeGrace);
  const waits: number[] = [];
  for (let round = 0; round < 9; round += 1) {
    const at: number = document.wakeAt!;
    assert.equal(conversation.wake(document, at - 1), null);
    document = conversation.wake(document, at)!;
    waits.push(document.wakeAt! - at);
  }
  for (const [index, wait] of waits.entries())
    assert.equal(wait, Math.min(policy.wakeGrace * 2 ** (index + 1), policy.wakeGraceLimit));
  assert.equal(waits.at(-1), policy.wakeGraceLimit, 'it never stops looking');
  const time = document.wakeAt!;
  document = conversation.fail(document, named('a'), null, failure(undefined, 'a'), time)!;
  assert.equal(document.wakeAt, time + policy.turnBackoff[0] + policy.wakeGrace);
  assert.equal(document.wakes, 0);
});

test('claims last longer than what they are for', () => {
  assert.ok(policy.skillClaim >= policy.skillDeadline + 2_000, 'a failure can still be recorded');
  assert.ok(policy.deliveryClaim >= policy.deliveryDeadline + SEND + 2_000);
});

/** Cosmos DB refuses more. */
const DATABASE_LIMIT = 2 * 1024 * 1024;
const longest = Math.max(
  ...[...bot.intents.values()].flatMap(({ answers }) => Object.values(answers ?? {}).flat()).map(byteLength),
);
const size = (document: Conversation) => byteLength(JSON.stringify(document));

function byteLength(text: string): number {
  return Buffer.byteLength(text);
}

test('the fullest conversation, of the longest texts, stays under the limit of the database to its last answer', () => {
  const text = '가'.repeat(4_000);
  const reference = { bot: { id: 'u'.repeat(512), name: '가'.repeat(512) }, serviceUrl: 'x'.repeat(1_024) };
  const channel = { kind: 'activity' as const, reference };
  const incoming = (id: string): conversation.Incoming => ({
    ...turn(id),
    text,
    localeAfter: () => 'ko',
    fingerprint: 'x'.repeat(43),
    traceparent: 'x'.repeat(55),
    givenId: 'x'.repeat(512),
    sender: { id: 'u'.repeat(512), name: '가'.repeat(512) },
  });
  const long: conversation.Answer = {
    ...reply('x'.repeat(2 * longest)),
    said: { text, attachments: [] },
    understanding: {
      intent: 'x'.repeat(40),
      score: 0.123456789,
      top: Array.from({ length: 5 }, () => ({ intent: 'x'.repeat(40), score: 0.123456789 })),
      model: { name: 'intents', version: '1.0.123456789' },
    },
    timings: { queue: 12345, inference: 12345, skillQueue: 12345, skill: 12345, deliver: 12345 },
  };
  const answerHead = (document: Conversation) => conversation.answer(document, document.inbox[0]!.id, null, long, now)!;
  // Its past is in the call log and delivered.
  let document: Conversation = { ...empty(), channel };
  for (let index = 0; index < policy.recentTurns; index += 1) {
    const outcome = conversation.accept(document, incoming(`r${index}`), channel, now);
    assert.ok(outcome.kind === 'accepted');
    document = answerHead(outcome.document);
  }
  document = {
    ...document,
    outbox: [],
    recent: document.recent.map((known) => ({ ...known, logged: true, deliveredAt: now })),
  };
  let waiting = 0;
  for (; ; waiting += 1) {
    const outcome = conversation.accept(document, incoming(`w${waiting}`), channel, now);
    if (outcome.kind === 'full') break;
    assert.ok(outcome.kind === 'accepted');
    document = outcome.document;
  }
  assert.ok(waiting > 60 && waiting <= policy.inboxTurns, `${waiting} turns wait`);
  // Neither the channel nor the call log takes anything: all of it stays here.
  let largest = size(document);
  while (document.inbox.length > 0) {
    document = answerHead(document);
    largest = Math.max(largest, size(document));
  }
  assert.equal(document.outbox.length, waiting);
  assert.ok(largest > 1_400_000 && largest < DATABASE_LIMIT, `${largest} bytes`);
});

test('what was answered never keeps the next turn out, however long the answers were', () => {
  let document: Conversation = empty();
  for (let index = 0; index < 3 * policy.recentTurns; index += 1) {
    const outcome = conversation.accept(document, turn(`t${index}`), document.channel, now);
    assert.equal(outcome.kind, 'accepted', `turn ${index}: nothing waits, and everything is in the call log`);
    assert.ok(outcome.kind === 'accepted');
    document = conversation.answer(outcome.document, named(`t${index}`), null, reply('x'.repeat(100_000)), now)!;
    document = conversation.logged(document, [named(`t${index}`)], now)!;
    assert.ok(size(document) < DATABASE_LIMIT);
  }
});

test("each user of a group has a dialog of their own: nobody's turn moves another's", () => {
  const [ann, ben, carl] = ['ann', 'ben', 'carl'].map((name) => userId({ channel: 'x' }, name)) as [
    UserId,
    UserId,
    UserId,
  ];
  const confirming = (order: string) => ({
    ...emptyDialog,
    flow: flowAt('shall_i', order),
  });
  let document: Conversation = conversation.open(
    conversationId({ channel: 'x' }, 'group'),
    ann,
    { kind: 'api' },
    'en',
    0,
  );
  const turn = (user: UserId, id: string, dialog: Dialog) => {
    const incoming = { ...incomingTurn(id), userId: user };
    const accepted = conversation.accept(document, incoming, { kind: 'api' }, 1);
    assert.ok(accepted.kind === 'accepted');
    const answered = conversation.answer(accepted.document, incoming.id, null, { ...reply(id), dialog }, 2);
    assert.ok(answered);
    document = answered;
  };
  turn(ann, 'a1', confirming('of-ann'));
  turn(ben, 'b1', confirming('of-ben'));
  turn(carl, 'c1', emptyDialog);
  assert.deepEqual(conversation.dialogOf(document, ann), confirming('of-ann'));
  assert.deepEqual(conversation.dialogOf(document, ben), confirming('of-ben'));
  turn(ben, 'b2', emptyDialog);
  assert.deepEqual(conversation.dialogOf(document, ann), confirming('of-ann'));
  assert.deepEqual(conversation.dialogOf(document, ben), emptyDialog);
  const part = conversation.partOf(document, ben);
  assert.ok(!JSON.stringify(part).includes('of-ann'), "an export has nothing of another's dialog");
  assert.deepEqual(conversation.partOf(document, ann).dialog, confirming('of-ann'));
  // Ann opened it, and is erased: her dialog goes, and the others' stay.
  turn(ben, 'b3', confirming('again-of-ben'));
  const left = conversation.forget(document, ann, 10, String, 11);
  assert.ok(left && left !== 'empty');
  assert.ok(!JSON.stringify(left).includes('of-ann'));
  assert.deepEqual(conversation.dialogOf(left, ben), confirming('again-of-ben'));
});
