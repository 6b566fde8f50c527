import { z } from 'zod';
import type { ListedMove } from '../../database/queries/moves.ts';
import type { MoveRow } from '../../database/tables-moves.ts';
import { CHANNELS } from '../../generation/artifacts.ts';
import { day } from '../../moves/arc.ts';
import { dayOf } from '../../moves/calendar.ts';
import { droppedOf, entriesOf } from '../../moves/move-history.ts';
import { MOVE_STATES, MOVE_TRANSITIONS, moveDraftSchema } from '../../moves/move.ts';
import { isLate } from '../../moves/timeline/progress.ts';
import { microsToDollars } from '../../shared/money.ts';
import { anyObject, count, dollars, shortText, time } from './common.ts';

export const moveState = z.enum(MOVE_STATES);
const draft = moveDraftSchema.shape;

const fields = {
  id: z.guid(),
  planId: z.guid(),
  arcVersion: count.meta({ description: 'Version of the arc that it follows.' }),
  week: draft.week,
  startsOn: day,
  endsOn: day,
  phase: z.string().meta({ description: 'Id of a phase of the arc.' }),
  title: z.string(),
  hypothesis: z.string(),
  evidence: z.array(z.string()).meta({ description: 'Ids of the facts that the hypothesis rests on.' }),
  channel: z.enum(CHANNELS),
  owner: z.string(),
  tasks: draft.tasks,
  kpi: z.string().meta({ description: 'Name of the KPI that it is to move.' }),
  expected: z
    .strictObject({ change: z.number(), low: z.number(), high: z.number() })
    .meta({ description: "In the KPI's unit: most likely, and the interval of 80 %." }),
  dependsOn: z.array(z.guid()).meta({ description: 'Ids of moves that have to be done before.' }),
  effortHours: z.number().min(0).meta({ description: 'Person-hours.' }),
  priority: draft.priority.meta({ description: '1 is first.' }),
  budget: dollars,
  state: moveState,
  note: z.string().nullable().meta({ description: 'Why it has its state.' }),
  mayBecome: z.array(moveState).meta({ description: 'The states that it can take from here.' }),
  late: z.boolean().meta({ description: 'Its week is over, and it is neither done nor dropped.' }),
  assets: z.array(anyObject).meta({ description: 'What was written for it.' }),
  runId: z.guid().nullable().meta({ description: 'The run that planned it.' }),
  approvalId: z.guid().nullable(),
  version: count.meta({ description: 'Grows with each change.' }),
  createdAt: time,
  updatedAt: time,
};

/** As lists show it. */
export const moveSummary = z.strictObject(fields).meta({ id: 'MoveSummary' });

export const move = z
  .strictObject({
    ...fields,
    history: z.array(anyObject).meta({
      description:
        'Oldest first: `{at, by, from, to, note}` for another state, `{at, by, changed}` for anything else, with `{from, to}` by field ' +
        'and a JSON Patch (RFC 6902) for the tasks.',
    }),
    historyDropped: count.meta({ description: 'How many older entries are not kept any more.' }),
  })
  .meta({ id: 'Move' });

/** @param nowMs milliseconds since the epoch; says which moves are late */
export function presentMoveSummary(row: ListedMove, nowMs: number): z.infer<typeof moveSummary> {
  return {
    id: row.id,
    planId: row.plan_id,
    arcVersion: row.arc_version,
    week: row.week,
    startsOn: row.starts_on,
    endsOn: row.ends_on,
    phase: row.phase,
    title: row.title,
    hypothesis: row.hypothesis,
    evidence: row.evidence,
    channel: row.channel as (typeof CHANNELS)[number],
    owner: row.owner,
    tasks: row.tasks as z.infer<typeof draft.tasks>,
    kpi: row.kpi,
    expected: row.expected as z.infer<typeof fields.expected>,
    dependsOn: row.depends_on,
    effortHours: row.effort_hours,
    priority: row.priority,
    budget: microsToDollars(row.budget_micros),
    state: row.state,
    note: row.state_note,
    mayBecome: [...MOVE_TRANSITIONS[row.state]],
    late: isLate({ endsOn: row.ends_on, state: row.state }, dayOf(nowMs)),
    assets: row.assets,
    runId: row.run_id,
    approvalId: row.approval_id,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

export function presentMove(row: MoveRow, nowMs: number): z.infer<typeof move> {
  return {
    ...presentMoveSummary(row, nowMs),
    history: entriesOf(row.history),
    historyDropped: droppedOf(row.history),
  };
}

const CHANGES = ['state', 'note', 'owner', 'title', 'priority', 'effortHours', 'tasks'] as const;

/** What `PATCH /api/moves/{id}` takes. */
export const moveChange = z
  .strictObject({
    state: moveState.optional(),
    note: shortText(2_000)
      .nullable()
      .optional()
      .meta({ description: 'Why it has its state; a new state without one has none. null removes it.' }),
    owner: draft.owner.optional().meta({ description: 'One of the owners in the context of the plan.' }),
    title: draft.title.optional(),
    priority: draft.priority.optional(),
    effortHours: draft.effortHours.optional().meta({
      description: 'Person-hours. Left out with new tasks: what they have together.',
    }),
    tasks: draft.tasks.optional().meta({ description: 'All of them, each due on a day of the week of the move.' }),
    by: shortText(200).default('operator').meta({ description: 'Who changes it; kept in its history.' }),
    version: z.int().positive().optional().meta({
      description: 'The version that was read. The change is refused when somebody else has changed the move since.',
    }),
    force: z.boolean().default(false).meta({ description: 'Start it though not everything it depends on is done.' }),
  })
  .refine((body) => CHANGES.some((field) => body[field] !== undefined), {
    error: 'changes nothing',
    params: { mend: `send at least one of ${CHANGES.join(', ')}` },
  });
