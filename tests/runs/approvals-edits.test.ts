import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { applyPatch, type Operation } from 'rfc6902';
import type { ApprovalRow } from '../../database/tables-moves.ts';
import type { Json, JsonObject } from '../../database/tables.ts';
import { editedSubject, editsSchema, type Edits } from '../../runs/approvals/edits.ts';
import { freshRecords, type TestRecords } from '../support/records.ts';
import { asks, Scene, works } from './approvals-support.ts';

let records: TestRecords;
let scene: Scene;
beforeAll(async () => {
  records = await freshRecords();
}, 60_000);
afterAll(() => records.close());
beforeEach(async () => {
  scene = await Scene.open(records);
});
afterEach(async () => {
  await scene.close();
  await records.truncate();
});

async function decide(edits: unknown, decision: 'approve' | 'reject' = 'approve') {
  const { approval } = await scene.asked();
  const parsed = editsSchema.parse(edits);
  const row = await scene.harness.approvals.decide(approval.id, { decision, by: 'Bea', reason: null, edits: parsed });
  await scene.harness.idle();
  return row;
}

describe('edits', () => {
  test.each<[string, Json]>([
    ['as an object laid over the subject', { offer: '5 % off', sender: { title: 'Dr' }, tags: ['late'] }],
    [
      'as a JSON Patch',
      [
        { op: 'test', path: '/tags/1', value: 'spring' },
        { op: 'replace', path: '/offer', value: '5 % off' },
        { op: 'add', path: '/sender/title', value: 'Dr' },
        { op: 'replace', path: '/tags/0', value: 'late' },
        { op: 'remove', path: '/tags/1' },
      ],
    ],
  ])('%s change what later steps get, and are kept as a difference', async (_, edits) => {
    const row = await decide(edits);
    const subject = { offer: '5 % off', count: 20, tags: ['late'], sender: { name: 'Ann', title: 'Dr' } };
    expect(row).toMatchObject({ state: 'approved', edited_subject: subject });
    expect(row.subject).toEqual({ offer: '10 % off', count: 20, tags: ['new', 'spring'], sender: { name: 'Ann' } });
    expect(row.diff?.toSorted((a, b) => String(a['path']).localeCompare(String(b['path'])))).toEqual([
      { op: 'replace', path: '/offer', value: '5 % off' },
      { op: 'add', path: '/sender/title', value: 'Dr' },
      { op: 'replace', path: '/tags/0', value: 'late' },
      { op: 'remove', path: '/tags/1' },
    ]);
    expect(scene.calls()).toEqual([{ offer: '5 % off' }]);
    const { steps } = await scene.harness.read(row.run_id);
    expect(steps[0]?.output).toMatchObject({ edited: true, subject });
  });

  test('that change nothing are an approval without edits', async () => {
    const row = await decide({ offer: '10 % off', tags: ['new', 'spring'] });
    expect(row).toMatchObject({ state: 'approved', edited_subject: null, diff: null });
    const { steps } = await scene.harness.read(row.run_id);
    expect(steps[0]?.output).toMatchObject({ edited: false });
  });

  test('are refused with a rejection, and nothing is decided', async () => {
    await expect(decide({ offer: '5 % off' }, 'reject')).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
      details: [{ path: 'edits', message: 'cannot be made when rejecting' }],
    });
    expect((await scene.approval()).state).toBe('pending');
  });

  test.each<[string, Json, { path: string; message: RegExp }]>([
    ['of a field that is not editable', { count: 10_000 }, { path: 'edits.count', message: /cannot be edited/ }],
    ['of a field that is not there', { discount: 5 }, { path: 'edits.discount', message: /cannot be edited/ }],
    ['to another type', { offer: 5 }, { path: 'edits.offer', message: /must stay a text/ }],
    ['to nothing', { tags: null }, { path: 'edits.tags', message: /must stay a list/ }],
    ['of an object to a list', { sender: ['Ann'] }, { path: 'edits.sender', message: /must stay an object/ }],
    ['that remove what is not there', [{ op: 'remove', path: '/nothing' }], { path: 'edits[0]', message: /nothing/ }],
    ['that add beyond a list', [{ op: 'add', path: '/tags/9', value: 1 }], { path: 'edits[0]', message: /nothing/ }],
    ['whose test fails', [{ op: 'test', path: '/offer', value: 'x' }], { path: 'edits[0]', message: /another value/ }],
    ['of the whole', [{ op: 'replace', path: '', value: {} }], { path: 'edits[0]', message: /cannot be done/ }],
    ['that remove the whole', [{ op: 'remove', path: '' }], { path: 'edits[0]', message: /cannot be done/ }],
    ['that move the whole', [{ op: 'move', from: '', path: '/a' }], { path: 'edits[0]', message: /cannot be done/ }],
    ['of the name of a type', { constructor: 'x' }, { path: 'edits.constructor', message: /cannot be edited/ }],
  ])('%s are refused at their place', async (_, edits, problem) => {
    await expect(decide(edits)).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
      status: 400,
      details: [{ path: problem.path, message: expect.stringMatching(problem.message) }],
    });
    expect((await scene.approval()).state).toBe('pending');
  });
});

