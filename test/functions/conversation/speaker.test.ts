import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type Agent,
  type AnsweredTurn,
  type Conversation,
  emptyDialog,
  type Reply,
  type Speaker,
} from '../../../functions/conversation/document.ts';
import { conversationId, type TurnId, turnId, userId } from '../../../functions/conversation/identifier.ts';
import { policy } from '../../../functions/conversation/policy.ts';
import * as speaker from '../../../functions/conversation/speaker.ts';
import * as conversation from '../../../functions/conversation/transitions.ts';
import { flowAt } from './flow.ts';

const USER = userId('api', 'u');
const MINA: Agent = { id: 'mina', name: 'Mina' };
const JUN: Agent = { id: 'jun', name: 'Jun' };
const words = (text: string): speaker.Words => ({ replies: [{ text }], kept: (given) => given.replace(/\d/g, '#') });

/** A conversation of one user, and everything that may happen to it. Each step reads, computes and writes; a stale write fails. */
class World {
  now = 1_000_000;
  version = 0;
  document: Conversation;
  /** In the order in which it was said, over all that the document has already forgotten. */
  readonly said: { id: TurnId; by: 'bot' | string; replies: number }[] = [];
  readonly accepted: TurnId[] = [];
  readonly delivered: TurnId[] = [];
  /** What agents were told is said. */
  readonly promised = new Set<string>();
  serial = 0;

  constructor() {
    const channel = { kind: 'activity', reference: {} } as const;
    this.document = conversation.open(conversationId('api', 'c'), USER, channel, 'en', this.now);
  }

  write(next: Conversation): void {
    const before = this.document;
    const known = new Set(before.recent.map(({ id }) => id));
    const fresh = next.recent.filter(({ id }) => !known.has(id));
    for (const turn of fresh) this.judge(before.speaker, turn, next.speaker);
    const order = next.recent.map(({ id }) => id);
    const waiting = next.outbox.map(({ turnId: id }) => order.indexOf(id));
    assert.ok(
      waiting.every((at, index) => at >= 0 && (index === 0 || at > waiting[index - 1]!)),
      'in the order of the words',
    );
    this.document = JSON.parse(JSON.stringify(next));
    this.version += 1;
  }

  /** Whoever speaks is the one who had the conversation. */
  judge(had: Speaker, turn: AnsweredTurn, has: Speaker): void {
    this.said.push({ id: turn.id, by: turn.by?.id ?? 'bot', replies: turn.replies.length });
    if (turn.by) {
      const holder = had.kind === 'person' ? had.agent.id : has.kind === 'person' ? has.agent.id : null;
      assert.equal(turn.by.id, holder, 'only who has the conversation says something');
      return;
    }
    if (had.kind === 'person') assert.deepEqual(turn.replies, [], 'the bot is silent while a person has it');
    else assert.ok(turn.replies.length > 0, 'and never otherwise');
  }

  customer(text = 'hello'): void {
    const id = turnId(`t${this.serial++}`);
    const outcome = conversation.accept(
      this.document,
      {
        id,
        givenId: id,
        userId: USER,
        customerId: null,
        text,
        attachments: [],
        localeAfter: (spoken) => spoken,
        fingerprint: id,
        traceparent: '',
        acceptedAt: this.now,
        attempts: 0,
        retryAt: 0,
      },
      this.document.channel,
      this.now,
    );
    if (outcome.kind !== 'accepted') return;
    this.accepted.push(id);
    this.write(outcome.document);
  }

  answer(more: Partial<conversation.Answer> = {}): conversation.Answer {
    return {
      said: { text: this.document.inbox[0]?.text ?? '', attachments: [] },
      replies: [{ text: 'the bot' }],
      dialog: emptyDialog,
      skill: 'answer',
      kept: String,
      understanding: null,
      outcome: 'answered',
      timings: {},
      ...more,
    };
  }

  /** What a skill says of the state it read: as skills/person.ts does. */
  ofSpeaker(read: Speaker, wish: 'person' | 'bot' | 'any'): Partial<conversation.Answer> {
    if (read.kind === 'person') return { replies: [], silent: true };
    if (read.kind === 'bot' && wish === 'person')
      return { speaker: { kind: 'waiting', since: this.now, reason: 'agent', ticket: 'A' } };
    if (read.kind === 'waiting' && wish === 'bot') return { speaker: { kind: 'bot' } };
    return {};
  }

