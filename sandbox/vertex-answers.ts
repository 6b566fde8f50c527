import { isJsonObject } from '../shared/json.ts';

/** Tokens as Vertex reports them; what is not given is made from the sizes. */
export interface SandboxUsage {
  promptTokenCount?: number;
  cachedContentTokenCount?: number;
  thoughtsTokenCount?: number;
  toolUsePromptTokenCount?: number;
  candidatesTokenCount?: number;
}

/** What one request meets. */
export type VertexReply = (
  | { kind: 'value'; value: unknown }
  /** The value in a code fence. */
  | { kind: 'fenced'; value: unknown }
  /** Any text, such as prose where JSON was asked for. */
  | { kind: 'text'; text: string }
  | { kind: 'blocked_prompt'; reason?: string }
  | { kind: 'blocked_answer'; reason?: string }
  | { kind: 'truncated'; text?: string }
  | { kind: 'no_candidates' }
  | { kind: 'empty_text' }
  | { kind: 'status'; status: number; message?: string; retryAfter?: string; retryDelay?: string }
  /** A proxy's page in the place of an answer. */
  | { kind: 'html'; status: number }
  /** A success that is not what it should be. */
  | { kind: 'raw'; body: string }
  | { kind: 'hang' }
  | { kind: 'reset' }
  /** Ends in the middle of the body. */
  | { kind: 'cut' }
  /** Stops in the middle of the body, and stays. */
  | { kind: 'stall' }
) & {
  /** Null: the answer says nothing of its tokens. */
  usage?: SandboxUsage | null;
  /** Milliseconds before it. */
  delayMs?: number;
};

/** A reply that a model gives itself, well or badly. */
export type SaidReply = Extract<
  VertexReply,
  {
    kind:
      | 'value'
      | 'fenced'
      | 'text'
      | 'blocked_prompt'
      | 'blocked_answer'
      | 'truncated'
      | 'no_candidates'
      | 'empty_text';
  }
>;

const PROSE_LETTERS = 'Stand-in text of the sandbox.';

/**
 * A value that fits a response schema of Vertex, the same every time: first enum values, least numbers and lengths, all fields.
 * Limits that stand only in descriptions (`at most 20 characters`) are kept as far as these words say them.
 */
export function instanceOf(schema: unknown): unknown {
  if (!isJsonObject(schema)) return null;
  const { anyOf, type, items, properties, minItems } = schema;
  if (Array.isArray(anyOf)) return instanceOf(anyOf[0]);
  if (Array.isArray(schema['enum'])) return schema['enum'][0];
  switch (type) {
    case 'OBJECT': {
      const fields = isJsonObject(properties) ? properties : {};
      return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, instanceOf(field)]));
    }
    case 'ARRAY':
      return Array.from({ length: Number(minItems ?? 1) }, () => instanceOf(items));
    case 'INTEGER':
    case 'NUMBER':
      return typeof schema['minimum'] === 'number' ? schema['minimum'] : 1;
    case 'BOOLEAN':
      return true;
    default: {
      const { description, format } = schema;
      if (format === 'date-time') return '2026-01-01T00:00:00Z';
      return textFor(typeof description === 'string' ? description : '');
    }
  }
}

function textFor(description: string): string {
  const least = Number(/at least (\d+) characters/.exec(description)?.[1] ?? 0);
  const most = Number(/at most (\d+) characters/.exec(description)?.[1] ?? Infinity);
  return PROSE_LETTERS.repeat(Math.ceil(least / PROSE_LETTERS.length) || 1).slice(0, Math.max(most, 0));
}

/** A repeatable direction of unit length for a text, so that equal texts are equal and others are not. */
export function vectorOf(text: string, dimensions: number): number[] {
  let state = 0x811c9dc5;
  for (const byte of Buffer.from(text)) state = Math.imul(state ^ byte, 0x01000193) >>> 0;
  const raw = Array.from({ length: dimensions }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296 - 0.5;
  });
  const length = Math.hypot(...raw) || 1;
  return raw.map((value) => value / length);
}

interface Answering {
  model: string;
  /** Bytes of the request, from which tokens are made. */
  promptBytes: number;
}

/** The body of a `generateContent` answer. */
export function contentAnswer(reply: SaidReply, { model, promptBytes }: Answering): object {
  const { text, finishReason, blockReason } = textOf(reply);
  const parts = text === undefined ? {} : { content: { role: 'model', parts: [{ text }] } };
  const usage = {
    promptTokenCount: Math.ceil(promptBytes / 4),
    candidatesTokenCount: Math.ceil((text ?? '').length / 4),
    ...reply.usage,
  };
  return {
    ...(finishReason === undefined ? {} : { candidates: [{ ...parts, finishReason, index: 0 }] }),
    ...(blockReason === undefined
      ? {}
      : { promptFeedback: { blockReason, blockReasonMessage: 'Blocked by the sandbox.' } }),
    ...(reply.usage === null
      ? {}
      : { usageMetadata: { ...usage, totalTokenCount: Object.values(usage).reduce((sum, count) => sum + count, 0) } }),
    modelVersion: `${model}-sandbox`,
    responseId: 'sandbox',
  };
}

/** What a model says. A blocked answer has no content at all, as in reality. */
function textOf(reply: SaidReply): { text?: string; finishReason?: string; blockReason?: string } {
  switch (reply.kind) {
    case 'value':
      return { text: JSON.stringify(reply.value), finishReason: 'STOP' };
    case 'fenced':
      return { text: `\`\`\`json\n${JSON.stringify(reply.value, null, 2)}\n\`\`\``, finishReason: 'STOP' };
    case 'text':
      return { text: reply.text, finishReason: 'STOP' };
    case 'blocked_prompt':
      return { blockReason: reply.reason ?? 'SAFETY' };
    case 'blocked_answer':
      return { finishReason: reply.reason ?? 'SAFETY' };
    case 'truncated':
      return { text: reply.text ?? '{"headline": "Half a', finishReason: 'MAX_TOKENS' };
    case 'no_candidates':
      return {};
    case 'empty_text':
      break;
  }
  return { text: '', finishReason: 'STOP' };
}
