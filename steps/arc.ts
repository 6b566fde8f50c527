import { arcParams } from '../moves/params.ts';
import { estimatePlanning } from '../moves/estimate.ts';
import { ARC_TOKENS } from '../moves/tasks/requests.ts';
import { planningStep } from './planning-step.ts';

export const arc = planningStep({
  kind: 'arc',
  description:
    'Plans 90 days from the business context: phases, milestones, KPI targets. People approve it before it takes effect.',
  params: arcParams,
  approvalAt: ['approval'],
  timeout: 300_000,
  estimate: (_params, model) => estimatePlanning(model, ARC_TOKENS),
});
