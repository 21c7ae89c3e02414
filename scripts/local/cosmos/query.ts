import { type Json, type Node, Parser, type Query, Refused, type Value } from './sql.ts';

/*
 * Queries by the meaning that Cosmos DB gives them: a missing value is undefined, not null, and a condition that is undefined
 * selects nothing.
 */

/** Throws {@link Refused}. */
export function parse(text: string, parameters: readonly { name: string; value: Value }[]): Query {
  // Until the SDK fills it in: what comes after the continuation of an ordered query.
  const parser = new Parser(text.replaceAll('{documentdb-formattableorderbyquery-filter}', 'true'));
  const query = parser.query(new Map(parameters.map(({ name, value }) => [name, value])));
  // What nothing would select is looked at, too.
  for (const node of expressions(query)) check(node, query);
  return query;
}

function expressions({ select, where, order }: Query): Node[] {
  const chosen =
    select.kind === 'value'
      ? [select.expression]
      : select.kind === 'list'
        ? select.properties.map((one) => one.expression)
        : [];
  return [...chosen, ...(where ? [where] : []), ...(order ? [order.expression] : [])];
}

/** What a node is made of. */
function parts(node: Node): Node[] {
  switch (node.type) {
    case 'field':
      return [node.object];
    case 'call':
      return node.arguments;
    case 'binary':
      return [node.left, node.right];
    case 'not':
      return [node.argument];
    case 'in':
      return [node.value, ...node.list];
    case 'between':
      return [node.value, node.begin, node.end];
    case 'array':
      return node.elements;
    case 'object':
      return node.properties.map(({ value }) => value);
    default:
      return [];
  }
}

function check(node: Node, query: Query): void {
  if (node.type === 'container' && node.name !== query.alias)
    throw new Refused(`Identifier '${node.name}' could not be resolved.`);
  if (node.type === 'parameter' && !query.parameters.has(node.name))
    throw new Refused(`Parameter '${node.name}' has no value.`);
  if (node.type === 'call' && !Object.hasOwn(functions, node.name) && !Object.hasOwn(aggregates, node.name))
    throw new Refused(`'${node.name}' is not a function that is known here.`);
  for (const part of parts(node)) check(part, query);
}

/** The path of a field below the container, as index policies write it (`/speaker/kind`); null: the expression is none. */
export function pathOf(node: Node): string | null {
  if (node.type === 'container') return '';
  if (node.type !== 'field') return null;
  const above = pathOf(node.object);
  return above === null ? null : `${above}/${node.name}`;
}

/** Conditions that must all hold. */
export function conjuncts(node: Node | null): Node[] {
  if (!node) return [];
  return node.type === 'binary' && node.operator === 'AND'
    ? [...conjuncts(node.left), ...conjuncts(node.right)]
    : [node];
}

/** The value of an expression that names no field. */
export function constant(node: Node, query: Query): { value: Value } | null {
  if (node.type === 'parameter') return { value: query.parameters.get(node.name) };
  return node.type === 'constant' ? { value: node.value } : null;
}

export function evaluate(node: Node, document: Value, query: Query): Value {
  const of = (part: Node) => evaluate(part, document, query);
  switch (node.type) {
    case 'container':
      return document;
    case 'parameter':
      return query.parameters.get(node.name);
    case 'constant':
      return node.value;
    case 'field': {
      const object = of(node.object);
      return isObject(object) && Object.hasOwn(object, node.name) ? object[node.name] : undefined;
    }
    case 'call': {
      const call = functions[node.name];
      if (!call) throw new Refused(`${node.name} stands alone, or not at all.`);
      return call(...node.arguments.map(of));
    }
    case 'binary': {
      const left = of(node.left);
      if (node.operator === 'AND' && left === false) return false;
      if (node.operator === 'OR' && left === true) return true;
      const right = of(node.right);
      if (node.operator === 'AND') return right === false ? false : left === true && right === true ? true : undefined;
      if (node.operator === 'OR') return right === true ? true : left === false && right === false ? false : undefined;
      return operators[node.operator]!(left, right);
    }
    case 'not': {
      const value = of(node.argument);
      return typeof value === 'boolean' ? !value : undefined;
    }
    case 'in': {
      const value = of(node.value);
      return value === undefined ? undefined : node.list.some((one) => same(value, of(one)));
    }
    case 'between': {
      const value = of(node.value);
      const both = [operators['>=']!(value, of(node.begin)), operators['<=']!(value, of(node.end))];
      return both.includes(false) ? false : both.includes(undefined) ? undefined : true;
    }
    case 'array':
      return node.elements.map(of).filter((one) => one !== undefined);
    case 'object':
      return fields(node.properties.map(({ name, value }) => [name, of(value)]));
  }
}

