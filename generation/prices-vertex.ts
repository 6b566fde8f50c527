import type { PriceTable } from './prices.ts';

/** What other than the global endpoint costs more, percent, for models since Gemini 3. */
const REGIONAL = 10;

/**
 * Public list prices of Gemini models, pay as you go, text in and out, in micro-dollars for a million tokens. A date is the
 * first day, in UTC, on which a price holds.
 *
 * Taken on 2026-11-21 from copies of the vendor's page ai.google.dev/gemini-api/docs/pricing, read on 2026-10-07
 * (api-evangelist/deepmind, plans/deepmind-plans-pricing.yml) and of the changes since (Gemini 4 Argon: BerriAI/litellm
 * discussion 46238; Gemini 4 Carbon: docs.laozhang.ai, 2026-11-11). cloud.google.com/gemini-enterprise-agent-platform/
 * generative-ai/pricing lists the same figures for the global endpoint and ten percent more elsewhere (promptfoo/promptfoo
 * pull request 10389). For Gemini 4 and the embedding models the ten percent are assumed, as the dearer reading, and so is
 * Carbon's price of cached tokens, as Argon's.
 */
export const VERTEX_PRICES: PriceTable = {
  'gemini-2.5-flash': [{ input: 300_000, cached: 30_000, output: 2_500_000 }],
  'gemini-2.5-flash-lite': [{ input: 100_000, cached: 10_000, output: 400_000 }],
  'gemini-2.5-pro': [
    {
      input: 1_250_000,
      cached: 125_000,
      output: 10_000_000,
      longPrompt: { aboveTokens: 200_000, input: 2_500_000, cached: 250_000, output: 15_000_000 },
    },
  ],
  'gemini-3.1-flash-lite': [{ input: 250_000, cached: 25_000, output: 1_500_000, regionalPercent: REGIONAL }],
  'gemini-3.1-pro-preview': [
    {
      input: 2_000_000,
      cached: 200_000,
      output: 12_000_000,
      longPrompt: { aboveTokens: 200_000, input: 4_000_000, cached: 400_000, output: 18_000_000 },
      regionalPercent: REGIONAL,
    },
  ],
  'gemini-3.5-flash': [{ input: 1_500_000, cached: 150_000, output: 9_000_000, regionalPercent: REGIONAL }],
  'gemini-3.5-flash-lite': [{ input: 300_000, cached: 30_000, output: 2_500_000, regionalPercent: REGIONAL }],
  'gemini-3.6-flash': [{ input: 1_500_000, cached: 150_000, output: 7_500_000, regionalPercent: REGIONAL }],
  'gemini-3.8-flash': [
    { input: 750_000, cached: 75_000, output: 3_750_000, regionalPercent: REGIONAL },
    { from: '2027-01-01', input: 1_500_000, cached: 150_000, output: 7_500_000, regionalPercent: REGIONAL },
  ],
  'gemini-4-argon': [
    { input: 2_000_000, cached: 100_000, output: 10_000_000, regionalPercent: REGIONAL },
    { from: '2026-12-01', input: 4_000_000, cached: 200_000, output: 20_000_000, regionalPercent: REGIONAL },
  ],
  'gemini-4-carbon': [
    { input: 2_000_000, cached: 100_000, output: 10_000_000, regionalPercent: REGIONAL },
    { from: '2026-12-01', input: 4_000_000, cached: 200_000, output: 20_000_000, regionalPercent: REGIONAL },
  ],
  'gemini-embedding-001': [{ input: 150_000, cached: 150_000, output: 0, regionalPercent: REGIONAL }],
  'gemini-embedding-2': [{ input: 200_000, cached: 200_000, output: 0, regionalPercent: REGIONAL }],
};
