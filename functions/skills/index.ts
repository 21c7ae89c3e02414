import { answer } from './answer.ts';
import { fallback } from './fallback.ts';
import { faq } from './faq.ts';
import { flow } from './flow.ts';
import { images } from './images.ts';
import { interruption } from './interruption.ts';
import { listener } from './listener.ts';
import { person } from './person.ts';
import { rating } from './rating.ts';
import { refusal } from './refusal.ts';
import type { Skill } from './skill.ts';

/** What the platform does for any bot. A new skill is a file, its line here and, unless it is inline, its name in names.ts; choose.ts says when it answers. */
export const skills: readonly Skill[] = [
  answer,
  faq,
  fallback,
  interruption,
  refusal,
  flow,
  person,
  listener,
  images,
  rating,
];

export function skillNamed(name: string): Skill {
  const skill = skills.find((candidate) => candidate.name === name);
  if (!skill) throw new Error(`there is no skill "${name}"`);
  return skill;
}
