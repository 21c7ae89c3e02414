import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compose } from '../../functions/releases/image.ts';
import { Registry } from '../../functions/services/registry.ts';
import { scratch } from '../../scripts/release/runtime.ts';

/** How an image behaves that is pushed in place of a real server's: it starts in a moment. */
export interface Behaviour {
  /** Labels by text; others are `other`. */
  answers?: Record<string, string>;
  /** What the image says must be answered. */
  golden?: Record<string, string>;
  /** Says this on stderr and ends. */
  ends?: string;
  unhealthy?: boolean;
  /** Answers `wrong` to whoever asks this port. */
  wrongAt?: number;
  /** Milliseconds before each answer. */
  slow?: number;
  /** Name of its one model. */
  model?: string;
  /** How it answers what customers say, once it was asked so often: late by so many milliseconds, not what is right, or never again. */
  asked?: { after: number; slow?: number; wrong?: boolean; ends?: boolean };
  tags?: string[];
}

const HELLO = { hello: 'greet' };
const MAIN = `
const { createServer } = require('node:http');
if (options.ends) { console.error(options.ends); process.exit(3); }
createServer((request, response) => {
  const answer = (status, body) => setTimeout(() => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)), options.slow);
  if (request.url === '/v2/health/ready') return answer(options.unhealthy ? 503 : 200, {});
  if (request.url === '/v2') return answer(200, { name: 'fake', release: process.env.RELEASE });
  let text = '';
  request.on('data', (chunk) => { text += chunk; }).on('end', () => {
    if (request.url.endsWith('/infer')) return infer(JSON.parse(text).inputs[0].data, response);
    const wrong = request.headers.host.endsWith(':' + options.wrongAt);
    const label = (input) => (wrong ? 'wrong' : options.answers[input] ?? 'other');
    answer(200, { predictions: JSON.parse(text).instances.map((input) => ({ label: label(input) })) });
  });
}).listen(Number(process.env.PORT), '127.0.0.1');
let count = 0;
function infer(texts, response) {
  count += 1;
  const bad = options.asked && count > options.asked.after ? options.asked : {};
  if (bad.ends) process.exit(3);
  const labels = texts.map((text) => (bad.wrong ? 'other' : options.answers[text] ?? 'other'));
  const output = (name, datatype, data, shape = [texts.length]) => ({ name, datatype, data, shape });
  const outputs = [
    output('label', 'BYTES', labels),
    output('score', 'FP32', labels.map(() => 0.99)),
    output('top_labels', 'BYTES', labels, [texts.length, 1]),
    output('top_scores', 'FP32', labels.map(() => 0.99), [texts.length, 1]),
  ];
  const body = JSON.stringify({ model_name: options.model, model_version: options.version, outputs });
  setTimeout(() => response.writeHead(200, { 'content-type': 'application/json' }).end(body), bad.slow ?? 0);
}
process.on('SIGTERM', () => process.exit(0));
`;
let serial = 0;

/** Pushes an image of its own; gives its digest. */
export async function pushFake(url: string, behaviour: Behaviour = {}): Promise<string> {
  const { answers = HELLO, golden = HELLO, model = 'intents', tags = ['staging'], slow = 0 } = behaviour;
  const folder = await mkdtemp(join(tmpdir(), 'maru-fake-'));
  try {
    const version = `0.0.${serial++}`;
    const options = JSON.stringify({ ...behaviour, answers, slow, version, model });
    await writeFile(join(folder, 'main.js'), `const options = ${options};${MAIN}`);
    const nobody = { getToken: () => Promise.reject(new Error('a plain registry asks for no login')) };
    const cases = Object.entries(golden).map(([input, label]) => ({ input, output: { label } }));
    const label = { models: [{ name: model, version, checksum: 'sha256:0', golden: cases }] };
    const layer = { kind: 'server', folders: { app: folder } };
    const { digest } = await compose(new Registry(url, 'maru/inference', nobody), scratch, [layer], label, {
      tags,
      annotations: {},
      progress: () => undefined,
    });
    return digest;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
