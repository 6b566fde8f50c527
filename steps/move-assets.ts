import { estimateAssets } from '../moves/estimate.ts';
import { moveAssetsParams } from '../moves/params.ts';
import { planningStep } from './planning-step.ts';

export const moveAssets = planningStep({
  kind: 'move-assets',
  description: 'Writes and audits what the moves of a week need: copy for e-mail, posts for other channels.',
  params: moveAssetsParams,
  timeout: 600_000,
  estimate: ({ most }, model) => estimateAssets(most, model),
});
