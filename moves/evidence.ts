import { createHash } from 'node:crypto';
import type { PlanContext } from './context.ts';
import { clipped, type Evidence } from './statement.ts';

/** What planning needs of the knowledge base; implemented by knowledge/knowledge-base.ts. */
export interface KnownFacts {
  search(request: { query: string; collection?: string | undefined; suspicious: boolean; limit: number }): Promise<{
    note: string | null;
    hits: { fact: { id: string; context: string; text: string; contradictions: readonly unknown[] } }[];
  }>;
}

/** Characters of a piece of evidence. */
const LONGEST = 2_000;
/** Characters of the question to the knowledge base. */
const LONGEST_QUESTION = 400;

const fromRequest = (id: string, text: string, location: string): Evidence => ({
  id,
  text: clipped(text, LONGEST),
  source: { kind: 'request', location },
});

/** What the request itself says, each piece under an id of its own, and the facts that it gives. */
export function requestEvidence(context: PlanContext): Evidence[] {
  return [...ownEvidence(context), ...context.facts.map(({ id, text }, at) => fromRequest(id, text, `facts[${at}]`))];
}

/** What the request says without its facts: objective, cohorts, foundation, KPIs, budget. */
export function ownEvidence(context: Omit<PlanContext, 'facts' | 'startsOn'>): Evidence[] {
  const { objective, cohorts, foundation, kpis, budget } = context;
  const numbered = (prefix: string, path: string, texts: readonly string[]) =>
    texts.map((text, at) => fromRequest(`${prefix}-${at + 1}`, text, `${path}[${at}]`));
  return [
    fromRequest('objective', objective, 'objective'),
    ...cohorts.map(({ name, description, pains }, at) => {
      const troubles = pains.length > 0 ? ` Pains: ${pains.join('; ')}` : '';
      return fromRequest(`cohort-${at + 1}`, `${name}: ${description}${troubles}`, `cohorts[${at}]`);
    }),
    fromRequest('foundation-promise', `${foundation.brand}: ${foundation.promise}`, 'foundation.promise'),
    ...numbered('foundation-product', 'foundation.products', foundation.products),
    ...numbered('foundation-proof', 'foundation.proof', foundation.proof),
    ...numbered('foundation-constraint', 'foundation.constraints', foundation.constraints),
    ...kpis.map(({ name, label = name, baseline, target, unit }, at) =>
      fromRequest(`kpi-${name}`, `${label}: ${baseline} ${unit} now, ${target} ${unit} wanted`, `kpis[${at}]`),
    ),
    fromRequest('budget', `The budget of the 90 days is $${budget}.`, 'budget'),
  ];
}

/** What the knowledge base holds about the objective, the products and the cohorts. What contradicts itself is left out. */
export async function knownEvidence(
  context: PlanContext,
  knowledge: KnownFacts,
): Promise<{ evidence: Evidence[]; note: string | null }> {
  if (!context.knowledge) return { evidence: [], note: null };
  const { collection, limit } = context.knowledge;
  const { objective, foundation, cohorts } = context;
  const query = `${objective} ${foundation.products.join(' ')} ${cohorts.map(({ name }) => name).join(' ')}`;
  const found = await knowledge.search({
    query: clipped(query, LONGEST_QUESTION),
    collection,
    suspicious: false,
    limit,
  });
  const evidence = found.hits
    .filter(({ fact }) => fact.contradictions.length === 0)
    .map(({ fact: { id, context: heading, text } }): Evidence => {
      const said = heading === '' ? text : `${heading}: ${text}`;
      return { id: `knowledge-${id}`, text: clipped(said, LONGEST), source: { kind: 'knowledge', location: id } };
    });
  return { evidence, note: found.note };
}

/** The evidence without those whose id another piece before it has. */
export function withoutRepeats(evidence: readonly Evidence[]): Evidence[] {
  const seen = new Set<string>();
  return evidence.filter(({ id }) => !seen.has(id) && seen.add(id) !== undefined);
}

/** SHA-256 of evidence, in hex: what a proposal was made from. */
export function evidenceDigest(evidence: readonly Evidence[]): string {
  return createHash('sha256')
    .update(JSON.stringify(evidence.map(({ id, text }) => [id, text])))
    .digest('hex');
}
