import type { BudgetDefinition } from '../campaigns/definition.ts';
import type { Period } from '../database/tables.ts';
import { dollarsToMicros, formatMicros, type Micros } from '../shared/money.ts';

/** Why a budget does not let a step begin. */
export interface BudgetRefusal {
  /** `campaign:<id>`, `global`, or `run` for the limit per lead. */
  scope: string;
  period: Period | 'lead';
  /** First day of the period, `YYYY-MM-DD`; null for the limit per lead. */
  startsOn: string | null;
  limitMicros: Micros;
  spentMicros: Micros;
  /** What other steps under way have reserved. */
  heldMicros: Micros;
  /** What the refused step asked for. */
  amountMicros: Micros;
  /** When the period turns; null for the limit per lead, which no waiting mends. */
  turnsAtMs: number | null;
  /** Whether every limit would admit the step beside what is spent: only money that others hold, and may give back, is in its way. */
  onlyHeld: boolean;
  /** For people. */
  message: string;
}

/** What a campaign may spend in each period; null: no limit. */
export type PeriodLimits = Record<Period, Micros | null>;

/** The limits of a campaign's file, which are in dollars. A limit of 0 lets nothing begin. */
export function limitsOf(budget: BudgetDefinition): PeriodLimits {
  return { day: limitOf(budget.daily), week: limitOf(budget.weekly), month: limitOf(budget.monthly) };
}

/** Whether any period has a limit. */
export function isLimited(budget: BudgetDefinition): boolean {
  return budget.daily !== undefined || budget.weekly !== undefined || budget.monthly !== undefined;
}

function limitOf(dollars: number | undefined): Micros | null {
  return dollars === undefined ? null : dollarsToMicros(dollars);
}

const ADJECTIVES: Record<Period, string> = { day: 'daily', week: 'weekly', month: 'monthly' };

/** What an operator reads when a period's limit refuses a step. */
export function refusalMessage(
  refusal: Omit<BudgetRefusal, 'message' | 'onlyHeld' | 'period'> & { period: Period },
  timezone: string,
): string {
  const { limitMicros, spentMicros, heldMicros, amountMicros, turnsAtMs } = refusal;
  const whose = refusal.scope === 'global' ? ' of all campaigns together' : '';
  const name = `The ${ADJECTIVES[refusal.period]} budget of ${formatMicros(limitMicros)}${whose}`;
  const used = spentMicros + heldMicros >= limitMicros;
  const state = `${formatMicros(spentMicros)} spent, ${formatMicros(heldMicros)} held`;
  const asks = amountMicros > 0 ? `; the next step asks for ${formatMicros(amountMicros)}` : '';
  const verdict = used ? 'is used up' : 'has no room for the next step';
  const turns = turnsAtMs === null ? '' : ` It turns at ${wallTime(turnsAtMs, timezone)}.`;
  const never =
    amountMicros > limitMicros
      ? ' The step asks for more than the whole limit, so it will not fit then either: raise the limit, or set the estimatedCost of the step.'
      : '';
  return `${name} ${verdict}: ${state}${asks}.${turns}${never}`;
}

/** `2026-01-06 00:00 America/New_York`. */
function wallTime(ms: number, timezone: string): string {
  const local = Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(timezone).toPlainDateTime();
  return `${local.toString({ smallestUnit: 'minute' }).replace('T', ' ')} ${timezone}`;
}

/**
 * Whether the next step would take a run over its limit per lead: (spent so far + estimate) ÷ leads > limit. A run that
 * has no leads yet cannot be judged and is let through.
 * @returns null when the step may begin
 */
export function perLeadRefusal(input: {
  limitDollars: number | undefined;
  runCostMicros: Micros;
  estimateMicros: Micros;
  leads: number;
}): BudgetRefusal | null {
  const { limitDollars, runCostMicros, estimateMicros, leads } = input;
  if (limitDollars === undefined || leads <= 0) return null;
  const limitMicros = dollarsToMicros(limitDollars);
  const total = runCostMicros + estimateMicros;
  // Multiplied rather than divided: exact in integers.
  if (BigInt(total) <= BigInt(limitMicros) * BigInt(leads)) return null;
  const parts =
    `${formatMicros(runCostMicros)} spent` +
    (estimateMicros > 0 ? ` and ${formatMicros(estimateMicros)} for the next step` : '');
  return {
    scope: 'run',
    period: 'lead',
    startsOn: null,
    limitMicros,
    spentMicros: runCostMicros,
    heldMicros: 0,
    amountMicros: estimateMicros,
    turnsAtMs: null,
    onlyHeld: false,
    message:
      `The budget of ${formatMicros(limitMicros)} per lead ${runCostMicros > limitMicros * leads ? 'is passed' : 'would be passed'}: ` +
      `${parts} make ${formatMicros(Math.ceil(total / leads))} for each of ${leads} ${leads === 1 ? 'lead' : 'leads'}.`,
  };
}
