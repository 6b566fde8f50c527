import type { CampaignDefinition, StepDefinition } from '../campaigns/definition.ts';
import type { JsonObject } from '../shared/json.ts';
import type { ApprovalTerms } from './params.ts';

/** The campaign that all plans are runs of: it holds their budget. Made when the first plan comes. */
export const PLANS_CAMPAIGN_ID = '00000000-0000-7000-8000-00000b1a4500';

/** How a plan's runs are told about, as campaigns have it. */
export type PlanNotifications = CampaignDefinition['notifications'];

const PLANNING_MS = 300_000;
const ASSETS_MS = 600_000;
const PULL_MS = 120_000;

function step(name: string, kind: string, params: JsonObject, over: Partial<StepDefinition> = {}): StepDefinition {
  return {
    name,
    engine: kind,
    kind,
    method: 'POST',
    params,
    timeout: PLANNING_MS,
    retry: { attempts: 3, delay: 1_000, backoff: 'exponential' },
    onSuccess: 'continue',
    onFailure: 'abort',
    effect: 'repeatable',
    protocol: 'auto',
    pollInterval: 2_000,
    ...over,
  };
}

const asParams = (terms: ApprovalTerms) => ({ ...terms }) as unknown as JsonObject;

export interface PlanWork {
  planId: string;
  name: string;
  terms: ApprovalTerms;
  notifications: PlanNotifications;
}

function definition(work: PlanWork, what: string, steps: StepDefinition[]): CampaignDefinition {
  const { planId, name, notifications } = work;
  return {
    name: 'Plans',
    description: `${what} of ${name}`.slice(0, 2_000),
    overlap: 'allow',
    budget: {},
    steps,
    notifications,
    metadata: { planId },
  };
}

/** What the run of a new plan does. @param assets whether the first week's moves get their assets */
export function planningDefinition(work: PlanWork, assets: boolean): CampaignDefinition {
  const { planId: plan, terms } = work;
  const approval = asParams(terms);
  return definition(work, 'Planning', [
    step('arc', 'arc', { plan, approval }),
    step('moves', 'moves', { plan, weeks: 'all', approval }),
    ...(assets
      ? [step('move-assets', 'move-assets', { plan, weeks: 'first' }, { timeout: ASSETS_MS, onFailure: 'continue' })]
      : []),
  ]);
}

/** What the run of a look for a pivot does: the newest readings first. */
export function pivotDefinition(
  work: PlanWork,
  { always, requestedBy }: { always: boolean; requestedBy?: string | undefined },
): CampaignDefinition {
  const { planId: plan, terms } = work;
  const asked = requestedBy === undefined ? {} : { requestedBy };
  return definition(work, 'Pivot', [
    step('kpis', 'kpis', { plan }, { timeout: PULL_MS, onFailure: 'continue' }),
    step('pivot', 'pivot', { plan, always, ...asked, approval: asParams(terms) }),
  ]);
}

/** The campaign that holds the budget of all plans. A run of it that somebody starts by hand has nothing to do. */
export function plansCampaign(): CampaignDefinition {
  return {
    name: 'Plans',
    description: 'Runs of plans (POST /api/plans). Its budget holds for all of them together.',
    overlap: 'allow',
    budget: {},
    steps: [step('kpis', 'kpis', {})],
    notifications: { onComplete: { email: [], slack: false }, onFailure: { email: [], slack: null } },
    metadata: {},
  };
}
