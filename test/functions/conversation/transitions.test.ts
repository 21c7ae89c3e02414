import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Conversation, Turn } from '../../../functions/conversation/document.ts';
import { policy } from '../../../functions/conversation/policy.ts';
import * as conversation from '../../../functions/conversation/transitions.ts';

/**
 * A world of one conversation: the stored document with its version, the queues' messages, and workers that crash
 * before or after each write, run late, twice, and next to each other. Every interleaving must keep the promises.
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
  logged = new Set<string>();
  /** Given up after claims that ran out. */
  undeliverable = new Set<string>();
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
  ): Conversation | null | 'crashed' | 'raced' {
    const next = read && transition(read.document);
    if (!next) return null;
    if (crash === 'before') return 'crashed';
    if (this.stored?.version !== read.version) return 'raced';
    this.write(next);
    if (crash === 'after') return 'crashed';
    return next;
  }

  write(next: Conversation): void {
    const before = new Set(this.stored?.document.recent.map((turn) => turn.id) ?? []);
    for (const turn of next.recent) if (!before.has(turn.id)) this.answeredOrder.push(turn.id);
    for (const turn of next.recent) if (turn.deliveryError) this.undeliverable.add(turn.id);
    this.stored = { document: structuredClone(next), version: (this.stored?.version ?? 0) + 1 };
    this.check();
  }

  send(document: Conversation): void {
    for (const { queue } of conversation.wakeUps(document, this.now)) this.queues.push(queue);
  }

  accept(id: string, crash: 'before' | 'after' | null): void {
    const turn: Turn = {
      id,
      userId: 'u',
      text: id,
      attachments: [],
      locale: 'en',
      fingerprint: id,
      traceparent: '',
      acceptedAt: this.now,
      attempts: 0,
      retryAt: 0,
    };
    const read = this.stored ?? { document: conversation.open('c', 'u', this.channel, 'en', this.now), version: 0 };
    const outcome = conversation.accept(read.document, turn, this.channel, this.now);
    if (outcome.kind !== 'accepted') return;
    if (crash === 'before') return;
    this.accepted.push(id);
    this.write(outcome.document);
    if (crash === 'after') return;
    this.send(outcome.document);
  }

  /** Takes a message (or leaves it for a redelivery) and runs its worker; `late` suspends it between claim and record. */
  work(pick: number, crash: 'before' | 'after' | null, keep: boolean, late: boolean): void {
    if (this.queues.length === 0) return;
    const index = pick % this.queues.length;
    const queue = this.queues[index]!;
    if (!keep && crash === null) this.queues.splice(index, 1);
    const by = `w${this.serial++}`;
    if (queue === 'turns') this.understand(crash, late);
    else if (queue === 'replies') this.deliver(by, crash, late);
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
          if (this.fails(turn.id))
            return conversation.head(document, this.now)?.id === turn.id
              ? conversation.fail(document, turn.id, null, failure(turn.id), this.now)
              : null;
          if (this.slow(turn.id))
            return conversation.route(
              document,
              turn.id,
              { skill: 'orders', understanding: null, timings: {} },
              this.now,
            );
          return conversation.answer(document, turn.id, null, reply(turn.id), this.now);
        },
        crash,
        read,
      );
      if (next && typeof next === 'object') this.send(next);
      if (next === 'raced') this.queues.push('turns');
    };
    if (late) this.suspended.push(record);
    else record();
  }

  skill(name: string, by: string, crash: 'before' | 'after' | null, late: boolean): void {
    const claimed = this.step((document) =>
      conversation.claim(document, name, by, { ...reply('sorry'), outcome: 'failed' }, this.now),
    );
    if (!claimed || typeof claimed === 'string') return;
    if (claimed.active?.claim?.by !== by) {
      this.send(claimed);
      return;
    }
    const turn = claimed.inbox[0]!;
    if (crash === 'before') return;
    const record = () => {
      const next = this.step((document) =>
        this.fails(turn.id)
          ? conversation.fail(document, turn.id, by, failure(turn.id), this.now)
          : conversation.answer(document, turn.id, by, reply(turn.id), this.now),
      );
      if (next && typeof next === 'object' && crash === null) this.send(next);
    };
    if (late) this.suspended.push(record);
    else record();
  }

  deliver(by: string, crash: 'before' | 'after' | null, late: boolean): void {
    const claimed = this.step((document) => conversation.claimDelivery(document, by, this.now));
    if (!claimed || typeof claimed === 'string') return;
    if (claimed.delivering?.by !== by) {
      this.send(claimed);
      return;
    }
    if (crash === 'before') return;
    const record = () => {
      const results: conversation.Sent[] = [];
      for (const { turnId } of claimed.outbox) {
        this.delivered.push(turnId);
        results.push({ turnId, ms: 1, ok: true });
      }
      if (crash === 'after') return;
      const next = this.step((document) => conversation.delivered(document, by, results, this.now));
      if (next && typeof next === 'object') this.send(next);
    };
    if (late) this.suspended.push(record);
    else record();
  }

  log(crash: 'before' | 'after' | null): void {
    this.step((document) => {
      const turns = conversation.unlogged(document);
      for (const turn of turns) this.logged.add(turn.id);
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

  /** What holds after every single write. */
  check(): void {
    const { document } = this.stored!;
    const waiting = document.inbox.map((turn) => turn.id);
    assert.equal(new Set(this.answeredOrder).size, this.answeredOrder.length, 'no turn is answered twice');
    assert.deepEqual(
      [...this.answeredOrder, ...waiting],
      this.accepted,
      'every accepted turn is answered or waits, in order',
    );
    if (document.active) assert.equal(document.active.turnId, waiting[0], 'only the head is active');
    const due = waiting.length + document.outbox.length + conversation.unlogged(document).length;
    assert.equal(document.wakeAt === null, due === 0, 'the sweep looks exactly when something is due');
    for (const turn of document.outbox)
      assert.ok(
        document.recent.some((known) => known.id === turn.turnId),
        'what is to be sent is there',
      );
  }
}

function reply(text: string): conversation.Answer {
  return {
    replies: [{ text }],
    dialog: { scenario: null, misses: 0, handover: null },
    skill: 'answer',
    understanding: null,
    outcome: 'answered',
    timings: {},
  };
}

function failure(text: string) {
  return { reason: 'down', final: false, apology: { ...reply(`sorry ${text}`), outcome: 'failed' as const } };
}

const crash = fc.option(fc.constantFrom('before' as const, 'after' as const), { nil: null, freq: 4 });
const event = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('accept' as const), id: fc.integer({ min: 0, max: 12 }), crash }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('work' as const),
      pick: fc.nat(50),
      crash,
      keep: fc.boolean(),
      late: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('resume' as const), pick: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const), pick: fc.nat(50) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('sweep' as const), ms: fc.integer({ min: 0, max: 40_000 }) }) },
);

