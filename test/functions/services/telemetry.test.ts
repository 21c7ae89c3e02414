import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { log } from '../../../functions/services/telemetry.ts';

/** What the Functions host takes a line of stderr for: the first of these words that stands in it, whoever's words they are. */
function severityOf(line: string): string {
  if (/warn/i.test(line)) return 'warning';
  return /error|fail|severe/i.test(line) ? 'error' : 'information';
}

test('the host takes each line for what it is, whatever it quotes, and JSON reads it the same', () => {
  const fields = { error: 'Warning: the last WARNING failed', warn: 'warned' };
  for (const [level, severity] of [
    ['warn', 'warning'],
    ['error', 'error'],
  ] as const) {
    const written = mock.method(console, level, () => undefined);
    log(level, 'a turn was not understood', fields);
    log(level, 'plain');
    const lines = written.mock.calls.map((call) => String((call as { arguments: unknown[] }).arguments[0]));
    written.mock.restore();
    for (const line of lines) assert.equal(severityOf(line), severity, line);
    assert.deepEqual(JSON.parse(lines[0]!), { message: 'a turn was not understood', ...fields, level });
  }
});
