import type { Evidence } from '../statement.ts';
import type { Variance } from './variance.ts';

/** Moves that become evidence at most; more is for reading elsewhere. */
const MOST_MOVES = 40;
/** UTF-16 code units of a piece of evidence. */
const LONGEST = 2_000;

const piece = (id: string, text: string, location: string): Evidence => ({
  id,
  text: text.slice(0, LONGEST).toWellFormed(),
  source: { kind: 'plan', location },
});

/**
 * How a plan does, as evidence that a pivot can cite: `kpi-<name>`, `phase-<id>`, `channel-<name>`, and `move-<id>` for moves that
 * are late, blocked or done.
 */
export function varianceEvidence({ kpis, phases, channels, moves }: Variance): Evidence[] {
  const telling = moves.filter(({ state, late }) => late || state === 'blocked' || state === 'done');
  return [
    ...kpis.map(({ kpi, line }) => piece(`kpi-${kpi}`, line, `variance.kpis.${kpi}`)),
    ...phases.map(({ phase, line }) => piece(`phase-${phase}`, line, `variance.phases.${phase}`)),
    ...channels.map(({ channel, line }) => piece(`channel-${channel}`, line, `variance.channels.${channel}`)),
    ...telling.slice(-MOST_MOVES).map(({ id, line }) => piece(`move-${id}`, line, `variance.moves.${id}`)),
  ];
}

/**
 * The evidence of a plan with how it does now. What is said of a KPI's present state takes the place of what the request said of
 * it under the same id, and holds its baseline and target, too.
 */
export function evidenceNow(evidence: readonly Evidence[], variance: Variance): Evidence[] {
  const now = varianceEvidence(variance);
  const ids = new Set(now.map(({ id }) => id));
  return [...evidence.filter(({ id }) => !ids.has(id)), ...now];
}