/** What is undefined is not there. */
const fields = (entries: [string, Value][]): Value =>
  Object.fromEntries(entries.filter((entry): entry is [string, Json] => entry[1] !== undefined));

const isObject = (value: Value): value is { [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function same(left: Value, right: Value): boolean {
  if (typeof left !== 'object' || left === null) return left === right;
  if (typeof right !== 'object' || right === null || Array.isArray(left) !== Array.isArray(right)) return false;
  const [one, other] = [Object.entries(left), Object.entries(right)];
  return (
    one.length === other.length && one.every(([key, value]) => same(value, (right as { [key: string]: Value })[key]))
  );
}

/** Of two values of one type that has an order: below 0, 0 or above 0. Between others there is none. */
function compare(left: Value, right: Value): number | undefined {
  if (typeof left === 'number' && typeof right === 'number') return left - right;
  if (typeof left === 'string' && typeof right === 'string')
    return Buffer.compare(Buffer.from(left), Buffer.from(right));
  if (typeof left === 'boolean' && typeof right === 'boolean') return Number(left) - Number(right);
  return left === null && right === null ? 0 : undefined;
}

const ordered =
  (holds: (order: number) => boolean) =>
  (left: Value, right: Value): Value => {
    const order = compare(left, right);
    return order === undefined ? undefined : holds(order);
  };

const operators: Record<string, (left: Value, right: Value) => Value> = {
  '=': (left, right) => (left === undefined || right === undefined ? undefined : same(left, right)),
  '!=': (left, right) => (left === undefined || right === undefined ? undefined : !same(left, right)),
  '<': ordered((order) => order < 0),
  '<=': ordered((order) => order <= 0),
  '>': ordered((order) => order > 0),
  '>=': ordered((order) => order >= 0),
};

const texts = (call: (...values: string[]) => Value) => (value?: Value, other?: Value, fold?: Value) => {
  if (typeof value !== 'string' || typeof other !== 'string') return undefined;
  return fold === true ? call(value.toLowerCase(), other.toLowerCase()) : call(value, other);
};

const functions: Record<string, (...values: Value[]) => Value> = {
  IS_DEFINED: (value) => value !== undefined,
  IS_NULL: (value) => value === null,
  ARRAY_CONTAINS: (array, value) =>
    Array.isArray(array) && value !== undefined ? array.some((one) => same(one, value)) : undefined,
  ARRAY_LENGTH: (array) => (Array.isArray(array) ? array.length : undefined),
  CONTAINS: texts((value, part) => value!.includes(part!)),
  STARTSWITH: texts((value, start) => value!.startsWith(start!)),
  LOWER: (value) => (typeof value === 'string' ? value.toLowerCase() : undefined),
};

const aggregates: Record<string, (values: Value[]) => Value> = {
  COUNT: (values) => values.length,
};

/** `COUNT(…)` alone, or as the SDK's plan asks for it: `[{"item": COUNT(…)}]`; null: the query selects documents. */
export function aggregateOf(query: Query): { name: string; result(documents: Iterable<Value>): Value } | null {
  if (query.select.kind !== 'value') return null;
  const wrapped = unwrap(query.select.expression);
  const call = wrapped ?? query.select.expression;
  const aggregate = call.type === 'call' ? aggregates[call.name] : undefined;
  if (call.type !== 'call' || !aggregate) return null;
  return {
    name: call.name,
    result: (documents): Value => {
      const values = [...documents]
        .map((document) => evaluate(call.arguments[0]!, document, query))
        .filter((value) => value !== undefined);
      const item = aggregate(values);
      return wrapped ? [fields([['item', item]]) as Json] : item;
    },
  };
}

function unwrap(node: Node): Node | null {
  const only = node.type === 'array' && node.elements.length === 1 ? node.elements[0]! : null;
  const property = only?.type === 'object' && only.properties.length === 1 ? only.properties[0]! : null;
  return property?.name === 'item' ? property.value : null;
}

/** What the query gives of a document; undefined: nothing. */
export function project(query: Query, document: Value): Value {
  const { select } = query;
  if (select.kind === 'all') return document;
  if (select.kind === 'value') return evaluate(select.expression, document, query);
  return fields(select.properties.map(({ name, expression }) => [name, evaluate(expression, document, query)]));
}

/**
 * How the SDK is to put the answers of several partitions together, as the service tells it (the shape is not documented; it is what
 * @azure/cosmos reads). Null: they are simply put behind each other, which the gateway does itself.
 */
export function planOf(query: Query, always: boolean): object | null {
  const aggregate = aggregateOf(query);
  if (!always && query.top === null && !query.order && !aggregate) return null;
  const { alias, order, select, top } = query;
  const where = query.where ? print(query.where) : 'true';
  const payload =
    select.kind === 'all'
      ? alias
      : select.kind === 'value'
        ? print(select.expression)
        : `{${select.properties.map(({ name, expression }) => `${JSON.stringify(name)}: ${print(expression)}`).join(', ')}}`;
  const first = top === null ? '' : `TOP ${top} `;
  const by = order && print(order.expression);
  const rewritten = order
    ? `SELECT ${first}${alias}._rid, [{"item": ${by}}] AS orderByItems, ${payload} AS payload FROM ${alias} WHERE (${where}) AND ({documentdb-formattableorderbyquery-filter}) ORDER BY ${by} ${order.descending ? 'DESC' : 'ASC'}`
    : aggregate
      ? `SELECT VALUE [{"item": ${payload}}] FROM ${alias} WHERE ${where}`
      : `SELECT ${first}${select.kind === 'all' ? '*' : `VALUE ${payload}`} FROM ${alias} WHERE ${where}`;
  const titled = aggregate && aggregate.name[0] + aggregate.name.slice(1).toLowerCase();
  return {
    partitionedQueryExecutionInfoVersion: 2,
    queryInfo: {
      distinctType: 'None',
      top,
      offset: null,
      limit: null,
      orderBy: order ? [order.descending ? 'Descending' : 'Ascending'] : [],
      orderByExpressions: by ? [by] : [],
      groupByExpressions: [],
      groupByAliases: [],
      aggregates: titled ? [titled] : [],
      groupByAliasToAggregateType: {},
      rewrittenQuery: rewritten,
      hasSelectValue: select.kind === 'value',
      dCountInfo: null,
      hasNonStreamingOrderBy: false,
    },
    queryRanges: [{ min: '', max: 'FF', isMinInclusive: true, isMaxInclusive: false }],
  };
}

function print(node: Node): string {
  switch (node.type) {
    case 'container':
    case 'parameter':
      return node.name;
    case 'constant':
      return node.value === undefined ? 'undefined' : JSON.stringify(node.value);
    case 'field':
      return `${print(node.object)}[${JSON.stringify(node.name)}]`;
    case 'call':
      return `${node.name}(${node.arguments.map(print).join(', ')})`;
    case 'binary':
      return `(${print(node.left)} ${node.operator} ${print(node.right)})`;
    case 'not':
      return `(NOT ${print(node.argument)})`;
    case 'in':
      return `(${print(node.value)} IN (${node.list.map(print).join(', ')}))`;
    case 'between':
      return `(${print(node.value)} BETWEEN ${print(node.begin)} AND ${print(node.end)})`;
    case 'array':
      return `[${node.elements.map(print).join(', ')}]`;
    case 'object':
      return `{${node.properties.map(({ name, value }) => `${JSON.stringify(name)}: ${print(value)}`).join(', ')}}`;
  }
}
