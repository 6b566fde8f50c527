import { describe, expect, test } from '@jest/globals';
import { timelineIcs } from '../../../moves/timeline/ics.ts';
import { arc, changed } from '../moves-support.ts';
import { moveIn, plan, timelineWith } from './timeline-support.ts';

const OPTIONS = { publicUrl: 'https://plans.example.com/', now: Date.UTC(2026, 0, 21, 9) };

type Event = Record<string, string>;

/** Reads a calendar back (RFC 5545, 3.1 and 3.3.11); fails where lines are not as they have to be. */
function read(ics: string): { calendar: Record<string, string>; events: Event[] } {
  expect(ics.endsWith('END:VCALENDAR\r\n')).toBe(true);
  expect(ics.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
  for (const line of ics.split('\r\n')) expect(Buffer.byteLength(line)).toBeLessThanOrEqual(75);
  const calendar: Record<string, string> = {};
  const events: Event[] = [];
  let target = calendar;
  for (const line of ics.replaceAll('\r\n ', '').split('\r\n')) {
    const [, name = '', value = ''] = /^([A-Z-]+)(?:;[^:]*)?:(.*)$/.exec(line) ?? [];
    if (line === 'BEGIN:VEVENT') events.push((target = {}));
    else if (line === 'END:VEVENT') target = calendar;
    else if (line !== '') {
      expect({ line, name }).not.toEqual({ line, name: '' });
      expect(Object.hasOwn(target, name) && name !== 'BEGIN' && name !== 'END').toBe(false);
      target[name] = value.replaceAll(/\\([\\;,nN])/g, (_, one: string) => (/n/i.test(one) ? '\n' : one));
    }
  }
  return { calendar, events };
}

const eventsOf = (...parts: Parameters<typeof timelineWith>) =>
  read(timelineIcs(timelineWith(...parts), OPTIONS)).events;

describe('the calendar of a plan', () => {
  test('has an event of whole days for each phase, milestone and move; each ends on the day before DTEND', () => {
    const move = moveIn(13, { title: 'Say thank you', version: 4 });
    const events = eventsOf({ moves: [move] });
    expect(events).toHaveLength(3 + 3 + 1);
    expect(events[0]).toMatchObject({
      UID: `${plan.id}-phase-launch@pipeline-orchestrator`,
      SEQUENCE: '2',
      SUMMARY: 'Phase: Launch',
      DTSTART: '20260105',
      DTEND: '20260202',
      STATUS: 'CONFIRMED',
      TRANSP: 'TRANSPARENT',
      CATEGORIES: 'Phase',
      URL: `https://plans.example.com/api/plans/${plan.id}`,
    });
    expect(events[3]).toMatchObject({
      UID: `${plan.id}-milestone-listed@pipeline-orchestrator`,
      SUMMARY: 'Milestone: Listed',
      DTSTART: '20260120',
      DTEND: '20260121',
      DESCRIPTION: 'The listing shows.\nStatus: overdue',
    });
    // The last week has six days.
    expect(events[6]).toMatchObject({
      UID: `move-${move.id}@pipeline-orchestrator`,
      SEQUENCE: '4',
      SUMMARY: 'Say thank you',
      DTSTART: '20260330',
      DTEND: '20260405',
      PRIORITY: '1',
      URL: `https://plans.example.com/api/moves/${move.id}`,
      DESCRIPTION: 'Owner: Ana\nChannel: email\nStatus: planned\nKPI: leads\nEffort: 2.5 h\nBudget: $120.5',
    });
  });

  test('says of whole days that they are days', () => {
    const ics = timelineIcs(timelineWith(), OPTIONS);
    expect(ics.match(/^DTSTART;VALUE=DATE:\d{8}\r$/gm)).toHaveLength(6);
    expect(ics.match(/^DTEND;VALUE=DATE:\d{8}\r$/gm)).toHaveLength(6);
    expect(read(ics).calendar).toMatchObject({ VERSION: '2.0', METHOD: 'PUBLISH', 'X-WR-CALNAME': 'Lunch' });
  });

  test('is the same events again when it is made again, with a higher SEQUENCE after a change', () => {
    const move = moveIn(2);
    const before = eventsOf({ moves: [move] });
    const after = eventsOf({ moves: [{ ...move, version: 2, title: 'Other' }], plan: { ...plan, arc_version: 3 } });
    expect(after.map(({ UID }) => UID)).toEqual(before.map(({ UID }) => UID));
    expect(new Set(before.map(({ UID }) => UID)).size).toBe(7);
    for (const [index, event] of after.entries())
      expect(Number(event['SEQUENCE'])).toBeGreaterThan(Number(before[index]?.['SEQUENCE']));
  });

  test('cancels what was dropped and doubts what is blocked', () => {
    const states = ['planned', 'in_progress', 'blocked', 'done', 'dropped'] as const;
    const moves = states.map((state, index) => moveIn(5, { state, priority: index + 1 }));
    const events = eventsOf({ moves }).slice(6);
    expect(events.map(({ STATUS }) => STATUS)).toEqual([
      'CONFIRMED',
      'CONFIRMED',
      'TENTATIVE',
      'CONFIRMED',
      'CANCELLED',
    ]);
  });

  test('holds no events before an arc is approved', () => {
    expect(eventsOf({ arc: null, plan: { ...plan, state: 'planning', arc_version: 0 } })).toEqual([]);
  });

  test('keeps text of others within its value', () => {
    const evil = 'Lunch; dinner, \\n\r\nATTENDEE:mailto:a@b.example\nEND:VEVENT\u0000\u001B';
    const clean = 'Lunch; dinner, \\n ATTENDEE:mailto:a@b.example END:VEVENT';
    const copy = changed(arc, ({ phases, milestones }) => {
      for (const one of [...phases, ...milestones]) one.name = evil;
    });
    const { calendar, events } = read(
      timelineIcs(
        timelineWith({ plan: { ...plan, name: evil }, arc: copy, moves: [moveIn(1, { title: evil, owner: evil })] }),
        OPTIONS,
      ),
    );
    expect(calendar['X-WR-CALNAME']).toBe(clean);
    expect(events.map(({ SUMMARY }) => SUMMARY)).toEqual([
      ...Array.from({ length: 3 }, () => `Phase: ${clean}`),
      ...Array.from({ length: 3 }, () => `Milestone: ${clean}`),
      clean,
    ]);
    expect(events[6]?.['DESCRIPTION']).toContain(`Owner: ${clean}\nChannel: email`);
  });

  test('folds long lines between characters', () => {
    const title = 'Süß & scharf – 👩‍🍳 '.repeat(20).trim();
    expect(eventsOf({ moves: [moveIn(1, { title })] })[6]?.['SUMMARY']).toBe(title);
  });
});
