import { kpisParams } from '../moves/params.ts';
import { planningStep } from './planning-step.ts';

export const kpis = planningStep({
  kind: 'kpis',
  description: 'Reads the KPIs of plans from their sources, and tells people when a colour changes.',
  params: kpisParams,
  timeout: 300_000,
});
