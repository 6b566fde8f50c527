import type { StepDefinition } from '../campaigns/definition.ts';
import { stepUrls } from '../campaigns/step-urls.ts';
import type { Config } from '../shared/config.ts';
import { microsToDollars } from '../shared/money.ts';
import { resolveReferences } from '../shared/references.ts';
import type { EngineCall } from '../steps/step.ts';
import type { RunSession } from './session.ts';

/**
 * The step's call with references filled in and addresses made absolute.
 * @throws {ReferenceFailure} when a reference reads what earlier steps did not give
 */
export function engineCallOf(
  session: RunSession,
  step: StepDefinition,
  config: Pick<Config, 'engines' | 'references'>,
): EngineCall {
  const earlier = session.orderedSteps().filter((row) => row.status === 'completed' || row.status === 'empty');
  const params = resolveReferences(step.params, {
    steps: Object.fromEntries(
      earlier.map((row) => [
        row.name,
        { ...row.output, ...row.counts, status: row.status, cost: microsToDollars(row.cost_micros) },
      ]),
    ),
    run: { id: session.id, scheduledFor: session.run.scheduled_for, trigger: session.run.trigger },
    campaign: { id: session.run.campaign_id, name: session.definition.name, metadata: session.definition.metadata },
    env: config.references,
  });
  const { url, statusUrl, cancelUrl } = stepUrls(step, config.engines);
  return {
    url,
    method: step.method,
    params,
    protocol: step.protocol,
    pollInterval: step.pollInterval,
    ...(statusUrl ? { statusUrl } : {}),
    ...(cancelUrl ? { cancelUrl } : {}),
    ...(step.terminalEvents ? { terminalEvents: step.terminalEvents } : {}),
  };
}
