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

/** What is said of a KPI on a day. Another day's is another piece: an arc goes on citing what was true when it was made. */
export const kpiEvidenceId = (kpi: string, { today }: Pick<Variance, 'today'>) => `kpi-${kpi}@${today}`;
export const channelEvidenceId = (channel: string, { today }: Pick<Variance, 'today'>) => `channel-${channel}@${today}`;

/**
 * How a plan does, as evidence that a pivot can cite: `kpi-<name>@<day>`, `phase-<id>@<day>`, `channel-<name>@<day>`, and
 * `move-<id>@<day>` for moves that are late, blocked or done.
 */
export function varianceEvidence(variance: Variance): Evidence[] {
  const { today, kpis, phases, channels, moves } = variance;
  const telling = moves.filter(({ state, late }) => late || state === 'blocked' || state === 'done');
  return [
    ...kpis.map(({ kpi, line }) => piece(kpiEvidenceId(kpi, variance), line, `variance.kpis.${kpi}`)),
    ...phases.map(({ phase, line }) => piece(`phase-${phase}@${today}`, line, `variance.phases.${phase}`)),
    ...channels.map(({ channel, line }) =>
      piece(channelEvidenceId(channel, variance), line, `variance.channels.${channel}`),
    ),
    ...telling.slice(-MOST_MOVES).map(({ id, line }) => piece(`move-${id}@${today}`, line, `variance.moves.${id}`)),
  ];
}

/** The evidence of a plan with how it does now. What was said earlier on the same day stays behind it, since it may be cited. */
export function evidenceNow(evidence: readonly Evidence[], variance: Variance): Evidence[] {
  const earlier = new Map(evidence.map(({ id, text }) => [id, text]));
  const now = varianceEvidence(variance).map((fact) => {
    const said = earlier.get(fact.id);
    return said === undefined || said === fact.text
      ? fact
      : { ...fact, text: `${fact.text}. Earlier: ${said}`.slice(0, LONGEST).toWellFormed() };
  });
  const ids = new Set(now.map(({ id }) => id));
  return [...evidence.filter(({ id }) => !ids.has(id)), ...now];
}
