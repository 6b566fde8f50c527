import { z } from 'zod';
import { ModelError, type ModelUsage } from '../model.ts';
import type { ProviderAnswer } from './provider.ts';
import { strangeAnswer } from './vertex-failure.ts';

const count = z.int().min(0).catch(0).default(0);

/** Of `GenerateContentResponse`, what is read here. Anything may be missing. */
const responseSchema = z.object({
  candidates: z
    .array(
      z.object({
        content: z
          .object({
            parts: z.array(z.object({ text: z.string().optional(), thought: z.boolean().optional() })).nullish(),
          })
          .nullish(),
        finishReason: z.string().nullish(),
      }),
    )
    .nullish(),
  promptFeedback: z.object({ blockReason: z.string().nullish() }).nullish(),
  usageMetadata: z
    .object({
      promptTokenCount: count,
      cachedContentTokenCount: count,
      thoughtsTokenCount: count,
      toolUsePromptTokenCount: count,
      candidatesTokenCount: count,
    })
    .nullish(),
  modelVersion: z.string().min(1).nullish(),
});

type Metadata = NonNullable<z.output<typeof responseSchema>['usageMetadata']>;

const usageOf = (metadata: Metadata): ModelUsage => ({
  prompt: metadata.promptTokenCount,
  cached: metadata.cachedContentTokenCount,
  thoughts: metadata.thoughtsTokenCount,
  tool: metadata.toolUsePromptTokenCount,
  output: metadata.candidatesTokenCount,
});

/**
 * Reads what both SDKs give as they got it.
 * @param askedModel its name, where the answer does not say one
 * @throws {ModelError} MODEL_UNAVAILABLE when this is no answer of a model
 */
export function readAnswer(response: unknown, askedModel: string): ProviderAnswer {
  const parsed = responseSchema.safeParse(response);
  if (!parsed.success) throw strangeAnswer('its fields are of other types', parsed.error);
  const { candidates, promptFeedback, usageMetadata, modelVersion } = parsed.data;
  const candidate = candidates?.[0];
  const parts = candidate?.content?.parts ?? [];
  return {
    text: parts.map((part) => (part.thought === true ? '' : (part.text ?? ''))).join(''),
    model: modelVersion ?? askedModel,
    usage: usageMetadata ? usageOf(usageMetadata) : null,
    blockReason: blockReasonOf(promptFeedback?.blockReason),
    finishReason: candidate?.finishReason ?? undefined,
  };
}

/** The API's name for no reason is no reason. */
const blockReasonOf = (reason: string | null | undefined) =>
  /^(?:BLOCK(?:ED)?_REASON_UNSPECIFIED)?$/.test(reason ?? '') ? undefined : (reason ?? undefined);

/** Finish reasons that mean the text was held back, as the API lists them. */
const HELD_BACK = /^(SAFETY|RECITATION|BLOCKLIST|PROHIBITED_CONTENT|SPII|MODEL_ARMOR|IMAGE_\w+)$/;
const CUT_OFF = /^MAX_TOKENS$/;
const ENDED = /^(STOP|FINISH_REASON_UNSPECIFIED)$/;

function truncated({ model, usage }: ProviderAnswer, maxOutputTokens: number): string {
  const thoughts = usage && usage.thoughts > 0 ? `, ${usage.thoughts} of them for its thoughts` : '';
  return `${model} was cut off: it had used the ${maxOutputTokens} tokens allowed to an answer${thoughts}. Mend: raise MODEL_MAX_OUTPUT_TOKENS, or ask for less.`;
}

/**
 * Why an answer is none, since the SDKs do not throw; null when it is one.
 * @param costMicros of everything until now
 * @param maxOutputTokens that it was allowed
 */
export function refusalIn(
  answer: ProviderAnswer,
  costMicros: number | null,
  maxOutputTokens: number,
): ModelError | null {
  const { blockReason, finishReason, text } = answer;
  if (blockReason !== undefined)
    return new ModelError('MODEL_BLOCKED', `The provider did not let the prompt through (${blockReason}).`, {
      costMicros,
    });
  if (finishReason !== undefined && HELD_BACK.test(finishReason))
    return new ModelError('MODEL_BLOCKED', `The provider held the answer back (${finishReason}).`, { costMicros });
  if (finishReason !== undefined && CUT_OFF.test(finishReason))
    return new ModelError('MODEL_TRUNCATED', truncated(answer, maxOutputTokens), { costMicros });
  const ended = finishReason === undefined || ENDED.test(finishReason);
  if (ended && text.trim() !== '') return null;
  const why =
    finishReason === undefined ? 'no answer' : ended ? 'an empty answer' : `an answer that ended by ${finishReason}`;
  return new ModelError('MODEL_REFUSED', `The model gave ${why}.`, { costMicros, retryable: true });
}
