import { z } from 'zod';
import type { FireRow } from '../../database/tables.ts';
import { count, time } from './common.ts';

export const fireOutcome = z.enum(['ran', 'caught_up', 'skipped']);

export const fire = z
  .strictObject({
    id: z.guid(),
    scheduledFor: time.meta({ description: 'The nominal time.' }),
    effectiveFor: time.meta({ description: 'The nominal time plus jitter.' }),
    outcome: fireOutcome,
    reason: z.string().nullable().meta({ description: 'Why it was skipped.' }),
    detail: z.string().nullable(),
    missedCount: count.meta({ description: 'How many nominal times this entry stands for.' }),
    runId: z.guid().nullable(),
    createdAt: time,
  })
  .meta({ id: 'Fire' });

export function presentFire(row: FireRow): z.infer<typeof fire> {
  return {
    id: row.id,
    scheduledFor: row.scheduled_for,
    effectiveFor: row.effective_for,
    outcome: row.outcome,
    reason: row.reason,
    detail: row.detail,
    missedCount: row.missed_count,
    runId: row.run_id,
    createdAt: row.created_at,
  };
}
