// Reads .bicep files: web-tree-sitter 0.27.1 + tree-sitter-bicep 1.1.0's wasm (no native build, no network).
import { createRequire } from 'node:module';
import { Language, type Node, Parser } from 'web-tree-sitter';

interface Expr {
  expr: string;
} // anything that is not a literal: its source text
export type Value = string | number | boolean | null | Expr | Value[] | { [key: string]: Value };
export interface Resource {
  symbol: string;
  type: string;
  apiVersion: string;
  existing: boolean;
  condition?: string;
  loop?: string;
  parent?: string;
  decorators: string[];
  body: Record<string, Value>;
  line: number;
}
interface Module {
  symbol: string;
  path: string;
  condition?: string;
  loop?: string;
  body: Record<string, Value>;
}
interface Param {
  name: string;
  type: string;
  default?: Value;
  decorators: string[];
  secure: boolean;
  description?: string;
}
export interface BicepFile {
  targetScope: string;
  params: Param[];
  variables: Record<string, Value>;
  resources: Resource[];
  modules: Module[];
  outputs: { name: string; type: string; value: Value; secure: boolean }[];
}

const require = createRequire(import.meta.url);
let parser: Parser | undefined;
async function loadParser() {
  if (parser) return parser;
  await Parser.init();
  parser = new Parser().setLanguage(await Language.load(require.resolve('tree-sitter-bicep/tree-sitter-bicep.wasm')));
  return parser;
}
const named = (n: Node) =>
  n.namedChildren.filter((c): c is Node => c !== null && !['comment', 'diagnostic_comment'].includes(c.type));
const literal = (n: Node) => {
  // of a string without ${}
  if (n.text.startsWith("'''")) return n.text.slice(3, -3).replace(/^\r?\n/, '');
  return n.text
    .slice(1, -1)
    .replace(/\\(u\{([0-9a-fA-F]+)\}|.)/g, (_, c: string, hex?: string) =>
      hex ? String.fromCodePoint(Number.parseInt(hex, 16)) : ({ n: '\n', r: '\r', t: '\t' }[c] ?? c),
    );
};
const isPlain = (n: Node) =>
  n.type === 'string' && (n.text.startsWith("'''") || !named(n).some((c) => c.type === 'interpolation'));
function value(n: Node): Value {
  switch (n.type) {
    case 'string':
      return isPlain(n) ? literal(n) : { expr: n.text };
    case 'number':
      return Number(n.text);
    case 'boolean':
      return n.text === 'true';
    case 'null':
      return null;
    case 'array':
      return named(n).map(value);
    case 'object':
      return object(n);
    case 'parenthesized_expression': {
      const [x] = named(n);
      return x ? value(x) : { expr: n.text };
    }
    default:
      return { expr: n.text };
  }
}
function object(n: Node): Record<string, Value> {
  const out: Record<string, Value> = {};
  for (const p of named(n)) {
    if (p.type !== 'object_property') continue;
    const [k, v] = named(p);
    if (!k || k.type === 'resource_declaration' || !v) continue; // a nested resource
    out[k.type === 'string' ? (isPlain(k) ? literal(k) : k.text) : k.text] = value(v);
  }
  return out;
}
/** `= if (…) {…}`, `= [for x in y: if (…) {…}]`, `= {…}` → the object and its conditions. */
function unwrap(n: Node): { object?: Node; condition?: string; loop?: string } {
  if (n.type === 'object') return { object: n };
  if (n.type === 'if_statement') {
    const [c, o] = named(n);
    return { condition: c?.text.slice(1, -1), object: o };
  }
  if (n.type === 'for_statement') {
    const body = n.childForFieldName('body');
    const loop = /^\[\s*for\s+([\s\S]*?):/.exec(n.text)?.[1]?.trim() ?? n.text;
    return { ...(body ? unwrap(body) : {}), loop };
  }
  return {};
}
export async function readBicep(source: string, file = 'bicep'): Promise<BicepFile> {
  const tree = (await loadParser()).parse(source.replaceAll('\r\n', '\n'));
  if (!tree) throw new Error(`${file}: not parsed`);
  const bad = (n: Node): Node | undefined =>
    n.isError || n.isMissing ? n : (n.children.map((c) => c && bad(c)).find(Boolean) ?? undefined);
  const e = tree.rootNode.hasError ? bad(tree.rootNode) : undefined;
  if (tree.rootNode.hasError)
    throw new Error(
      `${file}:${(e?.startPosition.row ?? 0) + 1}:${(e?.startPosition.column ?? 0) + 1}: cannot be parsed near ${JSON.stringify(e?.text.slice(0, 60))}`,
    );
  const out: BicepFile = {
    targetScope: 'resourceGroup',
    params: [],
    variables: {},
    resources: [],
    modules: [],
    outputs: [],
  };
  const resource = (n: Node, decorators: string[], parent?: Resource) => {
    const kids = named(n),
      [id, type] = kids,
      last = kids.at(-1);
    if (!id || !type || !last) return;
    const [t = '', v = ''] = literal(type).split('@'),
      { object: o, condition, loop } = unwrap(last);
    const r: Resource = {
      symbol: id.text,
      type: parent ? `${parent.type}/${t}` : t,
      apiVersion: v || (parent?.apiVersion ?? ''),
      existing: n.children.some((c) => c?.type === 'existing' || c?.text === 'existing'),
      condition,
      loop,
      parent: parent?.symbol,
      decorators,
      body: o ? object(o) : {},
      line: n.startPosition.row + 1,
    };
    if (!r.parent && typeof r.body.parent === 'object' && r.body.parent && 'expr' in r.body.parent)
      r.parent = String(r.body.parent.expr);
    out.resources.push(r);
    for (const p of o ? named(o) : [])
      for (const c of named(p)) if (c.type === 'resource_declaration') resource(c, [], r);
  };
  let decorators: string[] = [];
  for (const n of named(tree.rootNode)) {
    const kids = named(n),
      secure = decorators.some((d) => /^@secure\(\)/.test(d));
    switch (n.type) {
      case 'decorators':
        decorators = kids.map((d) => d.text);
        continue;
      case 'target_scope_assignment':
        out.targetScope = literal(kids.find((k) => k.type === 'string') as Node);
        break;
      case 'parameter_declaration':
        out.params.push({
          name: kids[0]?.text ?? '',
          type: kids[1]?.text ?? '',
          ...(kids[2] ? { default: value(kids[2]) } : {}),
          decorators,
          secure,
          description: decorators.map((d) => /^@description\('(.*)'\)$/s.exec(d)?.[1]).find(Boolean),
        });
        break;
      case 'variable_declaration':
        out.variables[kids[0]?.text ?? ''] = value(kids.at(-1) as Node);
        break;
      case 'resource_declaration':
        resource(n, decorators);
        break;
      case 'module_declaration': {
        const { object: o, condition, loop } = unwrap(kids.at(-1) as Node);
        out.modules.push({
          symbol: kids[0]?.text ?? '',
          path: literal(kids[1] as Node),
          condition,
          loop,
          body: o ? object(o) : {},
        });
        break;
      }
      case 'output_declaration':
        out.outputs.push({
          name: kids[0]?.text ?? '',
          type: kids[1]?.text ?? '',
          value: value(kids.at(-1) as Node),
          secure,
        });
        break;
    }
    decorators = [];
  }
  return out;
}
