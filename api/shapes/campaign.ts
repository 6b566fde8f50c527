import { z } from 'zod';
import type { CampaignRow } from '../../database/tables.ts';
import type { Scope } from '../../shared/config-lists.ts';
import { microsToDollars } from '../../shared/money.ts';
import { anyObject, count, dollars, time } from './common.ts';
import { shownDefinition } from './definition.ts';

export const campaignStatus = z.enum(['active', 'paused', 'completed', 'error']);

const fields = {
  id: z.guid(),
  name: z.string(),
  schedule: z.string().nullable().meta({ description: 'The cron expression; null: runs only when started by hand.' }),
  timezone: z.string(),
  status: campaignStatus,
  statusReason: z.string().nullable(),
  pausedBy: z.enum(['operator', 'budget', 'file']).nullable(),
  resumeAt: time.nullable().meta({ description: 'When a pause ends by itself.' }),
  lastRun: time.nullable(),
  nextRun: time.nullable().meta({ description: 'The next nominal time; null while paused or without a schedule.' }),
  totalRuns: count.meta({ description: 'Runs that have ended.' }),
  totalCost: dollars,
};

export const campaignSummary = z.strictObject(fields).meta({ id: 'CampaignSummary' });
export type CampaignSummary = z.infer<typeof campaignSummary>;

export const campaignDetail = z
  .strictObject({
    ...fields,
    description: z.string().nullable(),
    config: anyObject.meta({ description: 'The definition with every default filled in.' }),
    sourceFile: z
      .string()
      .nullable()
      .meta({ description: 'The file that keeps this campaign up to date, if one does.' }),
    projectId: z.string().nullable(),
    createdAt: time,
    updatedAt: time,
  })
  .meta({ id: 'Campaign' });
export type CampaignDetail = z.infer<typeof campaignDetail>;

/** A paused campaign has no next run, unless its pause ends by itself before then. */
function nextRun(row: CampaignRow): string | null {
  if (row.status === 'active') return row.next_run_at;
  const wakes = row.resume_at !== null && row.next_run_at !== null && row.resume_at <= row.next_run_at;
  return row.status === 'paused' && wakes ? row.next_run_at : null;
}

export function summarizeCampaign(row: CampaignRow): CampaignSummary {
  return {
    id: row.id,
    name: row.name,
    schedule: row.schedule_cron,
    timezone: row.schedule_timezone,
    status: row.status,
    statusReason: row.status_reason,
    pausedBy: row.paused_by,
    resumeAt: row.resume_at,
    lastRun: row.last_run_at,
    nextRun: nextRun(row),
    totalRuns: row.total_runs,
    totalCost: microsToDollars(row.total_cost_micros),
  };
}

/** @param scope of the key of whoever will see it */
export function presentCampaign(row: CampaignRow, scope: Scope | null): CampaignDetail {
  return {
    ...summarizeCampaign(row),
    description: row.description,
    config: shownDefinition(row.config, scope),
    sourceFile: row.source_file,
    projectId: row.project_id,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
