import { z } from 'zod';
import { day } from '../../moves/arc.ts';
import { MOVE_STATES } from '../../moves/move.ts';
import { MILESTONE_STATES } from '../../moves/timeline/progress.ts';
import type { Timeline } from '../../moves/timeline/timeline.ts';
import { count, dollars } from './common.ts';

const share = z.number().min(0).max(1);
const colour = z.enum(['green', 'amber', 'red', 'unknown']);

const phase = z.strictObject({
  id: z.string(),
  name: z.string(),
  goal: z.string(),
  startsOn: day,
  endsOn: day,
  budgetShare: share.meta({ description: 'Of the whole budget.' }),
  channels: z.array(z.string()),
  progress: z.strictObject({
    done: count,
    moves: count.meta({ description: 'Without those that were dropped.' }),
    late: count,
    blocked: count,
    share: share.nullable().meta({ description: 'Done of all; null without moves.' }),
  }),
  colour: colour.meta({
    description:
      'Whether the work keeps to its time. red: less than three quarters of the moves whose last day is past are done; amber: one is ' +
      'late or blocked; unknown: without moves, or yet to begin.',
  }),
});

const milestone = z.strictObject({
  id: z.string(),
  name: z.string(),
  phase: z.string(),
  dueOn: day,
  evidence: z.string(),
  dependsOn: z.array(z.string()),
  state: z.enum(MILESTONE_STATES).meta({
    description:
      'due: its day is one of the next seven. passed: its day is past, and so is all work of its phase up to then done; whether it is ' +
      'reached, people have to see. overdue: its day is past, and that work is not done or there was none.',
  }),
});

const move = z.strictObject({
  id: z.guid(),
  title: z.string(),
  phase: z.string(),
  week: count,
  startsOn: day,
  endsOn: day,
  channel: z.string(),
  owner: z.string(),
  kpi: z.string(),
  state: z.enum(MOVE_STATES),
  late: z.boolean(),
  priority: count,
  effortHours: z.number(),
  budget: dollars,
  dependsOn: z.array(z.string()),
  arcVersion: count,
  version: count,
});

const kpi = z.strictObject({
  kpi: z.string(),
  label: z.string(),
  unit: z.string(),
  colour,
  value: z.number().nullable(),
  expected: z.number().nullable().meta({ description: 'On the way to the target, by the day of the value.' }),
  target: z.number(),
  stale: z.boolean(),
  observedAt: z.string().nullable(),
});

/** A plan over its 90 days; {@link Timeline} as the API shows it. */
export const timelineShape = z
  .strictObject({
    plan: z.strictObject({
      id: z.guid(),
      name: z.string(),
      state: z.enum(['planning', 'active', 'rejected', 'failed', 'ended']),
      arcVersion: count.meta({ description: '0: no arc is approved yet, and the timeline is empty.' }),
      startsOn: day,
      endsOn: day,
    }),
    today: day.nullable().meta({ description: "Null when it is none of the plan's days." }),
    weeks: z.array(z.strictObject({ week: count, startsOn: day, endsOn: day, moves: count, done: count })),
    phases: z.array(phase),
    milestones: z.array(milestone),
    moves: z.array(move).meta({ description: 'By week, then by priority.' }),
    dependencies: z
      .array(z.strictObject({ kind: z.enum(['milestone', 'move']), from: z.string(), to: z.string() }))
      .meta({ description: '`from` has to be finished before `to`.' }),
    kpis: z.array(kpi),
  })
  .meta({ id: 'Timeline' }) satisfies z.ZodType<Timeline>;
