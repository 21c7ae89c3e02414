import * as shape from './bot.ts';
import { problemsOf } from './flow.ts';

/** The parts of a bot's content, as its folder has a file for each. */
export type Part = Exclude<keyof shape.Content, 'version'>;

type Path = readonly (string | number)[];
/** Says that something is wrong at a path of a part. */
export type Blame = (part: Part, path: Path, message: string) => void;

/** What is served of a bot: of the utterances, only those that buttons say; of the FAQ, the questions that are offered. */
export function served(content: shape.Content): shape.Content {
  const few = (all: Record<string, string[]>) =>
    Object.fromEntries(Object.entries(all).map(([tag, texts]) => [tag, shape.offered(content, texts)]));
  return {
    ...content,
    intents: content.intents.map((one) => ({ ...one, utterances: few(one.utterances) })),
    faq: content.faq.map((one) => ({ ...one, other_ways: {} })),
  };
}

/** What no part says by itself, but for its patterns (scripts/bot/folder.ts: what these take is found by trying). */
export function check(content: shape.Content, blame: Blame): void {
  const { languages, intents, faq, phrases, flows, actions, entities, shortAnswers, desk } = content;
  const tags = languages.map(({ tag }) => tag);
  /** A language with nothing in it is none. */
  const has = (all: Readonly<Record<string, unknown>>, tag: string) => {
    const said = all[tag];
    return Array.isArray(said) ? said.length > 0 : typeof said === 'string' ? said.trim() !== '' : said !== undefined;
  };
  const lacking = (all: Readonly<Record<string, unknown>>) =>
    languages.filter(({ tag, fallback }) => !has(all, tag) && !(fallback && has(all, fallback))).map(({ tag }) => tag);
  languages.forEach(({ tag, fallback }, index) => {
    if (tags.indexOf(tag) < index) blame('languages', [index], `"${tag}" stands here twice`);
    if (fallback !== undefined && !tags.includes(fallback))
      blame('languages', [index, 'fallback'], `there is no language "${fallback}"`);
  });
  desk.customer.forEach((action, index) => {
    if (!actions[action]) blame('desk', ['customer', index], `there is no action "${action}"`);
    else if (actions[action].effect !== 'none')
      blame('desk', ['customer', index], `"${action}" has an effect: what is only looked at must have none`);
  });
  for (const [part, texts] of [
    ...desk.wrap_up.map(({ title }, index) => [['wrap_up', index], title] as const),
    ...desk.canned.map(({ text: written }, index) => [['canned', index], written] as const),
  ])
    for (const tag of lacking(texts)) blame('desk', part, `has no ${tag}`);
  for (const phrase of shape.PHRASES)
    if (!phrases[phrase]) blame('phrases', [], `lacks "${phrase}", which the platform says (docs/bot.md)`);
  const values = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort().join(' ');
  for (const [key, texts] of Object.entries(phrases)) {
    for (const tag of lacking(texts)) blame('phrases', [key], `"${key}" has no ${tag}`);
    for (const tag of Object.keys(texts))
      if (!tags.includes(tag)) blame('phrases', [key, tag], `the bot speaks no "${tag}" (languages.json)`);
    const [first, ...others] = Object.values(texts);
    for (const other of others)
      if (values(other) !== values(first!))
        blame(
          'phrases',
          [key],
          `"${key}" has other values in one language (${values(other)}) than in another (${values(first!)})`,
        );
  }
  const phrase = (part: Part, path: Path, key: string) => {
    if (!phrases[key]) blame(part, path, `there is no phrase "${key}" in phrases.json`);
  };
  content.about.starters.forEach((key, index) => {
    if (!intents.some(({ name: own }) => own === key))
      blame('about', ['starters', index], `there is no intent "${key}" in intents.json`);
  });
  content.about.images.forEach((key, index) => {
    phrase('about', ['images', index], key);
  });
  const { pictures } = content.about;
  if (pictures) for (const key of shape.PICTURE_PHRASES) phrase('about', ['pictures'], key);
  if (pictures?.flow !== undefined && !content.flows[pictures.flow])
    blame('about', ['pictures', 'flow'], `there is no flow "${pictures.flow}" in flows.json`);
  for (const step of content.flows[pictures?.flow ?? '']?.steps ?? [])
    if ('call' in step && actions[step.call]?.effect !== 'none')
      blame('about', ['pictures', 'flow'], `calls "${step.call}": what a picture begins must have no effect`);
  for (const [label, names] of Object.entries(pictures?.names ?? {})) {
    for (const tag of lacking(names)) blame('about', ['pictures', 'names', label], `has no ${tag}`);
    for (const tag of Object.keys(names))
      if (!tags.includes(tag))
        blame('about', ['pictures', 'names', label], `the bot speaks no "${tag}" (languages.json)`);
  }

  const seen = new Map<string, string>();
  intents.forEach((one, index) => {
    const at = (...path: (string | number)[]) => [index, ...path];
    const first = intents.findIndex(({ name: other }) => other === one.name);
    if (first < index) blame('intents', at('name'), `"${one.name}" stands here twice`);
    if (one.name === shape.FAQ)
      blame('intents', at('name'), `"${shape.FAQ}" is what an entry of faq.json is understood as`);
    if (one.name === shape.NOT)
      blame('intents', at('name'), `"${shape.NOT}" is what the model calls the "not" utterances of all intents`);
    if (one.flow !== undefined && !flows[one.flow])
      blame('intents', at('flow'), `there is no flow "${one.flow}" in flows.json`);
    if (one.handover !== undefined) phrase('intents', at('handover'), one.handover);
    const answered =
      one.flow !== undefined || one.handover !== undefined || one.is === 'bot' || one.name === shape.NONE;
    if (!answered && !one.answers)
      blame('intents', at(), `"${one.name}" has no "answers", no "flow" and no "handover": say what becomes of it`);
    for (const [field, texts] of [
      ['utterances', one.utterances],
      ['not', one.not],
      ['answers', one.answers],
    ] as const) {
      if (!texts) continue;
      for (const tag of lacking(texts)) blame('intents', at(field), `"${one.name}" has no ${field} in ${tag}`);
      for (const tag of Object.keys(texts))
        if (!tags.includes(tag)) blame('intents', at(field, tag), `the bot speaks no "${tag}" (languages.json)`);
    }
    for (const [field, label, all] of [
      ['utterances', `"${one.name}"`, one.utterances],
      ['not', '"not" utterances', one.not ?? {}],
    ] as const)
      for (const [tag, texts] of Object.entries(all))
        texts.forEach((text, place) => {
          const key = shape.utteranceKey(text);
          const known = seen.get(key) ?? label;
          if (known !== label)
            blame('intents', at(field, tag, place), `"${text}" stands in ${known} too: which of them is meant?`);
          seen.set(key, known);
        });
  });

  faq.forEach((one, index) => {
    const at = (...path: (string | number)[]) => [index, ...path];
    if (faq.findIndex(({ name: other }) => other === one.name) < index)
      blame('faq', at('name'), `"${one.name}" stands here twice`);
    if (one.name === shape.NONE) blame('faq', at('name'), `"${shape.NONE}" is what no entry answers`);
    for (const [field, all] of [
      ['question', one.question],
      ['answer', one.answer],
      ['other_ways', one.other_ways],
      ['suggestions', one.suggestions ?? {}],
    ] as const) {
      for (const tag of field === 'question' || field === 'answer' ? lacking(all) : [])
        blame('faq', at(field), `"${one.name}" has no ${field} in ${tag}`);
      for (const tag of Object.keys(all))
        if (!tags.includes(tag)) blame('faq', at(field, tag), `the bot speaks no "${tag}" (languages.json)`);
    }
    const label = `the entry "${one.name}"`;
    const ways = [
      ...Object.entries(one.question).map(([tag, text]) => ({ path: ['question', tag], text })),
      ...Object.entries(one.other_ways).flatMap(([tag, texts]) =>
        texts.map((text, place) => ({ path: ['other_ways', tag, place], text })),
      ),
    ];
    for (const { path, text } of ways) {
      const key = shape.utteranceKey(text);
      const known = seen.get(key) ?? label;
      // What no intent answers, an entry may.
      if (known !== label && known !== `"${shape.NONE}"`)
        blame('faq', at(...path), `"${text}" stands in ${known} too: which of them is meant?`);
      seen.set(key, known);
    }
  });
  const several = faq.filter(
    ({ question, other_ways }) => Object.keys(question).length + Object.values(other_ways).flat().length > 1,
  ).length;
  if (faq.length > 0 && several < 2)
    blame(
      'faq',
      [],
      'at least two entries need another way to ask ("other_ways"): a FAQ is judged by questions held out',
    );

  for (const [key, one] of Object.entries(entities)) {
    if ('min' in one && one.min !== undefined && one.max !== undefined && one.min > one.max)
      blame('entities', [key, 'min'], 'is more than "max"');
    if (one.kind !== 'list') continue;
    one.items.forEach(({ value, label }, index) => {
      if (one.items.findIndex((other) => other.value === value) < index)
        blame('entities', [key, 'items', index, 'value'], `"${value}" stands here twice`);
      for (const tag of lacking(label))
        blame('entities', [key, 'items', index, 'label'], `"${value}" has no label in ${tag}`);
    });
  }

  for (const [key, one] of Object.entries(flows)) {
    for (const { path, message } of problemsOf(one, actions)) blame('flows', [key, ...path], message);
    for (const [slot, { entity: kind }] of Object.entries(one.slots))
      if (!entities[kind])
        blame('flows', [key, 'slots', slot, 'entity'], `there is no entity "${kind}" in entities.json`);
    if (one.signed_in !== undefined) phrase('flows', [key, 'signed_in'], one.signed_in);
    one.steps.forEach((step, index) => {
      const at = [key, 'steps', index];
      const said = {
        ...('collect' in step
          ? {
              ask: step.ask,
              again: step.again,
              several: step.several,
              unknown: step.unknown,
              back: step.back,
              given_up: step.given_up,
            }
          : {}),
        ...('confirm' in step
          ? {
              confirm: step.confirm,
              again: step.again,
              back: step.back,
              given_up: step.given_up,
              yes: step.yes,
              no: step.no,
            }
          : {}),
        ...('say' in step ? { say: step.say } : {}),
        ...('handover' in step ? { handover: step.handover } : {}),
        ...('cards' in step && step.cards ? step.cards : {}),
        ...('line' in step && step.line !== undefined ? { line: step.line } : {}),
      };
      for (const [field, used] of Object.entries(said)) phrase('flows', [...at, field], used);
      if ('say' in step)
        step.suggest.forEach((used, place) => {
          phrase('flows', [...at, 'suggest', place], used);
        });
      if ('confirm' in step && step.answers !== undefined && !shortAnswers.questions[step.answers])
        blame('flows', [...at, 'answers'], `there is no "${step.answers}" under "questions" in short-answers.json`);
      if ('collect' in step) {
        const kind = entities[one.slots[step.collect]?.entity ?? '']?.kind;
        if (kind === 'choice' && step.options === undefined)
          blame(
            'flows',
            [...at, 'collect'],
            'is a choice: name the action under "options" that gives what may be chosen',
          );
      }
    });
  }
  for (const [key, { http }] of Object.entries(actions)) {
    for (const [status, result] of Object.entries(http?.statuses ?? {}))
      if (!actions[key]!.results.includes(result))
        blame('actions', [key, 'http', 'statuses', status], `"${result}" is none of its results`);
    const [, setting] = /^\{(\w+)\}/.exec(http?.url ?? '') ?? [];
    for (const used of [setting, http?.key])
      if (used !== undefined && !content.about.settings.includes(used))
        blame('actions', [key, 'http'], `add ${used} to "settings" in bot.json`);
  }
  let bot: shape.Bot | null = null;
  try {
    bot = new shape.Bot(content);
  } catch (error) {
    blame('shortAnswers', [], error instanceof Error ? error.message : String(error));
  }
  for (const [key, { steps, slots }] of Object.entries(flows))
    steps.forEach((step, index) => {
      if (!('confirm' in step)) return;
      const at = [key, 'steps', index];
      try {
        bot?.answersTo(step);
      } catch (error) {
        blame('flows', [...at, 'yes'], error instanceof Error ? error.message : String(error));
      }
      const next = steps[index + 1];
      const isFinal = next && 'call' in next && actions[next.call]?.effect === 'irreversible';
      if (!isFinal) return;
      for (const [tag, text] of Object.entries(phrases[step.confirm] ?? {}))
        for (const slot of Object.keys(slots))
          if (!text.includes(`{${slot}}`))
            blame(
              'flows',
              [...at, 'confirm'],
              `"${step.confirm}" shows no {${slot}} in ${tag}: what can't be undone is confirmed by what is shown`,
            );
    });
}
