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

const judged = (body: string) => auditOffline(brief, [copyOf(body)]);

describe('texts of 50,000 characters', () => {
  // A gate that goes back again and again does not come to an end before the test is given up.
  test.each(PIECES)('made of %j are judged, with a bounded number of findings', async (piece) => {
    const { findings, gates } = await judged(piece.repeat(Math.floor(50_000 / piece.length)));
    expect(findings.length).toBeLessThanOrEqual(50 * gates.length);
    for (const { omitted } of gates) expect(omitted).toBeGreaterThanOrEqual(0);
  });

  test('say how many findings were left out, and keep the gravest', async () => {
    const { findings, gates } = await judged(`${'It is the best. '.repeat(200)}It cures cancer.`);
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
