import { z } from 'zod';
import type { JsonObject } from '../../shared/json.ts';
import type { Micros } from '../../shared/money.ts';
import type { ArtifactKind } from '../artifacts.ts';
import type { Model } from '../model.ts';
import type { NormalizedBrief } from '../normalized-brief.ts';
import { judgeQuestions } from './judge-questions.ts';

/** UTF-16 units of what the judge is told, and of an artifact; real ones are seldom longer. */
const INSTRUCTIONS = 2_000;
const ARTIFACT = 4_000;
/** An answer is yes or no, a quote and a sentence. */
const ANSWER_TOKENS = 300;

/** About what judging artifacts of these kinds costs once, in micro-dollars, for the budget: they are not written yet. */
export function estimateAudit(brief: NormalizedBrief, kinds: readonly ArtifactKind[], model: Model): Micros {
  if (model.provider === 'rules') return 0;
  const question = model.estimate({
    task: 'audit.judge',
    tier: 'fast',
    instructions: 'x'.repeat(INSTRUCTIONS),
    input: { brief: brief as unknown as JsonObject, candidate: 'x'.repeat(ARTIFACT) },
    schema: z.object({ answer: z.boolean() }),
    maxOutputTokens: ANSWER_TOKENS,
  });
  return kinds.reduce((sum, kind) => sum + judgeQuestions(brief, { kind }).length * question, 0);
}