describe('edits that reach for what everything inherits', () => {
  const subject: JsonObject = { offer: 'x', tags: ['a'], sender: { name: 'Ann' } };
  const anything = { any: () => [] };
  const row = { kind: 'any', subject, context: {} } as unknown as ApprovalRow;
  const apply = (edits: unknown) => editedSubject(row, editsSchema.parse(edits), anything);

  test.each([
    '/__proto__/x',
    '/constructor/prototype/x',
    '/toString/x',
    '/hasOwnProperty/call',
    '/tags/push/x',
    '/tags/__proto__/x',
    '/tags/length',
    '/offer/sub/x',
    '/sender/valueOf/x',
  ])('cannot touch %s', (path) => {
    for (const operation of [
      { op: 'add', path, value: 1 },
      { op: 'replace', path, value: 4_294_967_295 },
      { op: 'remove', path },
      { op: 'copy', from: path, path: '/offer' },
      { op: 'move', from: path, path: '/offer' },
      { op: 'copy', from: '/offer', path },
      { op: 'move', from: '/offer', path },
    ])
      expect(() => apply([operation])).toThrow(expect.objectContaining({ code: 'VALIDATION_FAILED' }));
    expect(Object.keys(Object.prototype)).toEqual([]);
    for (const { prototype } of [Object, Array, String])
      for (const name of ['toString', 'hasOwnProperty', 'valueOf', 'push', 'sub']) {
        const inherited = Reflect.get(prototype, name) as object | undefined;
        expect(inherited === undefined ? [] : Object.keys(inherited)).toEqual([]);
      }
  });

  test('nor by a merge', () => {
    const edits = JSON.parse('{"__proto__": {"polluted": 1}, "sender": {"__proto__": {"polluted": 1}}}') as unknown;
    const { subject: edited } = apply(edits);
    expect('polluted' in {}).toBe(false);
    expect(edited['polluted']).toBeUndefined();
    expect((edited['sender'] as JsonObject)['polluted']).toBeUndefined();
  });

  test.each(['offer', '/a~2b', '#/offer', 'tags/0'])('and %j is no pointer', (path) => {
    expect(editsSchema.safeParse([{ op: 'remove', path }]).success).toBe(false);
  });

  test('nor grow without end', () => {
    const copies = Array.from({ length: 200 }, (_, index) => ({ op: 'copy', from: '', path: `/c${index}` }));
    expect(() => apply(copies)).toThrow(expect.objectContaining({ code: 'VALIDATION_FAILED' }));
  });
});

describe('the difference', () => {
  const differ = (before: JsonObject, after: JsonObject): Operation[] => {
    const row = { kind: 'any', subject: before, context: {} } as unknown as ApprovalRow;
    const whole: Edits = [
      ...Object.keys(before).map((name) => ({ op: 'remove' as const, path: `/${escaped(name)}` })),
      ...Object.entries(after).map(([name, value]) => ({ op: 'add' as const, path: `/${escaped(name)}`, value })),
    ];
    return editedSubject(row, whole, { any: () => [] }).diff as unknown as Operation[];
  };
  const escaped = (name: string) => name.replaceAll('~', '~0').replaceAll('/', '~1');

  test('turns any subject into any other', () => {
    const name = fc.constantFrom('a', 'b', 'c/d', '~e');
    const leaf = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.boolean(), fc.constantFrom('x', 'y'), fc.constant(null));
    const { value } = fc.letrec<{ value: Json }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        leaf,
        fc.array(tie('value'), { maxLength: 5 }),
        fc.dictionary(name, tie('value'), { noNullPrototype: true }),
      ),
    }));
    const object = fc.dictionary(name, value, { noNullPrototype: true });
    fc.assert(
      fc.property(object, object, (before, after) => {
        const result = structuredClone(before);
        expect(applyPatch(result, differ(before, after)).filter(Boolean)).toEqual([]);
        expect(result).toEqual(after);
      }),
      { numRuns: 500 },
    );
  });

  test('of long lists names what was changed, in no time', () => {
    const list = Array.from({ length: 20_000 }, (_, index) => ({ lead: index }));
    const changed = list.toSpliced(10_000, 1, { lead: -1 });
    expect(differ({ list }, { list: changed })).toEqual([{ op: 'replace', path: '/list/10000/lead', value: -1 }]);
    expect(differ({ list }, { list: list.toSpliced(5, 2) })).toEqual([
      { op: 'remove', path: '/list/5' },
      { op: 'remove', path: '/list/5' },
    ]);
    expect(differ({ list }, { list: list.toSpliced(5, 0, { lead: -1 }) })).toEqual([
      { op: 'add', path: '/list/5', value: { lead: -1 } },
    ]);
  });
});

test('edits of a kind that takes none are refused', async () => {
  const { approval } = await scene.asked([asks(), works()]);
  await records.pool.query("update approvals set kind = 'other'");
  const edited = scene.harness.approvals.decide(approval.id, {
    decision: 'approve',
    by: 'Bea',
    reason: null,
    edits: { offer: 'y' },
  });
  await expect(edited).rejects.toMatchObject({ details: [{ path: 'edits', message: 'takes no edits' }] });
});
