import { answer } from './answer.ts';
import { fallback } from './fallback.ts';
import { images } from './images.ts';
import { interruption } from './interruption.ts';
import { orders } from './orders.ts';
import { person } from './person.ts';
import { products } from './products.ts';
import type { Skill } from './skill.ts';

/** What the bot can do. A new skill is a file, its line here and, unless it is inline, its name in names.ts; intents name their skill in functions/content/intents.json. */
export const skills: readonly Skill[] = [answer, fallback, interruption, orders, products, person, images];

export function skillNamed(name: string): Skill {
  const skill = skills.find((candidate) => candidate.name === name);
  if (!skill) throw new Error(`there is no skill "${name}"`);
  return skill;
}
