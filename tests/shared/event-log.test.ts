import { describe, expect, test } from '@jest/globals';
import { logEvents } from '../../shared/event-log.ts';
import { EVENT_TYPES, EventBus } from '../../shared/events.ts';
import type { Logger } from '../../shared/logger.ts';

function setUp() {
  const events = new EventBus();
  const lines: { level: string; message: string; fields: Record<string, unknown> }[] = [];
  const write =
    (level: string) =>
    (message: string, fields: Record<string, unknown> = {}) =>
      void lines.push({ level, message, fields });
  const logger: Logger = {
    error: write('error'),
    warn: write('warn'),
    info: write('info'),
    debug: write('debug'),
    child: () => logger,
  };
  return { events, lines, end: logEvents(events, logger) };
}

describe('the log of business events', () => {
  test.each(EVENT_TYPES)('has one line of constant text for %s, with its facts as fields', (type) => {
    const { events, lines } = setUp();
    events.emit(type, { runId: 'r1', campaignId: 'c1', detail: 'first' });
    events.emit(type, { runId: 'r2', campaignId: 'c1', detail: 'second' });
    expect(lines).toHaveLength(2);
    expect(lines[0]?.fields).toEqual({ event: type, runId: 'r1', campaignId: 'c1', detail: 'first' });
    expect(lines[0]?.message).toMatch(/^[A-Z][a-z]/);
    expect(lines[1]?.message).toBe(lines[0]?.message);
  });

  test('has a text of its own for each type', () => {
    const { events, lines } = setUp();
    for (const type of EVENT_TYPES) events.emit(type, {});
    expect(new Set(lines.map(({ message }) => message)).size).toBe(EVENT_TYPES.length);
  });

  test('is louder the worse a run ended', () => {
    const { events, lines } = setUp();
    for (const status of ['completed', 'cancelled', 'partial', 'aborted', 'failed'])
      events.emit('run.finished', { status });
    expect(lines.map(({ level }) => level)).toEqual(['info', 'info', 'warn', 'warn', 'error']);
  });

  test('ends when it is told to', () => {
    const { events, lines, end } = setUp();
    end();
    events.emit('run.started', {});
    expect(lines).toEqual([]);
  });
});
