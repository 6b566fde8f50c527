import { describe, expect, test } from '@jest/globals';
import { auditOffline, briefWith, copyOf, socialOf } from './support/auditing.ts';

const brief = briefWith({
  tone: 'formal',
  facts: [{ id: 'f1', text: 'Guests rise by 18%.' }],
  constraints: {
    prohibitedTerms: ['free', 'no risk', '100%'],
    requiredTerms: ['Tably'],
    maxReadingGrade: 8,
    allowEmojis: false,
  },
  brandGuidelines: { avoidAdjectives: ['cheap'] },
});

/** Pieces that send a careless expression or library back again and again. */
const PIECES: readonly string[] = 'a|1 |a.|a@|(at) |{{a}|<!--|\n|eyJ|aа|#aB|http://'.split('|');

const timed = async (body: string) => {
  const start = performance.now();
  const { gates, findings } = await auditOffline(brief, [copyOf(body)]);
  return { ms: performance.now() - start, gates, findings };
};

describe('texts of 100,000 characters', () => {
  // Any gate whose work grows with the square of the text takes minutes here, and most of them hours.
  test.each(PIECES)('made of %j are judged in time, with a bounded number of findings', async (piece) => {
    const { ms, findings, gates } = await timed(piece.repeat(Math.floor(100_000 / piece.length)));
    expect(ms).toBeLessThan(30_000);
    expect(findings.length).toBeLessThanOrEqual(50 * gates.length);
    for (const { omitted } of gates) expect(omitted).toBeGreaterThanOrEqual(0);
  });

  test('say how many findings were left out, and keep the gravest', async () => {
    const { findings, gates } = await timed(`${'It is the best. '.repeat(200)}It cures cancer.`);
    const claims = gates.find(({ gate }) => gate === 'claims');
    expect(claims).toEqual({ gate: 'claims', version: 1, findings: 50, omitted: 151 });
    expect(findings.filter(({ gate, severity }) => gate === 'claims' && severity === 'critical')).toHaveLength(1);
  });

  test('and more are not judged whole, and fail for it', async () => {
    const posts = Array.from({ length: 4 }, () => ({
      channel: 'facebook' as const,
      text: 'Fine words. '.repeat(5200),
    }));
    const { verdict, findings } = await auditOffline(briefWith(), [socialOf(...posts)]);
    expect(verdict).toBe('fail');
    expect(findings).toContainEqual(expect.objectContaining({ code: 'too_much_text', severity: 'critical' }));
    expect(findings.some(({ path }) => path === '/posts/3/text')).toBe(true);
  });
});