  /** A worker that reads now and writes later. Null: nothing to do. */
  worker(wish: 'person' | 'bot' | 'any', queued: boolean): (() => void) | null {
    const { document, version, now } = this;
    const write = (next: Conversation | null) => {
      if (next && this.version === version) this.write(next);
    };
    const turn = document.inbox[0];
    if (!turn) return null;
    if (document.active) {
      const by = `w${this.serial++}`;
      const claimed = conversation.claim(document, 'flow', by, this.answer({ outcome: 'failed' }), now);
      if (!claimed) return null;
      this.write(claimed);
      if (this.document.active?.claim?.by !== by) return null;
      const { speaker: read } = this.document;
      // A skill writes whatever became of the document meanwhile, as long as its claim is its own.
      return () => {
        const next = conversation.answer(this.document, turn.id, by, this.answer(this.ofSpeaker(read, wish)), this.now);
        if (next) this.write(next);
      };
    }
    if (!conversation.head(document, now)) return null;
    if (queued)
      return () =>
        write(conversation.route(document, turn.id, { skill: 'flow', understanding: null, timings: {} }, now));
    const answer = this.answer(this.ofSpeaker(document.speaker, wish));
    return () => write(conversation.answer(document, turn.id, null, answer, this.now));
  }

  /** A failed attempt: in the end an apology. */
  fail(final: boolean): void {
    const turn = this.document.inbox[0];
    const by = this.document.active?.claim?.by ?? null;
    if (!turn || (this.document.active && by === null)) return;
    const failure = { reason: 'down', final, apology: this.answer({ outcome: 'failed' }) };
    const next = conversation.fail(this.document, turn.id, by, failure, this.now);
    if (next) this.write(next);
  }

  outcome(outcome: speaker.Outcome): void {
    if (outcome.kind === 'done') this.write(outcome.document);
  }

  agent(agent: Agent, what: 'take' | 'say' | 'pass' | 'back' | 'close', key: string): void {
    const { document, now } = this;
    if (what === 'take') this.outcome(speaker.take(document, agent, words('is here'), now));
    if (what === 'pass') this.outcome(speaker.pass(document, agent, null, words('one moment'), now));
    if (what === 'back') this.outcome(speaker.giveBack(document, agent, { wrapUp: null }, words('bye'), now));
    if (what === 'close') this.outcome(speaker.giveBack(document, agent, { wrapUp: 'done' }, words('bye'), now));
    if (what !== 'say') return;
    const outcome = speaker.say(document, agent, { key, replies: [{ text: key }] }, now);
    this.outcome(outcome);
    if (outcome.kind === 'done' || outcome.kind === 'again') this.promised.add(`${agent.id} ${key}`);
  }

  deliver(): void {
    const by = `d${this.serial++}`;
    const claimed = conversation.claimDelivery(this.document, by, this.now);
    if (!claimed || claimed.delivering?.by !== by) return;
    this.write(claimed);
    const sent = this.document.outbox.map(({ turnId: id }) => ({ turnId: id, ms: 1, ok: true as const }));
    this.delivered.push(...sent.map(({ turnId: id }) => id));
    const next = conversation.delivered(this.document, by, sent, this.now);
    if (next) this.write(next);
  }

  pass(ms: number): void {
    this.now += ms;
    const next = speaker.expire(this.document, this.now % 7 !== 0, (what) => words(what), this.now);
    if (next) this.write(next);
    const ids = conversation.unlogged(this.document).map(({ id }) => id);
    const logged = conversation.logged(this.document, ids, this.now);
    if (logged) this.write(logged);
  }
}

const agents = fc.constantFrom(MINA, JUN);
const wishes = fc.constantFrom('person' as const, 'bot' as const, 'any' as const);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('write' as const) }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('work' as const), wish: wishes, queued: fc.boolean(), late: fc.nat(3) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const), final: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('agent' as const),
      agent: agents,
      what: fc.constantFrom('take', 'take', 'say', 'say', 'pass', 'back', 'close'),
      // A few, so that some are said again.
      key: fc.constantFrom('1', '2', '3', '4', '5', '6'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('deliver' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('time' as const),
      ms: fc.constantFrom(500, 3_000, 25_000, 301_000, 1_900_000),
    }),
  },
);

