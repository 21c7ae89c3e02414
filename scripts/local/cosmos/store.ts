import { randomUUID } from 'node:crypto';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { aggregateOf, conjuncts, constant, evaluate, pathOf, project } from './query.ts';
import { type Node, type Query, Refused, type Value } from './sql.ts';

/** A container as it was made. */
export interface Definition {
  id: string;
  partitionKey: { paths: string[] };
  /** −1: each document says how long it stays. Without it none goes. */
  defaultTtl?: number;
  /** Paths as the service writes them: `/at/?`, `/participants/[]/?`; `id` and `_ts` are always indexed. */
  indexingPolicy: { includedPaths: { path: string }[]; excludedPaths: [{ path: '/*' }] };
}

export interface Stored {
  rid: number;
  /** As JSON, without the service's own fields. */
  body: string;
  etag: string;
  /** Seconds. */
  ts: number;
}

interface Opened {
  number: number;
  definition: Definition;
  paths: { path: string; each: boolean; number: number }[];
}

/** What was found, how many bytes of documents were loaded for it, and where to go on. */
export interface Page {
  documents: Value[];
  bytes: number;
  continuation: string | null;
}

/** Behind which document the next page begins. */
interface Continuation {
  rid: number;
  /** Of the index, in hexadecimal digits. */
  key?: string;
  /** What TOP still has to give. */
  left?: number;
}

function continuationAt({ rid, key }: Row, left: number): string {
  const at: Continuation = {
    rid,
    ...(key ? { key: Buffer.from(key).toString('hex') } : {}),
    ...(left === Infinity ? {} : { left }),
  };
  return JSON.stringify(at);
}

function readContinuation(text: string | null): Continuation | null {
  if (text === null) return null;
  try {
    const at = JSON.parse(text) as Partial<Continuation>;
    if (typeof at.rid === 'number') return at as Continuation;
  } catch {}
  throw new Refused('Invalid Continuation Token');
}

type Row = Stored & { key?: Uint8Array };

/**
 * Documents in SQLite, with an inverted index beside them as Cosmos DB has one: an entry for each value of an indexed path, by type and
 * then by value. Everything is in one transaction a call. A document whose time is over is not seen, and removed later.
 */
export class Store {
  readonly #db: DatabaseSync;
  readonly #containers = new Map<string, Opened>();
  readonly #statements = new Map<string, StatementSync>();

