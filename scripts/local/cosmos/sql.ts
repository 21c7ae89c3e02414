/** The SQL that the product uses, as a tree; any other is refused. */
export interface Query {
  top: number | null;
  select: Select;
  where: Node | null;
  order: { expression: Node; descending: boolean } | null;
  /** What the container is called. */
  alias: string;
  parameters: ReadonlyMap<string, Value>;
}

type Select =
  | { kind: 'all' }
  | { kind: 'value'; expression: Node }
  | { kind: 'list'; properties: { name: string; expression: Node }[] };

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Value = Json | undefined;

export type Node =
  | { type: 'container'; name: string }
  | { type: 'field'; object: Node; name: string }
  | { type: 'parameter'; name: string }
  | { type: 'constant'; value: Value }
  | { type: 'call'; name: string; arguments: Node[] }
  | { type: 'binary'; left: Node; operator: string; right: Node }
  | { type: 'not'; argument: Node }
  | { type: 'in'; value: Node; list: Node[] }
  | { type: 'between'; value: Node; begin: Node; end: Node }
  | { type: 'array'; elements: Node[] }
  | { type: 'object'; properties: { name: string; value: Node }[] };

/** The query can't be answered: 400. */
export class Refused extends Error {}

const COMPARISONS = ['=', '!=', '<', '<=', '>', '>='];

const TOKEN =
  /\s*(?:(?<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<name>@?[A-Za-z_]\w*)|(?<sign><=|>=|!=|<>|[=<>()[\]{},.:*-]))/y;

interface Token {
  kind: 'number' | 'text' | 'name' | 'sign' | 'end';
  text: string;
}

/** From a query's text to its tree, by the precedence that Cosmos DB documents: OR, AND, NOT, comparisons, and what they compare. */
export class Parser {
  readonly #tokens: Token[] = [];
  #at = 0;

