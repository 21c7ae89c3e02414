import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cp, mkdtemp, rename, rm, symlink } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ensureBotModels } from '../../scripts/local/bot-models.ts';
import { choosePorts, FREE_UNTIL, type Ports, usualPorts } from '../../scripts/local/ports.ts';
import { eventually, root } from '../platform/fixture.ts';

/** A clone of this repository with what is installed: `npm start` has its own `dist/` and `.local/` there. */
let clone = '';
const started: ChildProcess[] = [];

before(async () => {
  clone = await mkdtemp(join(tmpdir(), 'maru-clone-'));
  for (const name of ['functions', 'inference-container', 'scripts', 'host.json', 'package.json'])
    await cp(join(root, name), join(clone, name), { recursive: true });
  for (const name of ['node_modules', 'package-lock.json']) await symlink(join(root, name), join(clone, name));
  const models = await ensureBotModels(join(root, '.local/models'), () => {});
  await cp(models, join(clone, '.local/models'), { recursive: true });
});
after(async () => {
  // Whatever a failed test has left: its parents may be gone, but its files are the clone's.
  for (const { pid } of started) for (const { pid: own } of tree(pid!)) kill(own, 'SIGKILL');
  for (const { pid, command } of processes()) if (command.includes(clone)) kill(pid, 'SIGKILL');
  if (clone) await rm(clone, { recursive: true, force: true });
});

interface Start {
  pid: number;
  output(): string;
  exit: Promise<number | NodeJS.Signals>;
}

/** `npm start`, in a process group of its own as a terminal gives it. */
function npmStart(settings: Record<string, string>): Start {
  const environment = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_TEST_CONTEXT$|[A-Z_]+_PORT$)/.test(name)),
  );
  const child = spawn('npm', ['start'], {
    cwd: clone,
    env: { ...environment, ...settings },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  return { pid: child.pid!, output: () => output, exit: once(child, 'exit').then(([code, signal]) => code ?? signal) };
}

async function ready({ output, exit }: Start): Promise<void> {
  let ended = false;
  void exit.then(() => {
    ended = true;
  });
  await eventually(async () => {
    assert.ok(!ended, output());
    return output().includes('Ctrl-C stops everything');
  }, 60).catch((error) => assert.fail(`${error}\n${output()}`));
}

/**
 * Free ports for one start, asked for just before it: between those that other tests look for and those that systems give to whoever
 * asks for any, because seconds pass before the platform listens.
 */
async function portsOfOne(): Promise<Ports> {
  const ports: [string, number][] = [];
  let port = FREE_UNTIL + Math.floor(Math.random() * 5_000);
  for (const name of Object.keys(usualPorts)) {
    do port += 1;
    while (!(await free(port)));
    ports.push([name, port]);
  }
  return Object.fromEntries(ports) as Ports;
}

async function free(port: number): Promise<boolean> {
  const server = createServer().listen(port);
  try {
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
    return true;
  } catch {
    return false;
  }
}

function settingsOf(ports: Ports): Record<string, string> {
  return Object.fromEntries(
    Object.entries(usualPorts).map(([name, { setting }]) => [setting, String(ports[name as keyof Ports])]),
  );
}

interface Process {
  pid: number;
  parent: number;
  command: string;
}

/** All that run: from /proc where there is one, as on a Linux that has no `ps`. */
function processes(): Process[] {
  if (!existsSync('/proc/self/stat')) {
    const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' }).split('\n');
    return lines.map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line)).flatMap((found) => entry(found, found?.[3]));
  }
  return readdirSync('/proc').flatMap((name) => {
    try {
      // Its state and its parent stand after the name, which may hold anything. Z: ended, and nobody has asked for it.
      const found = /^(\d+) .*\) [^ZX] (\d+) /s.exec(readFileSync(`/proc/${name}/stat`, 'utf8'));
      return entry(found, readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' '));
    } catch {
      return [];
    }
  });
}

function entry(found: RegExpExecArray | null, command = ''): Process[] {
  return found ? [{ pid: Number(found[1]), parent: Number(found[2]), command }] : [];
}

/** A process and all that came from it. */
function tree(pid: number): Process[] {
  const all = processes();
  const below = (parent: number): Process[] =>
    all.filter((candidate) => candidate.parent === parent).flatMap((child) => [child, ...below(child.pid)]);
  return [...all.filter((candidate) => candidate.pid === pid), ...below(pid)];
}

