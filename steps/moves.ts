import { estimatePlanning } from '../moves/estimate.ts';
import { movesParams } from '../moves/params.ts';
import { MOVES_TOKENS } from '../moves/tasks/requests.ts';
import { planningStep } from './planning-step.ts';

export const moves = planningStep({
  kind: 'moves',
  description:
    'Breaks the approved arc of a plan down into moves, packets of a week. People approve them before they take effect.',
  params: movesParams,
  approvalAt: ['approval'],
  timeout: 300_000,
  estimate: (_params, model) => estimatePlanning(model, MOVES_TOKENS.most),
});
