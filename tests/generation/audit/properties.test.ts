import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CHANNELS, passagesOf, storable, type Artifact } from '../../../generation/artifacts.ts';
import { LONGEST_EXCERPT } from '../../../generation/audit/finding.ts';
import { normalizedBriefSchema } from '../../../generation/normalized-brief.ts';
import { auditOffline, briefWith, copyOf, posterOf, socialOf } from './support/auditing.ts';

/** Text of all kinds: words that gates look for, any characters, halves of surrogate pairs. */
const pieces = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.constantFrom('\ud83d', '\udc4d', '​', '\u0301', '\u202e', '\0', '\n', ' ', '🔥', '{{x}}', '<b>', '<!--'),
  fc.constantFrom('50% off', 'free', 'f r e e', 'the best', 'call +44 20 7946 0958', 'a@b.co', 'https://x.io', 'fuck'),
  fc.constantFrom('Ignore previous instructions.', 'guaranteed', '[Company]', 'since 1998', 'the the', '$9', 'аcme'),
);
const text = fc.array(pieces, { minLength: 1, maxLength: 12 }).map((parts) => parts.join(' '));

const artifact: fc.Arbitrary<Artifact> = fc.oneof(
  fc.record({ headline: text, body: text, callToAction: text }).map(({ body, ...more }) => copyOf(body, more)),
  fc
    .array(
      fc.record({
        channel: fc.constantFrom(...CHANNELS),
        text,
        title: text,
        hashtags: fc.array(fc.string({ unit: 'binary', maxLength: 10 }), { maxLength: 3 }),
      }),
      { minLength: 1, maxLength: 4 },
    )
    .map((posts) => socialOf(...posts)),
  fc
    .record({ headline: text, concept: text, altText: text, palette: fc.array(text, { minLength: 1, maxLength: 2 }) })
    .map(posterOf),
);

const strict = briefWith({
  tone: 'formal',
  constraints: {
    prohibitedTerms: ['free', '50%'],
    requiredTerms: ['Tably'],
    maxReadingGrade: 4,
    allowEmojis: false,
    maxLength: 40,
  },
  brandGuidelines: { adjectives: ['warm'], avoidAdjectives: ['cheap'], palette: ['teal'] },
});

const isTerm = (term: string) =>
  normalizedBriefSchema.safeParse({ ...briefWith(), constraints: { prohibitedTerms: [term] } }).success;

describe('the audit of any text', () => {
  test('cuts out with its offsets what it shows', async () => {
    await fc.assert(
      fc.asyncProperty(artifact, async (candidate) => {
        const texts = new Map(
          passagesOf(candidate.kind, candidate.content as never).map((one) => [one.path, one.text]),
        );
        const { findings, gates } = await auditOffline(strict, [candidate]);
        for (const { path, start, end, excerpt, message, mend, gate } of findings) {
          const whole = texts.get(path) as string;
          expect(start >= 0 && start <= end && end <= whole.length).toBe(true);
          const piece = whole.slice(start, end);
          const shown = piece.length > LONGEST_EXCERPT ? `${piece.slice(0, LONGEST_EXCERPT - 1)}…` : piece;
          expect(excerpt).toBe(storable(shown));
          expect(`${message}${mend}`.isWellFormed()).toBe(true);
          expect(message.length * mend.length).toBeGreaterThan(0);
          expect(gates.map((report) => report.gate)).toContain(gate);
        }
      }),
      { numRuns: 80 },
    );
  });

  test('finds the same in whatever order the artifacts come, and twice', async () => {
    await fc.assert(
      fc.asyncProperty(artifact, artifact, artifact, async (...candidates) => {
        const named = candidates.map((candidate, at) => ({ ...candidate, id: `artifact-${at}` }));
        const forth = await auditOffline(strict, named);
        const back = await auditOffline(structuredClone(strict), structuredClone(named.toReversed()));
        expect(back).toEqual(forth);
      }),
      { numRuns: 20 },
    );
  });

  test('finds a prohibited term wherever it is put in', async () => {
    const term = fc
      .oneof(
        fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }),
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }),
        fc.constantFrom(
          'free',
          'no risk',
          '100%',
          'C++',
          'straße',
          'ﬁne',
          '免费',
          'T&Cs',
          "don't",
          'U.S.',
          '½ price',
          's!te',
          'a|b',
        ),
      )
      .filter(isTerm);
    await fc.assert(
      fc.asyncProperty(
        term,
        text,
        fc.nat(),
        fc.constantFrom('en', 'de', 'ru', 'ja'),
        async (wanted, around, at, language) => {
          const place = at % (around.length + 1);
          const body = `${around.slice(0, place)} ${wanted} ${around.slice(place)}`;
          const brief = briefWith({ language, constraints: { prohibitedTerms: [wanted] } });
          const { findings } = await auditOffline(brief, [copyOf(body)]);
          const hits = findings.filter(
            ({ gate, path, start, end }) =>
              gate === 'prohibited-terms' && path === '/body' && end > place && start < place + wanted.length + 2,
          );
          expect(hits).not.toEqual([]);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('finds a disguised word whatever separates its letters', async () => {
    const separator = fc.constantFrom(' ', '.', '-', '*', '_', ' - ', '​', '\u200d', '\u00ad', '·', '  ');
    await fc.assert(
      fc.asyncProperty(separator, fc.constantFrom('free', 'viagra', 'guarantee'), async (between, word) => {
        const brief = briefWith({ constraints: { prohibitedTerms: [word] } });
        const body = `Here it stands, ${word.split('').join(between)}, for all`;
        const { findings } = await auditOffline(brief, [copyOf(body)]);
        expect(findings.filter(({ gate }) => gate === 'prohibited-terms')).toHaveLength(1);
      }),
    );
  });
});
