import type { Records } from '../../database/records.ts';
import type { MoveRow, PlanRow } from '../../database/tables-moves.ts';
import type { Arc } from '../../moves/arc.ts';
import { type PlanContext, planContextSchema } from '../../moves/context.ts';
import { moveRows } from '../../moves/move-rows.ts';
import type { MoveDraft } from '../../moves/move.ts';
import { derivedId, newId } from '../../shared/ids.ts';
import type { JsonObject } from '../../shared/json.ts';

export const AT = '2026-01-05T09:00:00.000Z';
/** A Monday; the last day of the arc is 2026-04-04. */
export const STARTS_ON = '2026-01-05';

export const context: PlanContext = planContextSchema.parse({
  objective: 'Fill the tables on weekdays.',
  startsOn: STARTS_ON,
  cohorts: [{ name: 'Office workers', description: 'They work within ten minutes on foot.' }],
  foundation: { brand: 'Trattoria Sole', promise: 'Lunch in 30 minutes.', products: ['A lunch menu'] },
  channels: ['email', 'instagram', 'gmb'],
  budget: 9_000,
  owners: ['Ana', 'Ben'],
  kpis: [
    { name: 'leads', label: 'Leads', unit: 'leads', baseline: 100, target: 500, channel: 'email' },
    { name: 'cost-per-guest', unit: 'dollars', baseline: 12, target: 8, channel: 'instagram' },
  ],
  facts: [{ id: 'menu', text: 'The lunch menu is served in 30 minutes.' }],
});

const said = (text: string) => ({ text, facts: ['menu'] });

export const arc: Arc = {
  summary: said('From being known to being chosen.'),
  phases: [
    {
      id: 'launch',
      name: 'Launch',
      goal: said('Become known.'),
      startsOn: '2026-01-05',
      endsOn: '2026-02-01',
      budgetShare: 0.3,
      channels: ['email', 'instagram'],
    },
    {
      id: 'growth',
      name: 'Growth',
      goal: said('Win guests.'),
      startsOn: '2026-02-02',
      endsOn: '2026-03-08',
      budgetShare: 0.4,
      channels: ['email', 'instagram', 'gmb'],
    },
    {
      id: 'loyalty',
      name: 'Loyalty',
      goal: said('Keep them.'),
      startsOn: '2026-03-09',
      endsOn: '2026-04-04',
      budgetShare: 0.3,
      channels: ['email', 'gmb'],
    },
  ],
  channels: [
    { channel: 'email', budgetShare: 0.5, why: said('They read mail before lunch.') },
    { channel: 'instagram', budgetShare: 0.3, why: said('The food looks good.') },
    { channel: 'gmb', budgetShare: 0.2, why: said('They look for places nearby.') },
  ],
  milestones: [
    {
      id: 'listed',
      name: 'Listed',
      phase: 'launch',
      dueOn: '2026-01-20',
      evidence: said('The listing shows.'),
      dependsOn: [],
    },
    {
      id: 'first-guests',
      name: 'First guests',
      phase: 'growth',
      dueOn: '2026-02-20',
      evidence: said('Ten bookings.'),
      dependsOn: ['listed'],
    },
    {
      id: 'regulars',
      name: 'Regulars',
      phase: 'loyalty',
      dueOn: '2026-03-30',
      evidence: said('A fifth comes again.'),
      dependsOn: ['first-guests'],
    },
  ],
  kpis: [
    { kpi: 'leads', target: 500, green: 0.9, amber: 0.7, why: said('Guests begin as leads.') },
    { kpi: 'cost-per-guest', target: 8, green: 0.9, amber: 0.7, why: said('It has to pay.') },
  ],
};

/** A deep copy with changes made to it. */
export function changed<T>(value: T, change: (copy: T) => void): T {
  const copy = structuredClone(value);
  change(copy);
  return copy;
}

/** As a model would propose it: three moves of the first two weeks, the second depends on the first. */
export function draft(changes: Partial<MoveDraft> = {}): MoveDraft {
  return {
    key: 'welcome-mail',
    week: 1,
    phase: 'launch',
    title: 'Send the welcome mail',
    hypothesis: { text: 'A mail before lunch brings leads.', facts: ['menu'] },
    channel: 'email',
    owner: 'Ana',
    tasks: [
      { title: 'Write it', effortHours: 2, dueOn: '2026-01-07' },
      { title: 'Send it', effortHours: 0.5, dueOn: '2026-01-08' },
    ],
    expected: { kpi: 'leads', change: 40, low: 20, high: 60 },
    dependsOn: [],
    effortHours: 2.5,
    priority: 1,
    budget: 120.5,
    ...changes,
  };
}

export const drafts: MoveDraft[] = [
  draft(),
  draft({ key: 'reminder', title: 'Remind them', owner: 'Ben', priority: 2, dependsOn: ['welcome-mail'] }),
  draft({
    key: 'photos',
    week: 2,
    title: 'Show the dishes',
    channel: 'instagram',
    tasks: [{ title: 'Take photos', effortHours: 4, dueOn: '2026-01-14' }],
    effortHours: 4,
    expected: { kpi: 'cost-per-guest', change: -1, low: -2, high: 0 },
  }),
];

export async function insertPlan(records: Records, changes: Partial<PlanRow> = {}): Promise<PlanRow> {
  const [row] = await records.insert('plans', [
    {
      id: newId(Date.parse(AT)),
      workspace: 'default',
      name: 'Lunch',
      state: 'active',
      context: context as unknown as JsonObject,
      starts_on: STARTS_ON,
      arc_version: 1,
      requested_by: 'Ana',
      created_at: AT,
      updated_at: AT,
      ...changes,
    },
  ]);
  return row as PlanRow;
}

/** The moves of a new plan, in the order of the drafts. */
export async function insertMoves(
  records: Records,
  { moves = drafts, plan, runAt = AT }: { moves?: MoveDraft[]; plan?: PlanRow; runAt?: string } = {},
): Promise<MoveRow[]> {
  const rows = moveRows(
    { moves },
    {
      plan: plan ?? (await insertPlan(records)),
      arcVersion: 1,
      runId: derivedId(newId(), Date.parse(runAt)),
      approvalId: null,
      at: AT,
    },
  );
  await records.insert('moves', rows);
  return rows;
}