  constructor(text: string) {
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < text.trimEnd().length) {
      const from = TOKEN.lastIndex;
      const groups = TOKEN.exec(text)?.groups;
      if (!groups) throw new Refused(`Syntax error, incorrect syntax near '${text.slice(from, from + 20).trim()}'.`);
      const [kind, token] = Object.entries(groups).find(([, found]) => found !== undefined)!;
      this.#tokens.push({ kind: kind as Token['kind'], text: token! });
    }
    this.#tokens.push({ kind: 'end', text: 'the end' });
  }

  query(parameters: ReadonlyMap<string, Value>): Query {
    this.#expect('SELECT');
    const top = this.#is('TOP') ? this.#primary() : null;
    const select = this.#select();
    this.#expect('FROM');
    const alias = this.#name();
    const where = this.#is('WHERE') ? this.#or() : null;
    let order: Query['order'] = null;
    if (this.#is('ORDER')) {
      this.#expect('BY');
      const expression = this.#primary();
      const descending = this.#is('DESC');
      if (!descending) this.#is('ASC');
      order = { expression, descending };
      if (this.#peek(','))
        throw new Refused(
          'The order by query does not have a corresponding composite index that it can be served from.',
        );
    }
    if (this.#next.kind !== 'end') throw this.#unexpected();
    const query: Query = { top: null, select, where, order, alias, parameters };
    if (top) {
      const value = top.type === 'parameter' ? parameters.get(top.name) : top.type === 'constant' ? top.value : null;
      if (typeof value !== 'number' || !Number.isInteger(value)) throw new Refused('TOP needs a whole number.');
      query.top = value;
    }
    return query;
  }

  #select(): Select {
    if (this.#is('*')) return { kind: 'all' };
    if (this.#is('VALUE')) return { kind: 'value', expression: this.#or() };
    const properties: { name: string; expression: Node }[] = [];
    do {
      const expression = this.#or();
      const name = this.#is('AS') ? this.#name() : lastName(expression);
      properties.push({ name: name ?? `$${properties.length + 1}`, expression });
    } while (this.#is(','));
    return { kind: 'list', properties };
  }

  #or(): Node {
    let left = this.#and();
    while (this.#is('OR')) left = { type: 'binary', left, operator: 'OR', right: this.#and() };
    return left;
  }

  #and(): Node {
    let left = this.#not();
    while (this.#is('AND')) left = { type: 'binary', left, operator: 'AND', right: this.#not() };
    return left;
  }

  #not(): Node {
    return this.#is('NOT') ? { type: 'not', argument: this.#not() } : this.#comparison();
  }

  #comparison(): Node {
    const value = this.#primary();
    if (this.#is('IN')) return { type: 'in', value, list: this.#list('(', ')') };
    if (this.#is('BETWEEN')) {
      const begin = this.#primary();
      this.#expect('AND');
      return { type: 'between', value, begin, end: this.#primary() };
    }
    const sign = this.#next.text === '<>' ? '!=' : this.#next.text;
    if (this.#next.kind !== 'sign' || !COMPARISONS.includes(sign)) return value;
    this.#at += 1;
    return { type: 'binary', left: value, operator: sign, right: this.#primary() };
  }

  #primary(): Node {
    const { kind, text } = this.#next;
    if (this.#is('(')) {
      const inner = this.#or();
      this.#expect(')');
      return inner;
    }
    if (this.#peek('[')) return { type: 'array', elements: this.#list('[', ']') };
    if (this.#is('{')) return this.#object();
    if (this.#is('-')) {
      const { value } = this.#number();
      return { type: 'constant', value: -value };
    }
    if (kind === 'number') return { type: 'constant', value: this.#number().value };
    if (kind === 'text') return { type: 'constant', value: this.#text() };
    if (kind !== 'name') throw this.#unexpected();
    this.#at += 1;
    if (text.startsWith('@')) return { type: 'parameter', name: text };
    const word = text.toLowerCase();
    if (word === 'true' || word === 'false') return { type: 'constant', value: word === 'true' };
    if (word === 'null' || word === 'undefined') return { type: 'constant', value: word === 'null' ? null : undefined };
    if (this.#peek('(')) return { type: 'call', name: text.toUpperCase(), arguments: this.#list('(', ')') };
    if (RESERVED.has(text.toUpperCase())) throw new Refused(`Syntax error, incorrect syntax near '${text}'.`);
    let node: Node = { type: 'container', name: text };
    for (;;) {
      if (this.#is('.')) node = { type: 'field', object: node, name: this.#name() };
      else if (this.#is('[')) {
        node = { type: 'field', object: node, name: this.#text() };
        this.#expect(']');
      } else return node;
    }
  }

  #object(): Node {
    const properties: { name: string; value: Node }[] = [];
    while (!this.#is('}')) {
      const name = this.#next.kind === 'text' ? this.#text() : this.#name();
      this.#expect(':');
      properties.push({ name, value: this.#or() });
      if (!this.#peek('}')) this.#expect(',');
    }
    return { type: 'object', properties };
  }

  #list(open: string, close: string): Node[] {
    this.#expect(open);
    const found: Node[] = [];
    if (this.#is(close)) return found;
    do found.push(this.#or());
    while (this.#is(','));
    this.#expect(close);
    return found;
  }

  #number(): { value: number } {
    const { kind, text } = this.#next;
    if (kind !== 'number') throw this.#unexpected();
    this.#at += 1;
    return { value: Number(text) };
  }

  #text(): string {
    const { kind, text } = this.#next;
    if (kind !== 'text') throw this.#unexpected();
    this.#at += 1;
    // As JSON, whichever quotes it has.
    return JSON.parse(
      text.startsWith("'") ? `"${text.slice(1, -1).replaceAll("\\'", "'").replaceAll('"', '\\"')}"` : text,
    );
  }

  #name(): string {
    const { kind, text } = this.#next;
    if (kind !== 'name' || text.startsWith('@') || RESERVED.has(text.toUpperCase())) throw this.#unexpected();
    this.#at += 1;
    return text;
  }

  get #next(): Token {
    return this.#tokens[this.#at]!;
  }

  #peek(text: string): boolean {
    const { kind, text: found } = this.#next;
    return (kind === 'sign' && found === text) || (kind === 'name' && found.toUpperCase() === text);
  }

  /** Takes it, if it is there. */
  #is(text: string): boolean {
    if (!this.#peek(text)) return false;
    this.#at += 1;
    return true;
  }

  #expect(text: string): void {
    if (!this.#is(text)) throw this.#unexpected();
  }

  #unexpected(): Refused {
    return new Refused(`Syntax error, incorrect syntax near '${this.#next.text}'.`);
  }
}

/** Words that no field is named by after a dot: it is written c["by"]. */
const RESERVED = new Set(
  'SELECT TOP VALUE FROM WHERE ORDER BY ASC DESC AND OR NOT IN BETWEEN AS JOIN GROUP OFFSET LIMIT DISTINCT LIKE EXISTS ARRAY UDF LEFT RIGHT'.split(
    ' ',
  ),
);

function lastName(node: Node): string | null {
  return node.type === 'container' || node.type === 'field' ? node.name : null;
}
