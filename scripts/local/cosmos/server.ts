import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { parse, planOf } from './query.ts';
import { requestUnits } from './request-units.ts';
import { type Query, Refused, type Value } from './sql.ts';
import { type Definition, documentOf, type Store, type Stored, valueAt } from './store.ts';

const LARGEST = 2 * 1_024 * 1_024;
/** Documents of a page where none are asked for. */
const PAGE = 100;

/** An answer that is no success. */
class Failure extends Error {
  readonly status: number;
  readonly code: string;
  readonly substatus: number;
  readonly more: object;
  constructor(status: number, code: string, message: string, substatus = 0, more: object = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.substatus = substatus;
    this.more = more;
  }
}

interface Call {
  method: string;
  /** Parts of the path, decoded. */
  path: string[];
  headers: IncomingMessage['headers'];
  body: string;
  endpoint: string;
}

interface Answer {
  status: number;
  body?: object;
  headers?: Record<string, string>;
  charge?: number;
}

/** The REST protocol of Cosmos DB (API for NoSQL), as far as @azure/cosmos speaks it for what the product does. Anything else is refused. */
export function cosmosServer(store: Store, key: string): Server {
  return createServer((request, response) => {
    void respond(request, response, store, key);
  });
}

async function respond(request: IncomingMessage, response: ServerResponse, store: Store, key: string) {
  let answer: Answer;
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const call: Call = {
      method: request.method!,
      path: new URL(request.url!, 'http://local').pathname.split('/').filter(Boolean).map(decodeURIComponent),
      headers: request.headers,
      body: Buffer.concat(chunks).toString(),
      endpoint: `http://${request.headers.host}/`,
    };
    authorize(call, key);
    answer = route(call, store);
  } catch (error) {
    answer = failed(error);
  }
  const text = answer.body === undefined ? '' : JSON.stringify(answer.body);
  response.statusCode = answer.status;
  const headers = {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(text)),
    'x-ms-activity-id': randomUUID(),
    'x-ms-request-charge': (answer.charge ?? 1).toFixed(2),
    'x-ms-session-token': '0:-1#1',
    'x-ms-version': '2020-07-15',
    ...answer.headers,
  };
  // Set one by one, they can be read by who counts what a turn costs (scripts/bench/operations.ts).
  response.setHeaders(new Map(Object.entries(headers)));
  response.end(text);
}

function failed(error: unknown): Answer {
  if (error instanceof Failure)
    return {
      status: error.status,
      headers: error.substatus ? { 'x-ms-substatus': String(error.substatus) } : {},
      body: { code: error.code, message: error.message, ...error.more },
    };
  if (error instanceof Refused) return { status: 400, body: { code: 'BadRequest', message: error.message } };
  console.error(error);
  return { status: 500, body: { code: 'InternalServerError', message: String(error) } };
}

/** Throws a {@link Failure}: 401 for what was not signed with the account's key. */
function authorize({ method, path, headers }: Call, key: string): void {
  const named = path.length % 2 === 0;
  const type = named ? path.at(-2) : path.at(-1);
  const link = (named ? path : path.slice(0, -1)).join('/');
  const text = `${method.toLowerCase()}\n${(type ?? '').toLowerCase()}\n${link}\n${String(headers['x-ms-date']).toLowerCase()}\n\n`;
  const expected = createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64');
  const given = /^type=master&ver=1\.0&sig=(.+)$/.exec(decodeURIComponent(headers.authorization ?? ''))?.[1] ?? '';
  if (given.length !== expected.length || !timingSafeEqual(Buffer.from(given), Buffer.from(expected)))
    throw new Failure(401, 'Unauthorized', "The input authorization token can't serve the request.");
}

