import { z } from 'zod';
import { type Operation, operation } from '../operation.ts';
import { byId, shortText, success } from '../shapes/common.ts';
import { kpiStatusShape } from '../shapes/kpi.ts';

const list = z.strictObject({ success, kpis: z.array(kpiStatusShape) });

const all = operation({
  id: 'listKpis',
  method: 'get',
  path: '/api/plans/{id}/kpis',
  tag: 'Plans',
  summary: 'Where the KPIs of a plan stand: colour, trend, history, and what is wrong with their sources',
  scope: 'read',
  params: byId,
  answers: { 200: { description: 'Every KPI of the plan.', schema: list } },
  async handle({ params }, { kpis }) {
    const found = await kpis.status(params.id);
    return { status: 200, body: { success: true, kpis: found } satisfies z.infer<typeof list> };
  },
});

const one = z.strictObject({ success, kpi: kpiStatusShape });

const enter = operation({
  id: 'enterKpiReading',
  method: 'post',
  path: '/api/plans/{id}/kpis/{kpi}/readings',
  tag: 'Plans',
  summary: 'Enter a value of a KPI by hand',
  description:
    'A value of the same time is replaced; where the KPI has a source, its value of that time counts again from the next look on. ' +
    'People are told of a changed colour at the next look.',
  scope: 'operate',
  params: byId.extend({ kpi: z.string().min(1).max(60) }),
  body: z.strictObject({
    value: z.number().meta({ description: "In the KPI's unit." }),
    observedAt: shortText(40).optional().meta({ description: 'A day or a time in ISO 8601; left out: now.' }),
    by: shortText(100).default('api').meta({ description: 'Who enters it.' }),
  }),
  answers: { 200: { description: 'Where the KPI stands now.', schema: one } },
  async handle({ params, body }, { kpis }) {
    const kpi = await kpis.enter(params.id, params.kpi, body);
    return { status: 200, body: { success: true, kpi } satisfies z.infer<typeof one> };
  },
});

export const kpiOperations: readonly Operation[] = [all, enter];
