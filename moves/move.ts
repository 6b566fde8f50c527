import { z } from 'zod';
import { CHANNELS } from '../generation/artifacts.ts';
import { day } from './arc.ts';
import { ARC_WEEKS } from './calendar.ts';
import { slug, statementSchema, wording } from './statement.ts';

const taskSchema = z.strictObject({
  title: wording(300),
  /** Person-hours. */
  effortHours: z.number().min(0).max(200),
  dueOn: day,
});

/** One packet of a week's work, as a model proposes it. */
export const moveDraftSchema = z.strictObject({
  /** Names it within the proposal. */
  key: slug,
  week: z.int().min(1).max(ARC_WEEKS),
  /** Id of the arc's phase that it serves. */
  phase: slug,
  title: wording(200),
  hypothesis: statementSchema,
  channel: z.enum(CHANNELS),
  owner: wording(100),
  tasks: z.array(taskSchema).min(1).max(20),
  /** What it is to move, and by how much in that KPI's unit: most likely, and the interval of 80 %. */
  expected: z.strictObject({ kpi: slug, change: z.number(), low: z.number(), high: z.number() }),
  /** Keys of moves of this proposal, or ids of moves that exist, that have to be done before. */
  dependsOn: z.array(z.string().trim().min(1).max(60)).max(20),
  /** Person-hours, all tasks together. */
  effortHours: z.number().min(0).max(1_000),
  /** 1 (first) to 5. */
  priority: z.int().min(1).max(5),
  /** Dollars of the plan's budget. */
  budget: z.number().min(0),
});
export type MoveDraft = z.infer<typeof moveDraftSchema>;

export const movesProposalSchema = z.strictObject({ moves: z.array(moveDraftSchema).min(1).max(60) });
export type MovesProposal = z.infer<typeof movesProposalSchema>;

export const MOVE_STATES = ['planned', 'in_progress', 'blocked', 'done', 'dropped'] as const;
export type MoveState = (typeof MOVE_STATES)[number];

/** What a move may become. `done` and `dropped` can be taken back, since people err. */
export const MOVE_TRANSITIONS: Record<MoveState, readonly MoveState[]> = {
  planned: ['in_progress', 'blocked', 'dropped'],
  in_progress: ['done', 'blocked', 'planned', 'dropped'],
  blocked: ['planned', 'in_progress', 'dropped'],
  done: ['in_progress'],
  dropped: ['planned'],
};
