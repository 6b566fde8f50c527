import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { responseSchemaOf } from '../../generation/model-schema.ts';
import { startVertexSandbox, type VertexSandbox } from '../../sandbox/vertex.ts';
import { instanceOf, vectorOf } from '../../sandbox/vertex-answers.ts';

describe('the stand-in for Vertex', () => {
  let sandbox: VertexSandbox;
  beforeEach(async () => {
    sandbox = await startVertexSandbox();
  });
  afterEach(() => sandbox.close());

  const post = (path: string, body: string) =>
    fetch(`${sandbox.url}/v1/projects/p/locations/l/publishers/google/models/${path}`, { method: 'POST', body });

  test('writes what fits a schema, whatever it asks for', () => {
    const schema = z.object({
      short: z.string().max(5),
      long: z.string().min(200),
      pick: z.enum(['b', 'a']),
      when: z.iso.datetime(),
      many: z.array(z.int().min(7)).min(3),
      one: z.union([z.object({ a: z.boolean() }), z.string()]),
      share: z.number(),
    });
    expect(schema.safeParse(instanceOf(responseSchemaOf(schema)))).toMatchObject({ success: true });
    expect(instanceOf(undefined)).toBeNull();
  });

  test('answers in the words of the service: a candidate, its tokens, its model', async () => {
    const body = {
      contents: [{ role: 'user', parts: [{ text: '{}' }] }],
      generationConfig: { responseSchema: { type: 'OBJECT', properties: { ok: { type: 'BOOLEAN' } } } },
    };
    const answer = await post('some-model:generateContent', JSON.stringify(body));
    expect(await answer.json()).toMatchObject({
      candidates: [{ content: { role: 'model', parts: [{ text: '{"ok":true}' }] }, finishReason: 'STOP' }],
      usageMetadata: {
        promptTokenCount: expect.any(Number),
        candidatesTokenCount: 3,
        totalTokenCount: expect.any(Number),
      },
      modelVersion: 'some-model-sandbox',
    });
  });

  test('knows no other method, and no body that is not an object', async () => {
    expect((await post('some-model:countTokens', '{}')).status).toBe(404);
    expect((await fetch(sandbox.url)).status).toBe(404);
    expect((await post('some-model:generateContent', '[]')).status).toBe(400);
    expect(sandbox.requests).toEqual([]);
  });

  test('gives equal texts equal directions of unit length', () => {
    const [one, other] = [vectorOf('bread', 64), vectorOf('cake', 64)];
    expect(vectorOf('bread', 64)).toEqual(one);
    expect(Math.hypot(...one)).toBeCloseTo(1, 9);
    const cosine = one.reduce((sum, value, index) => sum + value * (other[index] ?? 0), 0);
    expect(Math.abs(cosine)).toBeLessThan(0.5);
  });
});
