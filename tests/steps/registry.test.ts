import { describe, expect, test } from '@jest/globals';
import { engineNames, resolveKind, stepKinds } from '../../steps/registry.ts';

describe('the registry of step kinds', () => {
  test('names each kind as it names itself, in alphabetical order', () => {
    const names = Object.keys(stepKinds);
    expect(names).toEqual(names.toSorted());
    for (const [name, kind] of Object.entries(stepKinds)) {
      expect(kind.kind).toBe(name);
      expect(kind.description).toMatch(/^[A-Z].*\.$/);
      if (kind.engine !== null) expect(kind.defaultPath).toMatch(/^\/api\//);
      expect(kind.defaultTimeout).toBeGreaterThan(0);
      expect(kind.params.safeParse({ any: { thing: [1] } }).success).toBe(kind.engine !== null);
    }
  });

  test('every engine name that it offers leads to a kind', () => {
    for (const engine of engineNames) expect(stepKinds).toHaveProperty(resolveKind(engine) ?? 'nowhere');
  });

  test('only sending may not be repeated', () => {
    const once = Object.values(stepKinds).filter((kind) => kind.defaultEffect === 'once');
    expect(once.map((kind) => kind.kind)).toEqual(['sender']);
  });

  test.each([
    ['prospecting', undefined, 'prospecting'],
    ['outreach', undefined, 'outreach'],
    ['outreach', 'http://localhost:3001/api/compose-batch', 'outreach'],
    ['outreach', 'http://localhost:3001/api/send-batch', 'sender'],
    ['outreach', '/api/send-batch/?dry=1', 'sender'],
    ['outreach', '/api/send/compose-batch', 'outreach'],
    ['compose', undefined, 'outreach'],
    ['sender', '/api/anything', 'sender'],
    ['analysis', '/send', 'analysis'],
    ['toString', undefined, null],
    ['unheard-of', undefined, null],
  ])('engine %s at %s is %s', (engine, endpoint, kind) => {
    expect(resolveKind(engine, endpoint)).toBe(kind);
  });
});
