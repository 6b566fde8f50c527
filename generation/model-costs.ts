import type { Clock } from '../shared/clock.ts';
import type { Micros } from '../shared/money.ts';
import type { ModelUsage } from './model.ts';
import { costOf, priceAt, type PriceTable } from './prices.ts';

/** What a model reads besides what it is sent: marks between turns, the schema's own frame. */
const FRAME_TOKENS = 256;

/** A text of so many bytes has at most so many tokens: the tokenizers fall back to single bytes, and have nothing smaller. */
const mostTokens = (text: string) => Buffer.byteLength(text);

/** What a call is made of, as far as it costs. */
export interface CallSize {
  /** Everything that is sent. */
  sent: readonly string[];
  maxOutputTokens: number;
}

/** Turns tokens into money, by the prices of the moment. */
export class ModelCosts {
  readonly #prices: PriceTable;
  readonly #location: string;
  readonly #clock: Clock;

  constructor(options: { prices: PriceTable; location: string; clock: Clock }) {
    this.#prices = options.prices;
    this.#location = options.location;
    this.#clock = options.clock;
  }

  /** Whether it is known what a model costs. */
  knows(model: string): boolean {
    return priceAt(this.#prices, model, this.#clock.now()) !== null;
  }

  /** @throws {RangeError} for a model without a price, which the start has refused already */
  of(model: string, usage: ModelUsage): Micros {
    const price = priceAt(this.#prices, model, this.#clock.now());
    if (!price) throw new RangeError(`there is no price for the model ${model}`);
    return costOf(usage, price, this.#location);
  }

  /** The most that one call can cost. Thoughts count among the output tokens that were allowed. */
  most(model: string, { sent, maxOutputTokens }: CallSize): Micros {
    return this.of(model, { ...NO_USAGE, prompt: promptTokens(sent), output: maxOutputTokens });
  }

  /** What a call is charged whose provider did not say what it used: its prompt and its answer at their largest. */
  assumed(model: string, sent: readonly string[], answer: string): Micros {
    return this.of(model, { ...NO_USAGE, prompt: promptTokens(sent), output: mostTokens(answer) });
  }

  /** What the vectors of texts cost at most. */
  mostForVectors(model: string, texts: readonly string[]): Micros {
    return texts.reduce((sum, text) => sum + this.of(model, { ...NO_USAGE, prompt: mostTokens(text) }), 0);
  }
}

export const NO_USAGE: ModelUsage = { prompt: 0, cached: 0, thoughts: 0, tool: 0, output: 0 };

const promptTokens = (sent: readonly string[]) => sent.reduce((sum, text) => sum + mostTokens(text), FRAME_TOKENS);

export function addUsage(a: ModelUsage, b: ModelUsage): ModelUsage {
  return {
    prompt: a.prompt + b.prompt,
    cached: a.cached + b.cached,
    thoughts: a.thoughts + b.thoughts,
    tool: a.tool + b.tool,
    output: a.output + b.output,
  };
}