function route(call: Call, store: Store): Answer {
  const { method, path } = call;
  if (path.length === 0) return { status: 200, body: account(call.endpoint) };
  const [dbs, database, colls, container, below, id] = path;
  if (dbs !== 'dbs' || path.length > 6) throw unknown(call);
  // Only a deployment makes databases and containers: no role for documents may.
  if (method !== 'GET' && below === undefined)
    throw new Failure(
      403,
      'Forbidden',
      'Request blocked: the given credential has no rights to the control plane.',
      5300,
    );
  if (colls !== 'colls' || database === undefined || container === undefined) throw unknown(call);
  const definition = store.container(database, container);
  if (!definition) throw missing();
  if (below === undefined && method === 'GET') return { status: 200, body: described(definition) };
  if (below === 'pkranges' && method === 'GET') return ranges(call);
  if (below !== 'docs') throw unknown(call);
  const documents = new DocumentCalls(store, database, definition, call);
  if (id !== undefined) {
    if (method === 'GET') return documents.read(id);
    if (method === 'PUT') return documents.write('replace', id);
    if (method === 'DELETE') return documents.remove(id);
    throw unknown(call);
  }
  if (method === 'GET') return documents.feed();
  if (method !== 'POST' || call.headers['x-ms-cosmos-is-batch-request']) throw unknown(call);
  if (call.headers['x-ms-cosmos-is-query-plan-request']) return documents.plan();
  if (call.headers['x-ms-documentdb-isquery'] || call.headers['content-type'] === 'application/query+json')
    return documents.query();
  return documents.write(isTrue(call.headers['x-ms-documentdb-is-upsert']) ? 'upsert' : 'create');
}

class DocumentCalls {
  readonly #store: Store;
  readonly #database: string;
  readonly #definition: Definition;
  readonly #call: Call;

  constructor(store: Store, database: string, definition: Definition, call: Call) {
    this.#store = store;
    this.#database = database;
    this.#definition = definition;
    this.#call = call;
  }