test('never two speakers, never none; nothing lost; in order — whatever customer, agents, workers and time do', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const world = new World();
      let late: { after: number; run: () => void }[] = [];
      for (const one of steps) {
        if (one.do === 'write') world.customer();
        if (one.do === 'fail') world.fail(one.final);
        if (one.do === 'deliver') world.deliver();
        if (one.do === 'time') world.pass(one.ms);
        if (one.do === 'agent') world.agent(one.agent, one.what as 'take', one.key);
        if (one.do === 'work') {
          const run = world.worker(one.wish, one.queued);
          if (run) late.push({ after: one.late, run });
        }
        for (const worker of late) if (worker.after-- <= 0) worker.run();
        late = late.filter(({ after }) => after >= 0);
      }
      // Everybody comes to an end: workers, and whoever has the conversation and says nothing more.
      for (
        let round = 0;
        round < 400 && (world.document.inbox.length > 0 || world.document.outbox.length > 0);
        round += 1
      ) {
        world.pass(30_000);
        world.worker('any', false)?.();
        world.deliver();
      }
      const customers = world.said.filter(({ id }) => world.accepted.includes(id)).map(({ id }) => id);
      assert.deepEqual(customers, world.accepted, 'each turn is settled once, in the order of acceptance');
      const spoken = world.said.filter(({ replies }) => replies > 0).map(({ id }) => id);
      assert.deepEqual(world.delivered, spoken, 'all that was said is delivered once, in its order');
      for (const promise of world.promised) {
        const [agent, key] = promise.split(' ');
        const id = turnId(JSON.stringify(['said by', agent, key]));
        assert.equal(world.said.filter((one) => one.id === id).length, 1, 'what an agent said is said once');
      }
      world.pass(policy.personIdle + policy.personUnanswered + 1);
      world.pass(policy.personIdle + 1);
      assert.notEqual(world.document.speaker.kind, 'person', 'nobody keeps a conversation by saying nothing');
    }),
    { numRuns: Number(process.env.FC_RUNS ?? 1_000) },
  );
});