/** Those of `before` that still run. */
function left(before: Process[]): Process[] {
  const now = processes();
  return before.filter(({ pid, command }) => now.some((other) => other.pid === pid && other.command === command));
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function gone(before: Process[], ports: number[]): Promise<void> {
  await eventually(async () => left(before).length === 0, 12).catch(() =>
    assert.deepEqual(left(before), [], 'no process is left'),
  );
  for (const port of ports) assert.equal(await answers(port), false, `port ${port} is free again`);
}

async function ask(gateway: number, conversation: string, text: string) {
  const response = await fetch(`http://localhost:${gateway}/api/conversations/${conversation}/messages`, {
    method: 'POST',
    headers: { 'x-functions-key': 'local', 'content-type': 'application/json', prefer: 'wait=20' },
    body: JSON.stringify({ userId: 'u', customerId: 'demo', text }),
  });
  const body = (await response.json()) as { status: string; replies: { text: string }[]; intent: { name: string } };
  assert.equal(response.status, 200, JSON.stringify(body));
  assert.equal(body.status, 'answered');
  return body;
}

const turns = async (gateway: number, conversation: string): Promise<number> => {
  const headers = { 'x-functions-key': 'local' };
  const response = await fetch(`http://localhost:${gateway}/api/conversations/${conversation}/messages`, { headers });
  return ((await response.json()) as { messages?: unknown[] }).messages?.length ?? 0;
};

/** Ctrl-C: the terminal signals the whole group. */
async function interrupt({ pid, output, exit }: Start, ports: number[]): Promise<void> {
  const all = tree(pid);
  assert.ok(all.length >= 5, all.map(({ command }) => command).join('\n'));
  process.kill(-pid, 'SIGINT');
  // npm itself reports the signal, or the 0 of what it ran.
  assert.ok([0, 'SIGINT'].includes(await exit), output());
  await gone(all, ports);
  assert.match(output(), /Stopped\./);
}

function without(ports: Ports, name: keyof Ports): number[] {
  const { [name]: _, ...rest } = ports;
  return Object.values(rest);
}

/** Every address of the table, by its row. */
function table(output: string): Map<string, string> {
  const rows = output.matchAll(/^ {2}(\S.*?) {2,}(\S.*)$/gm);
  return new Map([...rows].map((row) => [row[1]!, row[2]!]));
}

let first: Start;
let ports: Ports;
/** Where its shop is: 4000, or the next that is free. */
let shop = 0;
let second: Start;
let others: Ports;
let otherShop = 0;

test('npm start prints one table of every address, and each of them answers', async (context) => {
  ports = await portsOfOne();
  const begun = performance.now();
  const { SHOP_PORT: _, ...settings } = settingsOf(ports);
  first = npmStart(settings);
  await ready(first);
  context.diagnostic(`first start: ${((performance.now() - begun) / 1_000).toFixed(1)} s`);
  const addresses = table(first.output());
  shop = Number(/:(\d+)/.exec(addresses.get('Shop')!)![1]);
  assert.equal(addresses.get('Chat page'), `http://localhost:${ports.gateway}/chat`);
  const shown = [...addresses.values()].join(' ');
  for (const name of ['gateway', 'inference', 'blob', 'queue', 'cosmos', 'directLine'] as const)
    assert.match(shown, new RegExp(`:${ports[name]}\\b`), `the address of ${name}`);
  for (const port of new Set(shown.matchAll(/:(\d{2,5})\b/g).map((found) => Number(found[1]))))
    assert.ok(await answers(port), `port ${port}`);
  assert.equal(first.output().match(/Chat page/g)!.length, 1, 'one table');
  assert.match(first.output(), /npm run chat -- "where is my order\?"/);
  assert.equal((await fetch(addresses.get('Chat page')!)).status, 200);
  assert.equal((await ask(ports.gateway, 'c1', 'what are your opening hours?')).intent.name, 'store_hours');
});

test('a port of the settings that is taken ends the start with both names, and so does what is no port', async () => {
  const other = settingsOf(await portsOfOne());
  const { output, exit } = npmStart({ ...other, COSMOS_PORT: String(ports.cosmos) });
  assert.equal(await exit, 1);
  assert.match(output(), new RegExp(`port ${ports.cosmos} is in use.*COSMOS_PORT`));
  await assert.rejects(choosePorts({ ...other, COSMOS_PORT: 'eighty' }), /COSMOS_PORT.*eighty/);
});

test('a second one beside the first moves to free ports and says so, and both answer', async () => {
  others = await portsOfOne();
  const { SHOP_PORT: _, ...settings } = settingsOf(others);
  second = npmStart(settings);
  await ready(second);
  const moved = /port (\d+) is in use: shop is on (\d+) \(set SHOP_PORT to choose\)/.exec(second.output())!;
  assert.ok(moved, second.output());
  otherShop = Number(moved[2]);
  assert.notEqual(otherShop, shop);
  assert.equal(table(second.output()).get('Shop')?.split(/\s/)[0], `http://127.0.0.1:${otherShop}`);
  assert.equal((await ask(others.gateway, 'c2', '영업시간이 어떻게 되나요?')).intent.name, 'store_hours');
  await ask(ports.gateway, 'c1', 'thanks');
});

test('Ctrl-C stops everything: no process is left, the ports are free, and the other one goes on', async () => {
  await interrupt(first, [shop, ...without(ports, 'shop')]);
  await ask(others.gateway, 'c2', 'thanks');
});

test('a signal to npm alone, as a supervisor sends it, stops everything too', async () => {
  const all = tree(second.pid);
  kill(second.pid, 'SIGTERM');
  await second.exit;
  try {
    await gone(all, [otherShop, ...without(others, 'shop')]);
  } catch (error) {
    // In order all the same, for the next test.
    process.kill(-second.pid, 'SIGINT');
    await eventually(async () => left(all).length === 0, 20);
    throw error;
  }
});

test('started again it has the conversations of before, and answers; killed, it leaves no process', async (context) => {
  ports = await portsOfOne();
  const begun = performance.now();
  const again = npmStart(settingsOf(ports));
  await ready(again);
  context.diagnostic(`second start: ${((performance.now() - begun) / 1_000).toFixed(1)} s`);
  assert.doesNotMatch(again.output(), /Training|Installing/, 'nothing is done again');
  assert.match((await ask(ports.gateway, 'c3', 'where is my order?')).replies[0]!.text, /ORD-10021/);
  const all = tree(again.pid);
  const platform = all.find(({ command }) => /start\.ts/.test(command) && !/run\.mjs/.test(command))!;
  assert.ok(all.filter(({ parent }) => parent === platform.pid).length >= 3, 'it has processes of its own');
  const kept = await turns(ports.gateway, 'c1');
  kill(platform.pid, 'SIGKILL');
  await gone(all, Object.values(ports));
  assert.equal(kept, 2, 'what was said to the first one is kept, though the second one ended after it');
});

test('a port that another takes while this one builds ends the start too: its answers are not mistaken', async () => {
  ports = await portsOfOne();
  const late = npmStart(settingsOf(ports));
  await eventually(async () => /Building/.test(late.output()), 30);
  // Healthy, whatever it is asked.
  const stranger = createHttpServer((_, response) => void response.end('{}')).listen(ports.gateway, '127.0.0.1');
  await once(stranger, 'listening');
  try {
    const all = tree(late.pid);
    assert.equal(await late.exit, 1, late.output());
    assert.doesNotMatch(late.output(), /Maru is running/);
    assert.match(late.output(), new RegExp(String(ports.gateway)));
    assert.match(late.output(), /GATEWAY_PORT/);
    await gone(all, without(ports, 'gateway'));
  } finally {
    stranger.close();
    stranger.closeAllConnections();
  }
});

test('with a model server elsewhere nothing is trained, built or started for models, and it is asked', async () => {
  const asked: string[] = [];
  const models = createHttpServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    request.resume();
    // It has no model of the FAQ.
    if (request.url !== '/v2/models/intents/infer') return void response.writeHead(404).end('{}');
    const output = (name: string, data: unknown[]) => ({ name, shape: [1, 1], data });
    const outputs = [
      output('label', ['store_hours']),
      output('score', [0.9]),
      output('top_labels', ['store_hours']),
      output('top_scores', [0.9]),
    ];
    response.end(JSON.stringify({ model_name: 'intents', model_version: '9', outputs }));
  }).listen(0, '127.0.0.1');
  await once(models, 'listening');
  const { port } = models.address() as { port: number };
  // What a machine without ONNX Runtime would have.
  await rename(join(clone, '.local/models'), join(clone, '.local/models.away'));
  try {
    const ports = await portsOfOne();
    const one = npmStart({ ...settingsOf(ports), INFERENCE_URL: `http://127.0.0.1:${port}` });
    await ready(one);
    assert.doesNotMatch(one.output(), /Training|inference container/);
    assert.match(one.output(), /Inference, production +as INFERENCE_URL says/);
    assert.deepEqual(
      tree(one.pid).filter(({ command }) => command.includes('inference-container')),
      [],
    );
    const answer = await fetch(`http://localhost:${ports.gateway}/api/conversations/e/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-functions-key': 'local', prefer: 'wait=10' },
      body: JSON.stringify({ userId: 'u', text: 'when can I come by' }),
    });
    const { intent, model } = (await answer.json()) as { intent: { name: string }; model: { version: string } };
    assert.deepEqual([intent.name, model.version], ['store_hours', '9']);
    assert.deepEqual(asked.sort(), ['POST /v2/models/faq/infer', 'POST /v2/models/intents/infer']);
    process.kill(-one.pid, 'SIGINT');
    await one.exit;
  } finally {
    await rename(join(clone, '.local/models.away'), join(clone, '.local/models'));
    models.close();
  }
});