  read(id: string): Answer {
    const found = this.#store.read(this.#database, this.#definition.id, this.#partition(), id);
    if (!found) throw missing();
    if (this.#call.headers['if-none-match'] === found.etag)
      return { status: 304, headers: { etag: found.etag }, charge: 1 };
    return this.#one(200, found, requestUnits.read(found.body.length));
  }

  write(kind: 'create' | 'upsert' | 'replace', id?: string): Answer {
    if (Buffer.byteLength(this.#call.body) > LARGEST)
      throw new Failure(413, 'RequestEntityTooLarge', 'Request size is too large');
    const document = json(this.#call.body);
    refuseId(document.id);
    if (id !== undefined && id !== document.id) throw bad('The id of the document is not the one of its address.');
    for (const field of ['_rid', '_self', '_etag', '_attachments', '_ts']) delete document[field];
    const { ttl } = document;
    if (ttl !== undefined && (!Number.isInteger(ttl) || (ttl < 1 && ttl !== -1)))
      throw bad(`The input ttl '${ttl}' is invalid.`);
    const partition = this.#partition();
    if (partition !== JSON.stringify([valueAt(document as Value, this.#definition.partitionKey.paths[0]!)]))
      throw bad("PartitionKey extracted from document doesn't match the one specified in the header.", 1001);
    const expected = this.#call.headers['if-match'];
    const written = this.#store.write(this.#database, this.#definition.id, partition, document, { kind, expected });
    if (written === 'exists') throw conflict();
    if (written === 'missing') throw missing();
    if (written === 'changed') throw precondition();
    return this.#one(written.isNew ? 201 : 200, written.stored, requestUnits.write(written.stored.body.length));
  }

  remove(id: string): Answer {
    const removed = this.#store.remove(
      this.#database,
      this.#definition.id,
      this.#partition(),
      id,
      this.#call.headers['if-match'],
    );
    if (removed === 'missing') throw missing();
    if (removed === 'changed') throw precondition();
    return { status: 204, charge: requestUnits.write(removed.body.length) };
  }

  /** All documents. */
  feed(): Answer {
    return this.#page(null);
  }

  plan(): Answer {
    // The SDK asks for the plan of a feed, too, which is no query.
    if (this.#call.body === '') throw bad('A query plan needs a query.');
    return { status: 200, body: planOf(this.#query(), true)!, charge: 0 };
  }

  query(): Answer {
    const query = this.#query();
    const { headers } = this.#call;
    const across = headers['x-ms-documentdb-partitionkey'] === undefined;
    if (across && headers['x-ms-documentdb-partitionkeyrangeid'] === undefined) {
      if (!isTrue(headers['x-ms-documentdb-query-enablecrosspartition']))
        throw bad('Cross partition query is required but disabled.');
      const plan = planOf(query, false);
      if (plan)
        throw new Failure(
          400,
          'BadRequest',
          'The provided cross partition query can not be directly served by the gateway.',
          1004,
          {
            additionalErrorInfo: JSON.stringify(plan),
          },
        );
    }
    return this.#page(query);
  }

  #query(): Query {
    const { query, parameters = [] } = json(this.#call.body) as unknown as {
      query: unknown;
      parameters?: { name: string; value: Value }[];
    };
    if (typeof query !== 'string') throw bad('A query is text.');
    return parse(query, parameters);
  }

  #page(query: Query | null): Answer {
    const { headers } = this.#call;
    const asked = Number(headers['x-ms-max-item-count'] ?? PAGE);
    const given = headers['x-ms-documentdb-partitionkey'];
    const page = this.#store.query(this.#database, this.#definition.id, query, {
      partition: typeof given === 'string' ? partitionOf(given) : null,
      limit: asked > 0 ? asked : PAGE,
      continuation: (headers['x-ms-continuation'] as string | undefined) || null,
    });
    return {
      status: 200,
      body: { _rid: '', Documents: page.documents, _count: page.documents.length },
      headers: {
        'x-ms-item-count': String(page.documents.length),
        ...(page.continuation === null ? {} : { 'x-ms-continuation': page.continuation }),
      },
      charge: requestUnits.query(page.bytes),
    };
  }

  #one(status: number, stored: Stored, charge: number): Answer {
    return { status, body: documentOf(stored) as object, headers: { etag: stored.etag }, charge };
  }

  #partition(): string {
    const given = this.#call.headers['x-ms-documentdb-partitionkey'];
    if (typeof given !== 'string') throw bad('PartitionKey value must be supplied for this operation.', 1001);
    return partitionOf(given);
  }
}

function partitionOf(given: string): string {
  const value: unknown = JSON.parse(given);
  if (!Array.isArray(value) || value.length !== 1)
    throw bad("Partition key provided doesn't correspond to the definition in the collection.", 1001);
  return JSON.stringify(value);
}

/** What no document may be called. */
function refuseId(id: unknown): asserts id is string {
  if (typeof id !== 'string' || id === '' || Buffer.byteLength(id) > 1_023 || /[/\\?#]/.test(id) || id.endsWith(' '))
    throw bad(
      'The input name is invalid. Ensure to provide a unique non-empty string less than 1024 characters, without /, \\, ? and #.',
    );
}

function ranges({ headers }: Call): Answer {
  // They never change here.
  const etag = '"1"';
  if (headers['if-none-match'] === etag) return { status: 304, headers: { etag } };
  const range = {
    ...resource('0'),
    minInclusive: '',
    maxExclusive: 'FF',
    ridPrefix: 0,
    throughputFraction: 1,
    status: 'online',
    parents: [],
  };
  return { status: 200, body: { _rid: '', PartitionKeyRanges: [range], _count: 1 }, headers: { etag } };
}

function account(endpoint: string): object {
  const here = [{ name: 'Local', databaseAccountEndpoint: endpoint }];
  return {
    _self: '',
    id: 'local',
    _rid: 'local',
    media: '//media/',
    addresses: '//addresses/',
    _dbs: '//dbs/',
    writableLocations: here,
    readableLocations: here,
    enableMultipleWriteLocations: false,
    userConsistencyPolicy: { defaultConsistencyLevel: 'Strong' },
    queryEngineConfiguration: '{}',
  };
}

const resource = (id: string) => ({ id, _rid: Buffer.from(id).toString('base64'), _self: '', _etag: '"0"', _ts: 0 });
const described = (definition: Definition) => ({
  ...resource(definition.id),
  ...definition,
  partitionKey: { kind: 'Hash', version: 2, ...definition.partitionKey },
});

function json(body: string): Record<string, unknown> & { id: string; ttl?: number } {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as never;
  } catch {}
  throw bad('The request payload is invalid. Ensure to provide a valid request payload.');
}

const isTrue = (header: string | string[] | undefined) => String(header).toLowerCase() === 'true';
const bad = (message: string, substatus = 0) => new Failure(400, 'BadRequest', message, substatus);
const missing = () => new Failure(404, 'NotFound', 'Entity with the specified id does not exist in the system.');
const conflict = () => new Failure(409, 'Conflict', 'Entity with the specified id already exists in the system.');
const precondition = () => new Failure(412, 'PreconditionFailed', 'One of the specified pre-condition is not met.');
const unknown = ({ method, path }: Call) =>
  new Failure(405, 'MethodNotAllowed', `The local stand-in does not know ${method} /${path.join('/')}.`);