  /** `file`: where it stays; null: in memory. */
  constructor(file: string | null) {
    this.#db = new DatabaseSync(file ?? ':memory:');
    this.#db.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS containers (number INTEGER PRIMARY KEY, database TEXT, id TEXT, definition TEXT, UNIQUE (database, id));
      CREATE TABLE IF NOT EXISTS documents (
        rid INTEGER PRIMARY KEY AUTOINCREMENT, container INTEGER, partition TEXT, id TEXT,
        body TEXT, etag TEXT, ts INTEGER, ends INTEGER, UNIQUE (container, partition, id));
      CREATE INDEX IF NOT EXISTS ends ON documents (ends) WHERE ends IS NOT NULL;
      CREATE TABLE IF NOT EXISTS entries (path INTEGER, key BLOB, rid INTEGER, PRIMARY KEY (path, key, rid)) WITHOUT ROWID;
      CREATE INDEX IF NOT EXISTS entries_of ON entries (rid, path);
      CREATE TABLE IF NOT EXISTS paths (number INTEGER PRIMARY KEY, container INTEGER, path TEXT, UNIQUE (container, path));
    `);
  }

  close(): void {
    this.#db.close();
  }

  container(database: string, id: string): Definition | null {
    return this.#open(database, id)?.definition ?? null;
  }

  /** As a deployment makes a container, or changes it: what it holds is indexed anew where its indexes are others. */
  deploy(database: string, definition: Definition): void {
    const before = this.#open(database, definition.id);
    if (!before) {
      this.#run(
        'INSERT INTO containers (database, id, definition) VALUES (?, ?, ?)',
        database,
        definition.id,
        JSON.stringify(definition),
      );
      return;
    }
    if (JSON.stringify(before.definition) === JSON.stringify(definition)) return;
    this.#run('UPDATE containers SET definition = ? WHERE number = ?', JSON.stringify(definition), before.number);
    this.#containers.delete(`${database}/${definition.id}`);
    const after = this.#open(database, definition.id)!;
    this.#transaction(() => {
      this.#run('DELETE FROM entries WHERE rid IN (SELECT rid FROM documents WHERE container = ?)', before.number);
      for (const { rid, body, ts } of this.#all(
        'SELECT rid, body, ts FROM documents WHERE container = ?',
        before.number,
      ))
        this.#index(after, Number(rid), { ...JSON.parse(String(body)), _ts: ts });
    });
  }

  read(database: string, container: string, partition: string, id: string): Stored | null {
    return this.#find(this.#opened(database, container), partition, id);
  }

  /** `made`: 409 where it exists. `expected`: the ETag that it must have. The write's ETag and time, or why it was not made. */
  write(
    database: string,
    container: string,
    partition: string,
    document: { id: string; ttl?: number },
    how: { kind: 'create' | 'upsert' | 'replace'; expected?: string | undefined },
  ): { stored: Stored; isNew: boolean } | 'exists' | 'missing' | 'changed' {
    const opened = this.#opened(database, container);
    return this.#transaction(() => {
      const before = this.#find(opened, partition, document.id);
      if (before && how.kind === 'create') return 'exists';
      if (!before && how.kind === 'replace') return 'missing';
      if (before && how.expected !== undefined && how.expected !== '*' && how.expected !== before.etag)
        return 'changed';
      const now = Date.now();
      const body = JSON.stringify(document);
      const etag = `"${randomUUID()}"`;
      const seconds = document.ttl ?? opened.definition.defaultTtl;
      const ends =
        opened.definition.defaultTtl === undefined || seconds === undefined || seconds < 0
          ? null
          : now + seconds * 1_000;
      const ts = Math.floor(now / 1_000);
      // One whose time is over is still there for the table.
      const { rid } = this.#all(
        `INSERT INTO documents (container, partition, id, body, etag, ts, ends) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (container, partition, id) DO UPDATE SET body = excluded.body, etag = excluded.etag, ts = excluded.ts, ends = excluded.ends
         RETURNING rid`,
        opened.number,
        partition,
        document.id,
        body,
        etag,
        ts,
        ends,
      )[0]!;
      this.#run('DELETE FROM entries WHERE rid = ?', Number(rid));
      this.#index(opened, Number(rid), { ...document, _ts: ts } as unknown as Value);
      return { stored: { rid: Number(rid), body, etag, ts }, isNew: !before };
    });
  }

  remove(
    database: string,
    container: string,
    partition: string,
    id: string,
    expected?: string,
  ): Stored | 'missing' | 'changed' {
    const opened = this.#opened(database, container);
    return this.#transaction(() => {
      const before = this.#find(opened, partition, id);
      if (!before) return 'missing';
      if (expected !== undefined && expected !== '*' && expected !== before.etag) return 'changed';
      this.#run('DELETE FROM entries WHERE rid = ?', before.rid);
      this.#run('DELETE FROM documents WHERE rid = ?', before.rid);
      return before;
    });
  }

  /** Takes away what is not seen any more. */
  expire(): void {
    const now = Date.now();
    this.#transaction(() => {
      this.#run('DELETE FROM entries WHERE rid IN (SELECT rid FROM documents WHERE ends < ?)', now);
      this.#run('DELETE FROM documents WHERE ends < ?', now);
    });
  }

  /** `partition`: of one alone. Throws {@link Refused}. */
  query(
    database: string,
    container: string,
    query: Query | null,
    { partition, limit, continuation }: { partition: string | null; limit: number; continuation: string | null },
  ): Page {
    const opened = this.#opened(database, container);
    const from = readContinuation(continuation);
    const rows = this.#candidates(opened, query, partition, from);
    const page: Page = { documents: [], bytes: 0, continuation: null };
    const holds = (document: Value) => !query?.where || evaluate(query.where, document, query) === true;
    const aggregate = query && aggregateOf(query);
    if (query && aggregate) {
      const found = function* () {
        for (const row of rows) {
          page.bytes += Buffer.byteLength(row.body);
          const document = documentOf(row);
          if (holds(document)) yield document;
        }
      };
      const value = aggregate.result(found());
      if (value !== undefined) page.documents.push(value);
      return page;
    }
    // What TOP still has to give is part of where to go on.
    const left = from?.left ?? query?.top ?? Infinity;
    const most = Math.min(limit, left);
    if (most === 0) return page;
    for (const row of rows) {
      page.bytes += Buffer.byteLength(row.body);
      const document = documentOf(row);
      if (!holds(document)) continue;
      const value = query ? project(query, document) : document;
      if (value !== undefined) page.documents.push(value);
      if (page.documents.length < most) continue;
      if (most < left) page.continuation = continuationAt(row, left - most);
      break;
    }
    return page;
  }

  /** What may be meant by a query, in its order: by the index where the query names an indexed path, else all. */
  *#candidates(
    opened: Opened,
    query: Query | null,
    partition: string | null,
    from: Continuation | null,
  ): Generator<Row> {
    const conditions = conjuncts(query?.where ?? null).flatMap((node) => rangesOf(node, query!, opened));
    const order = query?.order ? pathOf(query.order.expression) : null;
    if (query?.order && order === null) throw new Refused('ORDER BY needs a field.');
    const ordered = order === null ? null : opened.paths.find(({ path, each }) => path === order && !each);
    if (order !== null && !ordered)
      throw new Refused(`The order by query does not have a corresponding index: ${order} of ${opened.definition.id}.`);
    const leading = ordered ?? (partition === null ? conditions[0]?.path : undefined);
    const where: string[] = ['d.container = ?', '(d.ends IS NULL OR d.ends >= ?)'];
    const values: SQLInputValue[] = [opened.number, Date.now()];
    if (partition !== null) {
      where.push('d.partition = ?');
      values.push(partition);
    }
    if (leading) {
      where.push('e.path = ?');
      values.push(leading.number);
      for (const { path, operator, key } of conditions)
        if (path === leading && (!path.each || operator === '=')) {
          where.push(`e.key ${operator} ?`);
          values.push(key);
        }
    }
    for (const { path, operator, key } of conditions)
      if (path !== leading && operator === '=' && partition === null) {
        where.push('d.rid IN (SELECT rid FROM entries WHERE path = ? AND key = ?)');
        values.push(path.number, key);
      }
    const direction = query?.order?.descending ? 'DESC' : 'ASC';
    if (from) {
      const after = direction === 'DESC' ? '<' : '>';
      where.push(leading ? `(e.key, e.rid) ${after} (?, ?)` : `d.rid ${after} ?`);
      values.push(...(leading ? [Buffer.from(from.key ?? '', 'hex')] : []), from.rid);
    }
    // CROSS JOIN: in this order, whatever SQLite thinks of it.
    const tables = !leading
      ? 'documents d'
      : partition === null
        ? 'entries e CROSS JOIN documents d ON d.rid = e.rid'
        : 'documents d CROSS JOIN entries e ON e.rid = d.rid';
    const sql = `SELECT d.rid, d.body, d.etag, d.ts${leading ? ', e.key' : ''} FROM ${tables} WHERE ${where.join(' AND ')}
      ORDER BY ${leading ? `e.key ${direction}, e.rid ${direction}` : 'd.rid'}`;
    yield* this.#db.prepare(sql).iterate(...values) as unknown as Iterable<Row>;
  }

  #index({ paths }: Opened, rid: number, document: Value): void {
    for (const { path, each, number } of paths) {
      const value = valueAt(document, path);
      const found = each ? (Array.isArray(value) ? value : []) : [value];
      for (const one of found)
        this.#run('INSERT OR IGNORE INTO entries (path, key, rid) VALUES (?, ?, ?)', number, keyOf(one), rid);
    }
  }

  #find({ number }: Opened, partition: string, id: string): Stored | null {
    const row = this.#statement(
      'SELECT rid, body, etag, ts FROM documents WHERE container = ? AND partition = ? AND id = ? AND (ends IS NULL OR ends >= ?)',
    ).get(number, partition, id, Date.now());
    return (row as unknown as Stored | undefined) ?? null;
  }

  #opened(database: string, id: string): Opened {
    return this.#open(database, id)!;
  }

  #open(database: string, id: string): Opened | null {
    const name = `${database}/${id}`;
    const known = this.#containers.get(name);
    if (known) return known;
    const row = this.#all('SELECT number, definition FROM containers WHERE database = ? AND id = ?', database, id)[0];
    if (!row) return null;
    const definition = JSON.parse(String(row.definition)) as Definition;
    const number = Number(row.number);
    const opened: Opened = {
      number,
      definition,
      paths: [...definition.indexingPolicy.includedPaths.map(({ path }) => path), '/id/?', '/_ts/?'].map((included) => {
        const path = included.replace(/\/\?$/, '');
        this.#run('INSERT OR IGNORE INTO paths (container, path) VALUES (?, ?)', number, path);
        const own = this.#all('SELECT number FROM paths WHERE container = ? AND path = ?', number, path)[0]!;
        const each = path.endsWith('/[]');
        const plain = each ? path.slice(0, -3) : path;
        return { path: plain, each, number: Number(own.number) };
      }),
    };
    this.#containers.set(name, opened);
    return opened;
  }

  #transaction<T>(work: () => T): T {
    this.#statement('BEGIN').run();
    try {
      const result = work();
      this.#statement('COMMIT').run();
      return result;
    } catch (error) {
      this.#statement('ROLLBACK').run();
      throw error;
    }
  }

  #run(sql: string, ...values: SQLInputValue[]): void {
    this.#statement(sql).run(...values);
  }

  #all(sql: string, ...values: SQLInputValue[]): Record<string, unknown>[] {
    return this.#statement(sql).all(...values);
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql) ?? this.#db.prepare(sql);
    this.#statements.set(sql, known);
    return known;
  }
}

/** What a document has at a path, as index policies and partition keys write it: `/speaker/kind`. */
export function valueAt(document: Value, path: string): Value {
  return path
    .split('/')
    .slice(1)
    .reduce<Value>(
      (value, step) =>
        typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, step)
          ? value[step]
          : undefined,
      document,
    );
}

/** A document as it is answered: with the fields that the service adds. */
export function documentOf({ body, rid, etag, ts }: Stored): Value {
  return { ...JSON.parse(body), ...ownFields(rid, etag, ts) };
}

function ownFields(rid: number, etag: string, ts: number) {
  return {
    _rid: Buffer.from(`rid${String(rid).padStart(12, '0')}`).toString('base64'),
    _self: '',
    _etag: etag,
    _attachments: 'attachments/',
    _ts: ts,
  };
}

interface Range {
  path: Opened['paths'][number];
  operator: '=' | '<' | '<=' | '>' | '>=';
  key: Buffer;
}

const TURNED = { '=': '=', '<': '>', '<=': '>=', '>': '<', '>=': '<=' } as const;

/** What a condition says of the entries of an indexed path; nothing where the documents themselves must be looked at. */
function rangesOf(node: Node, query: Query, { paths }: Opened): Range[] {
  const indexed = (expression: Node, each: boolean) => {
    const path = pathOf(expression);
    return path === null ? undefined : paths.find((one) => one.path === path && one.each === each);
  };
  if (node.type === 'call' && node.name === 'ARRAY_CONTAINS' && node.arguments.length === 2) {
    const path = indexed(node.arguments[0]!, true);
    const value = constant(node.arguments[1]!, query);
    return path && isSimple(value?.value) ? [{ path, operator: '=', key: keyOf(value!.value) }] : [];
  }
  if (node.type === 'between') {
    const path = indexed(node.value, false);
    const [begin, end] = [constant(node.begin, query), constant(node.end, query)];
    if (!path || !isSimple(begin?.value) || !isSimple(end?.value)) return [];
    return [
      { path, operator: '>=', key: keyOf(begin!.value) },
      { path, operator: '<=', key: keyOf(end!.value) },
    ];
  }
  if (node.type !== 'binary' || !Object.hasOwn(TURNED, node.operator)) return [];
  const operator = node.operator as keyof typeof TURNED;
  const [left, right] = [indexed(node.left, false), indexed(node.right, false)];
  const value = left ? constant(node.right, query) : right ? constant(node.left, query) : null;
  const path = left ?? right;
  if (!path || !value || !isSimple(value.value)) return [];
  return [{ path, operator: left ? operator : TURNED[operator], key: keyOf(value.value) }];
}

const isSimple = (value: Value): boolean => value === null || ['number', 'string', 'boolean'].includes(typeof value);

/** As bytes that sort like the values: undefined, null, false, true, numbers, texts, and then what has no order. */
function keyOf(value: Value): Buffer {
  if (value === undefined) return Buffer.from([0]);
  if (value === null) return Buffer.from([1]);
  if (typeof value === 'boolean') return Buffer.from([value ? 3 : 2]);
  if (typeof value === 'string') return Buffer.concat([Buffer.from([5]), Buffer.from(value)]);
  if (typeof value !== 'number') return Buffer.from([6]);
  const key = Buffer.alloc(9, 4);
  key.writeDoubleBE(value === 0 ? 0 : value, 1);
  // Negative numbers sort the other way round, and before the others.
  if (value < 0) for (let at = 1; at < 9; at += 1) key[at] = key[at]! ^ 0xff;
  else key[1] = key[1]! ^ 0x80;
  return key;
}