describe('a person', () => {
  const waiting = (more: Partial<Conversation> = {}): Conversation => ({
    ...conversation.open(conversationId('api', 'c'), USER, { kind: 'api' }, 'en', 1),
    speaker: { kind: 'waiting', since: 5, reason: 'agent', ticket: 'A1' },
    ...more,
  });
  const taken = (by = MINA, from = waiting()) => {
    const outcome = speaker.take(from, by, words('is here'), 10);
    assert.equal(outcome.kind, 'done');
    return (outcome as { document: Conversation }).document;
  };
  const last = ({ recent }: Conversation): Reply[] => recent.at(-1)!.replies;

  test('takes what waits, once; a second one can’t', () => {
    const document = taken();
    assert.deepEqual(document.speaker, {
      kind: 'person',
      agent: MINA,
      since: 10,
      reason: 'agent',
      ticket: 'A1',
      unanswered: 10,
      spoke: 10,
      last: 10,
    });
    assert.deepEqual(last(document), [{ text: 'is here' }]);
    assert.deepEqual(speaker.take(document, MINA, words('is here'), 11), { kind: 'again', document });
    assert.deepEqual(speaker.take(document, JUN, words('is here'), 11), { kind: 'taken' });
  });

  test('takes what the bot has, too, and what was begun there is over', () => {
    const flow = flowAt('shall_i', 'ORD-10022');
    const document = taken(MINA, waiting({ speaker: { kind: 'bot' }, dialog: { ...emptyDialog, flow, misses: 1 } }));
    assert.deepEqual(document.dialog, emptyDialog);
    assert.equal(document.speaker.kind === 'person' && document.speaker.unanswered, null, 'nobody has asked');
  });

  test('can’t take while a skill acts for the bot; one that nobody works at is the person’s', () => {
    const active = { turnId: turnId('t'), skill: 'flow', understanding: null, since: 1, timings: {} };
    assert.deepEqual(
      speaker.take(waiting({ active: { ...active, claim: { by: 'w', until: 11 } } }), MINA, words('x'), 10),
      {
        kind: 'busy',
      },
    );
    assert.equal(taken(MINA, waiting({ active: { ...active, claim: { by: 'w', until: 10 } } })).active, null);
    assert.equal(taken(MINA, waiting({ active: { ...active, claim: null } })).active, null);
  });

  test('says something only while it is theirs, and once for a key', () => {
    const document = taken();
    const said = speaker.say(document, MINA, { key: 'k', replies: [{ text: 'hello' }] }, 20);
    assert.equal(said.kind, 'done');
    const next = (said as { document: Conversation }).document;
    assert.deepEqual(last(next), [{ text: 'hello' }]);
    assert.equal(next.recent.at(-1)!.by?.name, 'Mina');
    assert.equal(next.speaker.kind === 'person' && next.speaker.unanswered, null);
    assert.equal(speaker.say(next, MINA, { key: 'k', replies: [{ text: 'hello' }] }, 21).kind, 'again');
    assert.equal(speaker.say(next, JUN, { key: 'k', replies: [{ text: 'hi' }] }, 21).kind, 'not_yours');
    assert.equal(speaker.pass(next, JUN, null, words('x'), 21).kind, 'not_yours');
    assert.equal(speaker.giveBack(next, JUN, { wrapUp: null }, words('x'), 21).kind, 'not_yours');
  });

  test('hears what the customer writes without a word of the bot, whatever a worker makes of it', () => {
    const world = new World();
    world.document = taken(MINA, {
      ...world.document,
      speaker: { kind: 'waiting', since: 5, reason: 'agent', ticket: 'A' },
    });
    world.agent(MINA, 'say', 'k');
    world.now += 1;
    world.customer('are you there?');
    const { document } = world;
    const answer = world.answer({ outcome: 'failed' });
    const next = conversation.answer(document, document.inbox[0]!.id, null, answer, world.now)!;
    assert.deepEqual(last(next), []);
    assert.equal(
      next.speaker.kind === 'person' && next.speaker.unanswered,
      world.now,
      'it waits for an answer from now on',
    );
    assert.deepEqual(next.outbox, document.outbox);
  });

  test('is not said to be slow for what they answered before it was understood', () => {
    const world = new World();
    world.document = taken(MINA, world.document);
    world.now += 1_000;
    world.customer('are you there?');
    world.now += 3_000;
    world.agent(MINA, 'say', 'yes');
    world.now += 3_000;
    world.worker('any', false)!();
    const { speaker: has } = world.document;
    assert.equal(has.kind === 'person' && has.unanswered, null);
  });

  test('hears what was given back to them; what they can’t be sent is said to the customer', () => {
    const world = new World();
    world.document = taken(MINA, world.document);
    world.now += 1;
    world.customer('far too long');
    const { document } = world;
    const notice = conversation.answer(
      document,
      document.inbox[0]!.id,
      null,
      world.answer({ notice: true }),
      world.now,
    )!;
    assert.deepEqual(last(notice), [{ text: 'the bot' }]);
    assert.equal(notice.recent.at(-1)!.notice, true);
    // Given back while a skill heard it for the person: somebody must answer.
    const back = speaker.giveBack(document, MINA, { wrapUp: null }, words('bye'), world.now);
    const given = (back as { document: Conversation }).document;
    const silent = world.answer({ replies: [], silent: true });
    const again = conversation.answer(given, given.inbox[0]!.id, null, silent, world.now)!;
    assert.equal(again.inbox.length, 1);
    assert.equal(conversation.head(again, world.now)?.id, given.inbox[0]!.id);
  });

  test('a step whose answer was lost is done once', () => {
    const passed = (speaker.pass(taken(), MINA, JUN, words('x'), 20) as { document: Conversation }).document;
    assert.equal(speaker.pass(passed, MINA, JUN, words('x'), 21).kind, 'again');
    assert.equal(speaker.giveBack(passed, MINA, { wrapUp: null }, words('x'), 21).kind, 'not_yours');
    const back = (speaker.giveBack(taken(), MINA, { wrapUp: 'done' }, words('x'), 20) as { document: Conversation })
      .document;
    assert.equal(speaker.giveBack(back, MINA, { wrapUp: 'done' }, words('x'), 21).kind, 'again');
    assert.equal(speaker.giveBack(back, JUN, { wrapUp: 'done' }, words('x'), 21).kind, 'not_yours');
  });

  test('who waits where nobody is left, or too long, leaves a message; the bot answers again, and what was written stays for who comes', () => {
    const raw = { ...taken().recent[0]!, id: turnId('c'), text: 'call 555', by: undefined } as unknown as AnsweredTurn;
    const document = waiting({ recent: [raw] });
    assert.equal(speaker.expire(document, true, words, 5 + policy.waiting - 1), null);
    for (const [isOpen, now] of [
      [false, 10],
      [true, 5 + policy.waiting],
    ] as const) {
      const over = speaker.expire(document, isOpen, words, now)!;
      assert.deepEqual(over.speaker, { kind: 'bot' });
      assert.deepEqual(over.callback, { since: 5, reason: 'agent', ticket: 'A1' });
      assert.deepEqual(last(over), [{ text: 'waiting' }]);
      assert.equal(over.recent.at(-1)!.by, undefined, 'the bot says it');
      assert.equal(over.recent[0]!.text, 'call 555');
      const dismissed = (speaker.dismiss(over, MINA, words('x'), now) as { document: Conversation }).document;
      assert.equal(dismissed.callback, null);
      assert.deepEqual(
        [dismissed.recent.at(-1)!.by, dismissed.recent.at(-1)!.step],
        [MINA, 'dismiss'],
        'who did it is known',
      );
      assert.equal(dismissed.recent[0]!.text, 'call ###', 'nobody comes any more');
      const came = (speaker.take(over, MINA, words('x'), now) as { document: Conversation }).document;
      assert.equal(came.speaker.kind === 'person' && came.speaker.ticket, 'A1');
    }
    const logged = conversation.logged(document, [raw.id], 20)!;
    assert.equal(logged.wakeAt, 20 + policy.waitingLook, 'the sweep looks whether somebody is there');
    const later = conversation.wake(logged, logged.wakeAt!)!;
    assert.deepEqual([later.wakes, later.wakeAt], [0, logged.wakeAt! + policy.waitingLook]);
  });

  test('of another desk that was away is told again, later each time, and once', () => {
    const passOn = { text: 'call 555', customerId: null, at: 50, attempts: 0 };
    const left = waiting({ speaker: { kind: 'bot' }, callback: { since: 5, reason: 'agent', ticket: 'A1', passOn } });
    assert.equal(speaker.unpassed(left, 49), null);
    assert.equal(speaker.unpassed(left, 50)?.ticket, 'A1');
    const told = { ticket: 'T-1', waits: false };
    const ticket = speaker.passedOn(left, { ticket: 'A1' }, told, words('passed on'), 60)!;
    assert.deepEqual([ticket.callback, ticket.dialog.handover], [null, { ticket: 'T-1', since: 60 }]);
    assert.deepEqual(last(ticket), [{ text: 'passed on' }]);
    assert.equal(speaker.passedOn(ticket, { ticket: 'A1' }, told, words('passed on'), 61), null, 'once');
    const hub = speaker.passedOn(left, { ticket: 'A1' }, { ticket: 'A1', waits: true }, words('passed on'), 60)!;
    assert.equal(hub.speaker.kind, 'waiting');
    let away = left;
    const waits: number[] = [];
    for (let now = 50; waits.length < 6; now = away.callback!.passOn!.at) {
      away = speaker.passedOn(away, { ticket: 'A1' }, null, words('x'), now)!;
      waits.push(away.callback!.passOn!.at - now);
      assert.equal(away.wakeAt, away.callback!.passOn!.at, 'the sweep looks then');
    }
    assert.deepEqual(waits, [30_000, 60_000, 300_000, 900_000, 900_000, 900_000]);
    // Whoever asked anew meanwhile is not told of twice.
    assert.equal(
      speaker.passedOn({ ...left, speaker: waiting().speaker }, { ticket: 'A1' }, told, words('x'), 60),
      null,
    );
  });

  test('what only a person needed is masked, whoever ends it', () => {
    const world = new World();
    world.document = waiting({ channel: world.document.channel });
    world.customer('call 555');
    const answer = world.answer({ said: { text: 'call 555', attachments: [] }, kept: words('').kept });
    const { document } = world;
    const stays = conversation.answer(document, document.inbox[0]!.id, null, answer, 20)!;
    assert.equal(stays.recent[0]!.text, 'call 555');
    const back = conversation.answer(
      document,
      document.inbox[0]!.id,
      null,
      { ...answer, speaker: { kind: 'bot' } },
      20,
    )!;
    assert.equal(back.recent[0]!.text, 'call ###');
    const said = speaker.say(taken(), MINA, { key: 'k', replies: [{ text: 'I call 555' }] }, 20);
    const over = speaker.giveBack(
      (said as { document: Conversation }).document,
      MINA,
      { wrapUp: null },
      words('bye'),
      30,
    );
    assert.ok(
      (over as { document: Conversation }).document.recent.some(({ replies }) => replies[0]?.text === 'I call ###'),
    );
  });

  test('of a group is thanked by who asked', () => {
    const ben = userId('api', 'ben');
    const world = new World();
    world.customer();
    const group = waiting({
      speaker: { kind: 'waiting', since: 5, reason: 'agent', ticket: 'A', user: ben },
      inbox: [{ ...world.document.inbox[0]!, userId: ben }],
    });
    const end = speaker.giveBack(taken(MINA, group), MINA, { wrapUp: 'done' }, words('bye'), 40);
    const { others, dialog } = (end as { document: Conversation }).document;
    assert.deepEqual([dialog.rating, others?.[ben]?.rating], [undefined, 40 + policy.ratingTime]);
  });

  test('of a group waits who asked; erased, they wait no longer', () => {
    const [ann, ben] = [userId('api', 'ann'), userId('api', 'ben')];
    const world = new World();
    world.customer();
    const group = waiting({
      userId: ann,
      participants: [ann, ben],
      speaker: { kind: 'waiting', since: 5, reason: 'agent', ticket: 'A', user: ben },
      inbox: [ann, ben].map((user) => ({ ...world.document.inbox[0]!, id: turnId(user), userId: user })),
    });
    assert.deepEqual(
      [ann, ben].map((user) => conversation.isForPerson(group, user)),
      [false, true],
    );
    assert.deepEqual(
      [ann, ben].map((user) => conversation.isForPerson(taken(MINA, group), user)),
      [true, true],
    );
    const rest = conversation.forget(group, ben, Number.MAX_SAFE_INTEGER, String, 9);
    assert.deepEqual(rest !== null && rest !== 'empty' && rest.speaker, { kind: 'bot' });
    const other = conversation.forget(group, ann, Number.MAX_SAFE_INTEGER, String, 9);
    assert.equal(other !== null && other !== 'empty' && other.speaker.kind, 'waiting');
  });

  test('hands it to a colleague, who is served before those who came later', () => {
    const passed = speaker.pass(taken(), MINA, JUN, words('one moment'), 30);
    assert.deepEqual((passed as { document: Conversation }).document.speaker, {
      kind: 'waiting',
      since: 10,
      reason: 'passed',
      ticket: 'A1',
      for: JUN,
    });
  });

  test('gives it back: the bot answers, what only a person needed is masked, and what it ended as is kept', () => {
    const recent = [
      { ...taken().recent[0]!, id: turnId('c'), text: 'call 555', by: undefined } as unknown as AnsweredTurn,
    ];
    const document = { ...taken(), recent };
    const back = speaker.giveBack(document, MINA, { wrapUp: 'solved' }, words('bye'), 40);
    const next = (back as { document: Conversation }).document;
    assert.deepEqual(next.speaker, { kind: 'bot' });
    assert.equal(next.recent[0]!.text, 'call ###');
    assert.equal(next.recent.at(-1)!.wrapUp, 'solved');
    assert.equal(next.dialog.rating, 40 + policy.ratingTime);
    const without = speaker.giveBack(document, MINA, { wrapUp: null }, words('bye'), 40);
    assert.equal((without as { document: Conversation }).document.dialog.rating, undefined);
  });

  test('who does not answer loses it, and one in which nobody writes is over', () => {
    const document = taken();
    const logged = conversation.logged(document, [document.recent[0]!.id], 11)!;
    assert.equal(logged.wakeAt, 10 + policy.personUnanswered, 'the sweep looks then');
    assert.equal(speaker.expire(document, true, words, 9 + policy.personUnanswered), null);
    const lost = speaker.expire(document, true, words, 10 + policy.personUnanswered)!;
    assert.deepEqual(lost.speaker, { kind: 'waiting', since: 10, reason: 'unanswered', ticket: 'A1' });
    assert.deepEqual(last(lost), [{ text: 'unanswered' }]);
    const said = speaker.say(document, MINA, { key: 'k', replies: [{ text: 'hello' }] }, 20);
    const { document: answered } = said as { document: Conversation };
    assert.equal(speaker.expire(answered, true, words, 19 + policy.personIdle), null);
    const over = speaker.expire(answered, true, words, 20 + policy.personIdle)!;
    assert.deepEqual(over.speaker, { kind: 'bot' });
    assert.deepEqual(last(over), [{ text: 'idle' }]);
  });
});
