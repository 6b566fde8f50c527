import { z } from 'zod';
import { CHANNELS } from '../generation/artifacts.ts';
import { isDay } from './calendar.ts';
import { slug, statementSchema, wording } from './statement.ts';

export const day = z
  .string()
  .refine(isDay, { error: 'is not a day', params: { mend: 'write it as YYYY-MM-DD, such as 2026-03-02' } })
  .meta({ description: 'YYYY-MM-DD', format: 'date' });

/** Of a budget, 0 to 1. */
const share = z.number().min(0).max(1);

export const phaseSchema = z.strictObject({
  id: slug,
  name: wording(200),
  goal: statementSchema,
  startsOn: day,
  endsOn: day,
  /** Of the whole budget; all phases together have 1. */
  budgetShare: share,
  channels: z.array(z.enum(CHANNELS)).min(1).max(CHANNELS.length),
});
export type Phase = z.infer<typeof phaseSchema>;

export const milestoneSchema = z.strictObject({
  id: slug,
  name: wording(200),
  phase: slug,
  dueOn: day,
  /** How anybody sees that it is reached. */
  evidence: statementSchema,
  /** Ids of milestones that have to be reached before. */
  dependsOn: z.array(slug).max(20),
});
export type Milestone = z.infer<typeof milestoneSchema>;

export const kpiTargetSchema = z.strictObject({
  /** The name of a KPI of the plan's context. */
  kpi: slug,
  /** To be reached on the last day, in the KPI's unit. */
  target: z.number(),
  /** Shares of the way that should have been gone by a day: green from `green`, amber from `amber`, red below. */
  green: z.number().min(0).max(2),
  amber: z.number().min(0).max(2),
  why: statementSchema,
});
export type KpiTarget = z.infer<typeof kpiTargetSchema>;

export const channelShareSchema = z.strictObject({
  channel: z.enum(CHANNELS),
  /** Of the whole budget; all channels together have 1. */
  budgetShare: share,
  why: statementSchema,
});

/** A strategy of 90 days, as a model writes it and a person approves it. What is checked beyond its shape: validation/arc-rules.ts. */
export const arcSchema = z.strictObject({
  summary: statementSchema,
  phases: z.array(phaseSchema).min(2).max(6),
  channels: z.array(channelShareSchema).min(1).max(CHANNELS.length),
  milestones: z.array(milestoneSchema).min(1).max(40),
  kpis: z.array(kpiTargetSchema).min(1).max(20),
});
export type Arc = z.infer<typeof arcSchema>;
