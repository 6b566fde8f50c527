import { estimatePlanning } from '../moves/estimate.ts';
import { pivotParams } from '../moves/params.ts';
import { ARC_TOKENS } from '../moves/tasks/requests.ts';
import { planningStep } from './planning-step.ts';

export const pivot = planningStep({
  kind: 'pivot',
  description:
    'Looks at how a plan does, and where it falls short proposes another arc. People approve it before it takes effect.',
  params: pivotParams,
  approvalAt: ['approval'],
  timeout: 300_000,
  estimate: (_params, model) => estimatePlanning(model, ARC_TOKENS),
});