const RUNS = Number(process.env.PROPERTY_RUNS ?? 2_000);

for (const kind of ['api', 'activity'] as const)
  test(`${kind}: nothing is lost, nothing answered twice, order kept, always drains`, () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 80 }), fc.nat(4), fc.nat(6), (events, slow, fails) => {
        const number = (id: string) => Number(id.slice(1));
        const world = new World(
          kind,
          (id) => number(id) % 5 < slow,
          (id) => fails > 0 && number(id) % 7 === fails,
        );
        for (const happening of events) {
          world.now += 50;
          if (happening.do === 'accept') world.accept(`t${happening.id}`, happening.crash);
          if (happening.do === 'work') world.work(happening.pick, happening.crash, happening.keep, happening.late);
          if (happening.do === 'resume')
            world.suspended.splice(happening.pick % (world.suspended.length + 1), 1)[0]?.();
          if (happening.do === 'lose') world.queues.splice(happening.pick % (world.queues.length + 1), 1);
          if (happening.do === 'sweep') {
            world.now += happening.ms;
            world.sweep();
          }
        }
        // Every wake-up is lost and every worker has crashed: the sweep alone must drain it.
        world.queues = [];
        world.suspended = [];
        for (let round = 0; round < 400 && world.stored?.document.wakeAt; round += 1) {
          world.now += 15_000;
          world.sweep();
          for (let guard = 0; world.queues.length > 0 && guard < 500; guard += 1) world.work(0, null, false, false);
        }
        if (!world.stored) return;
        const { document } = world.stored;
        assert.deepEqual([document.inbox, document.outbox, document.wakeAt], [[], [], null], 'it drains');
        assert.deepEqual(world.answeredOrder, world.accepted);
        assert.deepEqual([...world.logged].sort(), [...world.accepted].sort(), 'the call log has every turn');
        if (kind === 'activity')
          assert.deepEqual([...new Set(world.delivered)].sort(), [...world.accepted].sort(), 'every reply was sent');
      }),
      { numRuns: RUNS },
    );
  });

const now = 1_000;
const turn = (id: string): Turn => ({
  id,
  userId: 'u',
  text: id,
  attachments: [],
  locale: 'en',
  fingerprint: id,
  traceparent: '',
  acceptedAt: now,
  attempts: 0,
  retryAt: 0,
});
const apology = { ...reply('sorry'), outcome: 'failed' as const };
const empty = () => conversation.open('c', 'u', { kind: 'api' }, 'en', now);

function accepted(document: Conversation, id: string): Conversation {
  const outcome = conversation.accept(document, turn(id), document.channel, now);
  assert.ok(outcome.kind === 'accepted');
  return outcome.document;
}

