import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { RequestListener } from 'node:http';
import request from 'supertest';
import type { Records } from '../../database/records.ts';
import type { MoveRow } from '../../database/tables-moves.ts';
import { MoveControl } from '../../moves/move-control.ts';
import { MOVE_STATES, MOVE_TRANSITIONS } from '../../moves/move.ts';
import { EventBus, type ServiceEvent } from '../../shared/events.ts';
import { newId } from '../../shared/ids.ts';
import { makeApi } from '../support/api.ts';
import { TestClock } from '../support/clock.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';
import { draft, insertMoves } from './moves-support.ts';

let records: TestRecords;
let app: RequestListener;
let clock: TestClock;
let events: EventBus;
let move: MoveRow;
let follower: MoveRow;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(async () => {
  await records.truncate();
  ({ app, clock, events } = makeApi(records));
  [move, follower] = (await insertMoves(records)) as [MoveRow, MoveRow];
});
afterAll(() => records.close());

const patch = (body: object, id = move.id) => request(app).patch(`/api/moves/${id}`).send(body);
const put = (fields: Partial<MoveRow>, id = move.id) =>
  records.update('moves', fields, [{ column: 'id', op: 'eq', value: id }]);

async function refused(body: object, id = move.id): Promise<[number, string, { path: string; mend: string }[]]> {
  const answer = await patch(body, id);
  return [answer.status, answer.body.error?.code, answer.body.error?.details];
}

describe('a change of a move', () => {
  test('takes effect, raises the version, is told of and kept in its history', async () => {
    const told: ServiceEvent[] = [];
    events.subscribe((event) => told.push(event));
    clock.set('2026-01-06T10:00:00.000Z');
    const answer = await patch({ state: 'in_progress', note: 'We begin.', owner: 'Ben', priority: 3, by: 'Ben' });
    expect(answer.status).toBe(200);
    expect(answer.body.move).toMatchObject({
      state: 'in_progress',
      note: 'We begin.',
      owner: 'Ben',
      priority: 3,
      version: 2,
      updatedAt: '2026-01-06T10:00:00.000Z',
      mayBecome: ['done', 'blocked', 'planned', 'dropped'],
      history: [
        { at: '2026-01-06T10:00:00.000Z', by: 'Ben', from: 'planned', to: 'in_progress', note: 'We begin.' },
        {
          at: '2026-01-06T10:00:00.000Z',
          by: 'Ben',
          changed: { owner: { from: 'Ana', to: 'Ben' }, priority: { from: 1, to: 3 } },
        },
      ],
    });
    expect((await request(app).get(`/api/moves/${move.id}`)).body).toEqual(answer.body);
    expect(told).toEqual([
      {
        type: 'move.changed',
        facts: expect.objectContaining({ moveId: move.id, by: 'Ben', from: 'planned', to: 'in_progress', version: 2 }),
      },
    ]);
  });

  test('to what it is already changes nothing', async () => {
    const told: ServiceEvent[] = [];
    events.subscribe((event) => told.push(event));
    const { title, tasks } = move;
    const answer = await patch({ state: 'planned', title, owner: 'Ana', tasks, version: 1 });
    expect([answer.status, answer.body.move.version, answer.body.move.history, told]).toEqual([200, 1, [], []]);
  });

  test('of the state drops the note of the state before, and keeps it in the history', async () => {
    await patch({ state: 'blocked', note: 'The printer is broken.' });
    const again = await patch({ state: 'planned' });
    expect(again.body.move.note).toBeNull();
    expect(again.body.move.history.map(({ note }: { note: string | null }) => note)).toEqual([
      'The printer is broken.',
      null,
    ]);
    await patch({ state: 'blocked', note: 'Again.' });
    const noted = await patch({ note: 'The printer comes on Friday.' });
    expect(noted.body.move.history.at(-1).changed).toEqual({
      note: { from: 'Again.', to: 'The printer comes on Friday.' },
    });
  });

  test('from any state to any other is as the table of transitions says', async () => {
    for (const from of MOVE_STATES)
      for (const to of MOVE_STATES) {
        await put({ state: from });
        const answer = await patch({ state: to });
        const legal = MOVE_TRANSITIONS[from];
        if (from === to || legal.includes(to))
          expect([from, to, answer.status, answer.body.move?.state]).toEqual([from, to, 200, to]);
        else
          expect([answer.status, answer.body.error]).toEqual([
            409,
            {
              code: 'MOVE_TRANSITION_ILLEGAL',
              message: `A move that is ${from} cannot become ${to}; it can become ${legal.join(', ')}.`,
              details: [{ path: 'state', message: `the move is ${from}`, mend: `write one of ${legal.join(', ')}` }],
            },
          ]);
      }
  });

  test('that starts it waits for what it depends on, unless forced', async () => {
    const answer = await patch({ state: 'in_progress' }, follower.id);
    expect([answer.status, answer.body.error]).toEqual([
      409,
      {
        code: 'MOVE_DEPENDENCIES_OPEN',
        message: 'The move "Remind them" depends on moves that are not done.',
        details: [
          {
            path: 'state',
            message: `"Send the welcome mail" (${move.id}) is planned`,
            mend: 'finish it first, or send {"force": true} to start without it',
          },
        ],
      },
    ]);
    const forced = await patch({ state: 'in_progress', force: true }, follower.id);
    expect([forced.status, forced.body.move.history]).toEqual([200, [expect.objectContaining({ forced: true })]]);
    await patch({ state: 'planned' }, follower.id);
    await put({ state: 'done' });
    expect((await patch({ state: 'in_progress' }, follower.id)).status).toBe(200);
  });

  test('that reopens it does not ask again for what it depends on', async () => {
    await put({ state: 'done' }, follower.id);
    expect((await patch({ state: 'in_progress' }, follower.id)).status).toBe(200);
  });

  test('names a dependency that is not there', async () => {
    const nobody = newId();
    await put({ depends_on: [nobody] });
    const [status, code, details] = await refused({ state: 'in_progress' });
    expect([status, code, details]).toMatchObject([
      409,
      'MOVE_DEPENDENCIES_OPEN',
      [{ message: `${nobody} is not there` }],
    ]);
  });

  test('takes only owners of the plan, and tasks within the week, and tells of both at once', async () => {
    const tasks = [
      { title: 'Too early', effortHours: 1, dueOn: '2026-01-04' },
      { title: 'In time', effortHours: 1, dueOn: '2026-01-11' },
      { title: 'Too late', effortHours: 1, dueOn: '2026-01-12' },
    ];
    const [status, code, details] = await refused({ owner: 'Carl', tasks, effortHours: 4 });
    expect([status, code]).toEqual([400, 'VALIDATION_FAILED']);
    expect(details.map(({ path, mend }) => [path, mend])).toEqual([
      ['owner', 'write one of "Ana", "Ben"'],
      ['tasks[0].dueOn', 'write a day from 2026-01-05 to 2026-01-11'],
      ['tasks[2].dueOn', 'write a day from 2026-01-05 to 2026-01-11'],
      ['effortHours', 'leave it out, or change the tasks'],
    ]);
    expect((await request(app).get(`/api/moves/${move.id}`)).body.move.version).toBe(1);
  });

  test('of tasks brings their hours, and keeps what changed as a patch', async () => {
    const tasks = [...draft().tasks, { title: 'Read the answers', effortHours: 1.25, dueOn: '2026-01-09' }];
    const { body } = await patch({ tasks });
    expect(body.move).toMatchObject({ tasks, effortHours: 3.75 });
    expect(body.move.history[0].changed).toEqual({
      effortHours: { from: 2.5, to: 3.75 },
      tasks: [{ op: 'add', path: '/-', value: tasks[2] }],
    });
    expect((await patch({ effortHours: 6 })).body.move.effortHours).toBe(6);
  });

  test('is refused whole when it says nothing, too much or something wrong', async () => {
    for (const [body, path] of [
      [{}, ''],
      [{ by: 'Ana', version: 1, force: true }, ''],
      [{ state: 'begun' }, 'state'],
      [{ week: 2 }, 'week'],
      [{ priority: 6 }, 'priority'],
      [{ tasks: [] }, 'tasks'],
      [{ title: '' }, 'title'],
      [{ owner: 'Ana', version: 0 }, 'version'],
    ] as const) {
      const [status, code, details] = await refused(body);
      expect([body, status, code, details[0]?.path]).toEqual([body, 400, 'VALIDATION_FAILED', path]);
    }
    expect((await refused({ priority: 2 }, newId())).slice(0, 2)).toEqual([404, 'NOT_FOUND']);
  });

  test('keeps a bounded history, and says how much is gone', async () => {
    const entry = (nth: number) => ({ at: '2026-01-05T09:00:00.000Z', by: 'Ana', changed: { nth } });
    await put({ history: Array.from({ length: 200 }, (_, nth) => entry(nth)) });
    await patch({ priority: 2 });
    const { body } = await patch({ priority: 3 });
    expect(body.move.historyDropped).toBe(2);
    expect(body.move.history).toHaveLength(200);
    expect(body.move.history[0]).toEqual(entry(2));
    expect(body.move.history.at(-1).changed).toEqual({ priority: { from: 2, to: 3 } });
  });

  test('drops the oldest of a history that is short and large', async () => {
    const large = (name: string) => ({
      at: '2026-01-05T09:00:00.000Z',
      by: name,
      changed: { text: 'x'.repeat(150_000) },
    });
    await put({ history: [large('Ana'), large('Ben')] });
    const { body } = await patch({ priority: 2 });
    expect([body.move.historyDropped, body.move.history.length, body.move.history[0].by]).toEqual([1, 2, 'Ben']);
  });
});

