import { createHash } from 'node:crypto';
import type { CampaignDefinition } from '../campaigns/definition.ts';
import type { OutboxRow } from '../database/journal.ts';
import { findRun } from '../database/queries/runs.ts';
import type { Records } from '../database/records.ts';
import type { Clock } from '../shared/clock.ts';
import { newId } from '../shared/ids.ts';
import type { KpiFacts } from './facts.ts';
import { campaignFacts, type Occasion } from './gather-facts.ts';
import { oneLine } from './plain-text.ts';
import { troubleRecipients } from './recipients.ts';

/** A KPI whose colour changed, as the monitor tells of it. */
interface ChangedKpi {
  plan: { id: string; name: string };
  /** How often the colour has changed. */
  changes: number;
  from: KpiFacts['from'];
  status: Pick<KpiFacts, 'kpi' | 'label' | 'unit' | 'value' | 'expected' | 'attainment' | 'target' | 'observedAt'> & {
    colour: KpiFacts['to'];
  };
}

export interface KpiOccasion extends Occasion {
  runId: string;
  change: ChangedKpi;
}

/** Tells of a change of colour, once for each change, whoever hears of trouble of the campaign whose run saw it. */
export function kpiChanged(occasion: KpiOccasion): OutboxRow[] {
  const { campaign, change, runId, slackConfigured, nowMs } = occasion;
  const { plan, from, status } = change;
  const facts: KpiFacts = {
    ...campaignFacts(occasion),
    runId,
    planId: plan.id,
    plan: oneLine(plan.name),
    kpi: status.kpi,
    label: oneLine(status.label),
    unit: oneLine(status.unit, 50),
    from,
    to: status.colour,
    value: status.value,
    expected: status.expected,
    attainment: status.attainment,
    target: status.target,
    observedAt: status.observedAt,
  };
  return troubleRecipients(campaign.definition.notifications, slackConfigured).map(({ notifier, recipient }) => ({
    id: newId(nowMs),
    dedupe_key: `kpi:${plan.id}:${status.kpi}:${change.changes}:${notifier}:${digest(recipient)}`,
    kind: 'kpi.changed' as const,
    notifier,
    recipient,
    campaign_id: campaign.id,
    run_id: runId,
    facts,
  }));
}

/** Recipients may be long, and keys are indexed. */
const digest = (recipient: string) => createHash('sha256').update(recipient).digest('base64url');

interface TellingOfKpis {
  records: Records;
  clock: Clock;
  slackConfigured: boolean;
  publicUrl: string;
}

/** What makes the messages about changed KPIs for the campaign of a run; none when the run is not there any more. */
export function tellOfKpis({ records, clock, slackConfigured, publicUrl }: TellingOfKpis) {
  return async (change: ChangedKpi, run: { id: string }): Promise<OutboxRow[]> => {
    const row = await findRun(records, run.id);
    if (!row) return [];
    const campaign = { id: row.campaign_id, definition: row.definition as unknown as CampaignDefinition };
    return kpiChanged({ campaign, slackConfigured, publicUrl, nowMs: clock.now(), runId: run.id, change });
  };
}
