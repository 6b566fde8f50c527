import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { freshRecords, type TestRecords } from '../../support/records.ts';
import { BRIEF, Scene } from './scene.ts';

let records: TestRecords;
let scene: Scene;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(() => {
  scene = new Scene(records);
});
afterEach(async () => {
  await scene.close();
  await records.truncate();
});
afterAll(() => records.close());

const fact = (id: string, text: string, contradictions: unknown[] = [], context = '') => ({
  id,
  context,
  text,
  contradictions,
});

describe('a brief that asks for knowledge', () => {
  test('is given what is known about it beside its own facts, and says which', async () => {
    scene.known = [fact('a', 'Lunch is served until 3 pm.', [], 'Opening hours'), fact('b', 'The chef is from Bari.')];
    const bundle = await scene.write({ knowledge: { collection: 'sole', limit: 5 } });
    expect(bundle.knowledge).toEqual({ collection: 'sole', facts: ['knowledge-a', 'knowledge-b'], note: null });
    expect(bundle.brief['facts']).toEqual([
      ...(BRIEF['facts'] as object[]),
      { id: 'knowledge-a', text: 'Opening hours: Lunch is served until 3 pm.' },
      { id: 'knowledge-b', text: 'The chef is from Bari.' },
    ]);
    expect(scene.searches).toEqual([
      { query: expect.stringContaining('weekday lunches'), collection: 'sole', suspicious: false, limit: 5 },
    ]);
    const asked = scene.model.requests.find(({ task }) => task === 'brief.copy');
    expect(JSON.stringify(asked?.input['brief'])).toContain('Lunch is served until 3 pm.');
  });

  test('states nothing that contradicts itself, and stays within what an agent can be given', async () => {
    const long = 'word '.repeat(390).trim();
    scene.known = [
      fact('a', 'Lunch costs 15 euros.', [{ id: 'z' }]),
      fact('b', `${long} ${long}`),
      ...Array.from({ length: 20 }, (_, nth) => fact(`n${nth}`, `${nth} ${long}`)),
    ];
    const facts = Array.from({ length: 20 }, (_, nth) => ({ id: `own-${nth}`, text: `${nth} ${long}` }));
    const bundle = await scene.write({ facts, knowledge: {} });
    const given = bundle.knowledge?.facts ?? [];
    expect(given).toContain('knowledge-n0');
    expect(given).not.toContain('knowledge-a');
    expect(given).not.toContain('knowledge-b');
    expect(given.length).toBeLessThan(20);
    expect(JSON.stringify(bundle.brief).length).toBeLessThanOrEqual(65_536);
  });

  test.each([
    [{ limit: 0 }, 'knowledge.limit'],
    [{ limit: 21 }, 'knowledge.limit'],
    [{ collection: '' }, 'knowledge.collection'],
    [{ from: 'x' }, 'knowledge.from'],
  ])('cannot ask with %j', async (knowledge, path) => {
    const answer = await scene.post('/api/briefs', { ...BRIEF, knowledge });
    expect([answer.status, answer.body.error.details[0].path]).toEqual([400, path]);
  });

  test('that does not ask is given nothing', async () => {
    scene.known = [fact('a', 'Lunch is served until 3 pm.')];
    expect(await scene.write()).toMatchObject({ knowledge: null, brief: { facts: BRIEF['facts'] } });
    expect(scene.searches).toEqual([]);
  });
});