describe('changes at the same moment', () => {
  test('are told apart by the version that was read', async () => {
    expect((await patch({ priority: 2, version: 1 })).status).toBe(200);
    const answer = await patch({ priority: 3, version: 1 });
    expect([answer.status, answer.body.error]).toEqual([
      409,
      {
        code: 'MOVE_CHANGED',
        message: 'Somebody has changed the move: it is at version 2.',
        details: [
          {
            path: 'version',
            message: 'the move is at version 2',
            mend: `read it again with GET /api/moves/${move.id}, and send that version`,
          },
        ],
      },
    ]);
  });

  test('without a version all take effect, one after the other', async () => {
    const answers = await Promise.all([
      patch({ owner: 'Ben' }),
      patch({ priority: 4 }),
      patch({ title: 'Send the mail' }),
      patch({ state: 'in_progress' }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const { body } = await request(app).get(`/api/moves/${move.id}`);
    expect(body.move).toMatchObject({
      owner: 'Ben',
      priority: 4,
      title: 'Send the mail',
      state: 'in_progress',
      version: 5,
    });
    expect(body.move.history).toHaveLength(4);
  });

  test('of which only one can be true: the others are refused', async () => {
    const version = 1;
    const answers = await Promise.all([1, 2, 3].map((nth) => patch({ title: `Title ${nth}`, version })));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409, 409]);
  });

  test('are given up when others are first each time', async () => {
    const busy = new Proxy<Records>(records, {
      get(target, name) {
        if (name === 'update') return async () => [];
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const control = new MoveControl({ records: busy, clock });
    await expect(control.change(move.id, { priority: 2 }, { by: 'Ana' })).rejects.toMatchObject({
      code: 'MOVE_CHANGED',
      status: 409,
    });
  });
});
