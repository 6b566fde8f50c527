import { z } from 'zod';
import { estimateWriting, write } from '../../generation/agents/write.ts';
import type { Assignment } from '../../generation/agents/agent.ts';
import { CHANNELS } from '../../generation/artifacts.ts';
import { constraintsSchema, type NormalizedBrief, normalizedBriefSchema } from '../../generation/normalized-brief.ts';
import { iso } from '../../shared/clock.ts';
import type { JsonObject } from '../../shared/json.ts';
import { problemsOf } from '../../shared/zod-problems.ts';
import type { Evidence } from '../statement.ts';
import { invalidArguments, type Tool, type ToolContext, type ToolRun } from './tool.ts';

/** Both models may be asked, one after the other. */
const TIME_LIMIT_MS = 60_000;

const { objective, audience, product, tone, language, brandGuidelines } = normalizedBriefSchema.shape;

const argumentsSchema = z.strictObject({
  kind: z.enum(['copy', 'social', 'poster']),
  channels: z
    .array(z.enum(CHANNELS))
    .min(1)
    .max(CHANNELS.length)
    .default(['linkedin'])
    .meta({ description: 'Where posts are for.' }),
  brief: z.strictObject({
    objective,
    audience,
    product,
    tone,
    language,
    brandGuidelines,
    // Lengths by channel are free keys, of which no model can be asked.
    constraints: constraintsSchema.omit({ maxLength: true, minLength: true }).prefault({}),
  }),
  facts: z
    .array(z.string().trim().min(1).max(200))
    .max(30)
    .default([])
    .meta({ description: 'Ids of the evidence that it may rest on; it states nothing else as a fact.' }),
});
type Arguments = z.infer<typeof argumentsSchema>;

/**
 * What the writer is given. Facts are named by their ids and taken from what the step knows: a text that somebody makes up in the
 * arguments would else be stated as a fact.
 * @throws {ToolError} TOOL_ARGUMENTS_INVALID for unknown facts and contradictions of the brief
 */
function assignmentOf(args: Arguments, evidence: readonly Evidence[]): Assignment {
  const known = new Map(evidence.map((one) => [one.id, one]));
  const unknown = args.facts.flatMap((id, at) =>
    known.has(id)
      ? []
      : [{ path: `facts[${at}]`, message: 'is no evidence of this step', mend: 'name one that is, or leave it out' }],
  );
  if (unknown.length > 0) throw invalidArguments('content', unknown);
  const facts = [...new Set(args.facts)].flatMap((id) => {
    const text = known.get(id)?.text.slice(0, 2_000).toWellFormed();
    return text === undefined ? [] : [{ id: id.slice(0, 100), text }];
  });
  const parsed = normalizedBriefSchema.safeParse({ ...args.brief, facts });
  if (!parsed.success)
    throw invalidArguments(
      'content',
      problemsOf(parsed.error, args.brief).map((problem) => ({ ...problem, path: `brief.${problem.path}` })),
    );
  const brief: NormalizedBrief = parsed.data;
  return { brief, channels: args.channels };
}

/** Has generation write one artifact from a brief. */
export const content: Tool<Arguments> = {
  name: 'content',
  description: 'Has a copy, posts for channels, or the concept of a poster written from a brief.',
  schema: argumentsSchema,
  timeLimitMs: TIME_LIMIT_MS,
  offers: () => [{ description: content.description, arguments: argumentsSchema as unknown as z.ZodType<JsonObject> }],
  estimate: (args, { model, evidence }) => estimateWriting(args.kind, assignmentOf(args, evidence), model),
  async run(args, context: ToolContext): Promise<ToolRun> {
    const { runId, stepName, callKey, attempt, model, signal, deadline, clock, evidence } = context;
    const commission = {
      runId,
      // The id of an artifact follows from it.
      stepName: `${stepName}/${callKey}/${args.kind}`,
      attempt,
      assignment: assignmentOf(args, evidence),
      at: iso(clock.now()),
    };
    const call = { signal, deadline, clock, onSent: () => context.onSent() };
    const { artifact, costMicros, costUnknown } = await write(args.kind, commission, model, call);
    return { result: { artifact: artifact as unknown as JsonObject }, costMicros, costUnknown };
  },
};
