import { flattenSteps, type StepDefinition } from '../campaigns/definition.ts';
import { stepUrls } from '../campaigns/step-urls.ts';
import type { JsonObject } from '../database/tables.ts';
import type { Config } from '../shared/config.ts';
import { microsToDollars } from '../shared/money.ts';
import { resolveReferences } from '../shared/references.ts';
import { stepKinds } from '../steps/registry.ts';
import type { EngineCall, PreviousStep } from '../steps/step.ts';
import type { RunSession } from './session.ts';

/** What a step is asked for. */
export interface StepCall {
  /** With references filled in. */
  params: JsonObject;
  /** The call of its engine, with addresses made absolute; null for a kind that calls none. */
  engine: EngineCall | null;
  /** The steps of earlier entries. */
  previous: PreviousStep[];
}

/** @throws {ReferenceFailure} when a reference reads what earlier steps did not give */
export function stepCallOf(
  session: RunSession,
  step: StepDefinition,
  config: Pick<Config, 'engines' | 'references'>,
): StepCall {
  const params = paramsOf(session, step, config);
  const engine = stepKinds[step.kind]?.engine === null ? null : engineCallOf(step, params, config);
  return { params, engine, previous: engine ? [] : previousOf(session, step) };
}

function paramsOf(session: RunSession, step: StepDefinition, config: Pick<Config, 'references'>): JsonObject {
  const earlier = session.orderedSteps().filter((row) => row.status === 'completed' || row.status === 'empty');
  return resolveReferences(step.params, {
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
}

function engineCallOf(step: StepDefinition, params: JsonObject, config: Pick<Config, 'engines'>): EngineCall {
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

/** Those that run beside the step are not seen: which of them has ended is a matter of chance. */
function previousOf(session: RunSession, step: StepDefinition): PreviousStep[] {
  const own = flattenSteps(session.definition.steps);
  const group = own.find((each) => each.step.name === step.name)?.group ?? 0;
  return own.flatMap((each) => {
    const row = each.group < group ? session.steps.get(each.step.name) : undefined;
    if (!row) return [];
    const { name, kind, status, output, error } = row;
    return [{ name, kind, status, output, error: error && { code: error.code, message: error.message } }];
  });
}
