import type { Model } from '../generation/model.ts';
import { type Artifact, socialSchema } from '../generation/artifacts.ts';
import { estimateAudit } from '../generation/audit/estimate.ts';
import { normalizedBriefSchema } from '../generation/normalized-brief.ts';
import type { Micros } from '../shared/money.ts';
import { arcSchema } from './arc.ts';

/** Characters of what a draft is made from: the business context with the facts that are found for it. */
const CONTEXT_CHARACTERS = 40_000;
/** A draft and two revisions, and a critique of each. */
const ROUNDS = 3;
const BRIEF_CHARACTERS = 8_000;

function filler(characters: number): string {
  return 'word '.repeat(characters / 5).trim();
}

const nominal = (task: string, tier: 'fast' | 'best', characters: number, maxOutputTokens?: number) => ({
  task,
  tier,
  instructions: '',
  input: { text: 'x'.repeat(characters) },
  ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
});

/**
 * What planning an arc, moves or a pivot costs at most, in micro-dollars, for one plan with a context of the usual size; repairs are left out,
 * and a step for several plans is charged what it really cost.
 * @param tokens of the answer at most
 */
export function estimatePlanning(model: Model, tokens: number): Micros {
  const draft = model.estimate({ ...nominal('plan.arc', 'best', CONTEXT_CHARACTERS, tokens), schema: arcSchema });
  const critique = model.estimate({ ...nominal('plan.critique', 'fast', CONTEXT_CHARACTERS), schema: arcSchema });
  return ROUNDS * (draft + critique);
}

/** A brief and what was written for it, of the usual size; how many questions the judge asks depends on both. */
const ASKED = normalizedBriefSchema.parse({
  objective: filler(600),
  audience: filler(600),
  product: filler(1_500),
  tone: 'plain and friendly',
  facts: Array.from({ length: 6 }, (_, at) => ({ id: `fact-${at + 1}`, text: filler(300) })),
});
const WRITTEN: Artifact = {
  id: '',
  kind: 'copy',
  content: { headline: filler(80), body: filler(2_000), callToAction: filler(40) },
};

/**
 * What the assets of so many moves cost at most, in micro-dollars: each is written once, with both models asked, and judged once; repairs
 * and what is asked again are left out.
 */
export function estimateAssets(moves: number, model: Model): Micros {
  const of = (tier: 'fast' | 'best') =>
    model.estimate({ ...nominal('brief.social', tier, BRIEF_CHARACTERS), schema: socialSchema });
  return moves * (of('best') + of('fast') + estimateAudit(ASKED, [WRITTEN], model));
}
