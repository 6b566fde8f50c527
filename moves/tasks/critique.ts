import { z } from 'zod';
import { slug, wording } from '../statement.ts';

const remarkSchema = z.strictObject({
  /** `major`: the proposal should not be carried out like this. */
  severity: z.enum(['major', 'minor']),
  path: wording(200).meta({ description: 'Where in the proposal, such as phases[1].goal' }),
  problem: wording(1_000),
  suggestion: wording(1_000),
});
export type Remark = z.infer<typeof remarkSchema>;

const predictionSchema = z
  .strictObject({
    kpi: slug,
    /** On the last day, in the KPI's unit: most likely, and the interval of 80 %. */
    likely: z.number(),
    low: z.number(),
    high: z.number(),
  })
  .refine(({ likely, low, high }) => low <= likely && likely <= high, {
    error: 'lies outside its own interval',
    params: { mend: 'give low ≤ likely ≤ high' },
  });

/** Remarks of a critique at most: more than this nobody mends at once. */
export const MOST_REMARKS = 12;

/** What a critic says of an arc, of moves or of a pivot before people see it. */
export const critiqueSchema = z.strictObject({
  remarks: z.array(remarkSchema).max(MOST_REMARKS),
  /** How sure the critic is that the KPIs will be within the intervals, 0 to 1. */
  confidence: z.number().min(0).max(1),
  predicted: z.array(predictionSchema).max(20),
});
export type Critique = z.infer<typeof critiqueSchema>;
