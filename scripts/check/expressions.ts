import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync, Visitor } from 'oxc-parser';
import { slow } from './expression.ts';

/** A regular expression of the code. */
export interface Expression {
  place: string;
  source: string;
  flags: string;
}

const root = join(import.meta.dirname, '../..');

/** Every literal in the code; patterns in a bot's folder are looked at when that is read (scripts/bot/folder.ts). */
export function expressions(folders = '{functions,inference-container,scripts}'): Expression[] {
  const found: Expression[] = [];
  for (const file of globSync(`${folders}/**/*.{ts,js,mjs}`, { cwd: root }).sort()) {
    const code = readFileSync(join(root, file), 'utf8');
    const visitor = new Visitor({
      Literal(node: { start: number; regex?: { pattern: string; flags: string } }) {
        if (!node.regex) return;
        const line = code.slice(0, node.start).split('\n').length;
        found.push({ place: `${file}:${line}`, source: node.regex.pattern, flags: node.regex.flags });
      },
    });
    visitor.visit(parseSync(file, code).program);
  }
  return found;
}

if (import.meta.main) {
  const all = expressions();
  let wrong = 0;
  for (const { place, source, flags } of all) {
    const why = slow(source, flags);
    if (!why) continue;
    wrong += 1;
    console.error(`${place}  /${source}/${flags}\n  ${why.reason}`);
  }
  if (wrong > 0) {
    console.error(`\n${wrong} of ${all.length} expressions take more time than in proportion to their text.`);
    process.exitCode = 1;
  } else console.log(`${all.length} expressions: time in proportion to the text`);
}