test('a duplicate changes nothing, also after the answer; the same id with another text is a conflict', () => {
  const one = accepted(empty(), 'a');
  assert.equal(conversation.accept(one, turn('a'), one.channel, now).kind, 'waiting');
  const answered = conversation.answer(one, 'a', null, reply('x'), now)!;
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
    'a',
    { skill: 'orders', understanding: null, timings: {} },
    now,
  )!;
  const first = conversation.claim(routed, 'orders', 'w1', apology, now)!;
  assert.equal(conversation.claim(first, 'orders', 'w2', apology, now + policy.skillClaim - 1), null);
  const second = conversation.claim(first, 'orders', 'w2', apology, now + policy.skillClaim)!;
  assert.equal(conversation.answer(second, 'a', 'w1', reply('late'), now), null);
  assert.equal(conversation.answer(second, 'a', null, reply('inline'), now), null);
  assert.ok(conversation.answer(second, 'a', 'w2', reply('in time'), now));
});

test('the fifth failure answers with the apology and the next turn is free', () => {
  let document = accepted(accepted(empty(), 'a'), 'b');
  let time = now;
  for (let attempt = 1; attempt < policy.turnAttempts; attempt += 1) {
    document = conversation.fail(document, 'a', null, failure('a'), time)!;
    assert.equal(conversation.head(document, time), null, 'it waits before it is tried again');
    time = document.inbox[0]!.retryAt;
    assert.equal(conversation.head(document, time)?.id, 'a');
  }
  assert.ok(time - now > 20_000, 'the attempts span an outage of 20 s');
  document = conversation.fail(document, 'a', null, failure('a'), time)!;
  assert.equal(document.recent[0]!.outcome, 'failed');
  assert.equal(document.recent[0]!.lastError, 'down');
  assert.equal(conversation.head(document, time)?.id, 'b');
});

test('only logged and delivered turns leave the recent ones', () => {
  let document: Conversation = { ...empty(), channel: { kind: 'activity', reference: {} } };
  for (let index = 0; index < policy.recentTurns + 15; index += 1) {
    document = accepted(document, `t${index}`);
    document = conversation.answer(document, `t${index}`, null, reply('x'), now)!;
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
  for (const id of ['a', 'b']) document = conversation.answer(accepted(document, id), id, null, reply(id), now)!;
  document = {
    ...document,
    channel: { kind: 'activity', reference: {} },
    outbox: [
      { turnId: 'a', sent: 0, attempts: 0, retryAt: 0 },
      { turnId: 'b', sent: 0, attempts: 0, retryAt: 0 },
    ],
  };
  let claimed = conversation.claimDelivery(document, 'w', now)!;
  const busy = { turnId: 'a', ms: 1, ok: false as const, sent: 0, reason: '429', final: false, after: 7_000 };
  document = conversation.delivered(claimed, 'w', [busy, { turnId: 'b', ms: 1, ok: true }], now)!;
  assert.deepEqual(
    document.outbox.map((delivery) => delivery.turnId),
    ['a', 'b'],
    'b does not overtake a',
  );
  assert.equal(document.outbox[0]!.retryAt, now + 7_000);
  assert.equal(conversation.claimDelivery(document, 'w', now), null);
  claimed = conversation.claimDelivery(document, 'w', now + 7_000)!;
  const refused = { turnId: 'a', ms: 1, ok: false as const, sent: 0, reason: '404', final: true, after: 0 };
  document = conversation.delivered(claimed, 'w', [refused, { turnId: 'b', ms: 1, ok: true }], now)!;
  assert.deepEqual(document.outbox, []);
  assert.equal(document.recent.find((known) => known.id === 'a')!.deliveryError, '404');
});

test('a skill whose claims keep running out ends with the apology, and so does a delivery', () => {
  let document = conversation.route(
    accepted(empty(), 'a'),
    'a',
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
  sending = conversation.answer(accepted(sending, 'a'), 'a', null, reply('a'), now)!;
  for (let round = 0; sending.outbox.length > 0 && round < 10; round += 1) {
    sending = conversation.claimDelivery(sending, `w${round}`, time)!;
    time += policy.deliveryClaim;
  }
  assert.match(sending.recent[0]!.deliveryError!, /no answer/);
});

test('what the channel has of a reply is not sent again', () => {
  let document: Conversation = { ...empty(), channel: { kind: 'activity', reference: {} } };
  document = conversation.answer(accepted(document, 'a'), 'a', null, reply('a'), now)!;
  const claimed = conversation.claimDelivery(document, 'w', now)!;
  const part = { turnId: 'a', ms: 1, ok: false as const, sent: 2, reason: '503', final: false, after: 0 };
  assert.equal(conversation.delivered(claimed, 'w', [part], now)!.outbox[0]!.sent, 2);
});
