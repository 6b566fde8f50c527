import type { Problem } from '../shared/errors.ts';
import { isJsonObject, jsonPath } from '../shared/json.ts';
import { describe } from '../shared/zod-problems.ts';
import { checkSlackTargets } from './address-checks.ts';
import { campaignInput } from './campaign-schema.ts';
import { checkPolicies, checkSteps } from './checks.ts';
import { MOST_STEPS } from './defaults.ts';
import type { CampaignDefinition } from './definition.ts';
import type { DefinitionEnvironment } from './environment.ts';
import { normalise } from './normalise.ts';
import { ProblemList } from './problem-list.ts';
import { IssueReader } from './schema-problems.ts';
import { countSteps, stepViews } from './step-views.ts';
import { checkMetadata, checkTexts } from './text-checks.ts';

export type { DefinitionEnvironment } from './environment.ts';

export type ParsedDefinition =
  | { definition: CampaignDefinition; problems?: never }
  | { problems: Problem[]; definition?: never };

/**
 * Checks a campaign and fills in its defaults. All problems come together, each with its JSON path and a mend: those of the
 * shape and those between fields, as far as what is broken lets them be seen; after about a hundred they are only counted.
 * Never throws, whatever the input. A definition that comes out is itself valid input and comes out the same.
 * @param input what JSON.parse gave
 */
export function parseDefinition(input: unknown, env: DefinitionEnvironment): ParsedDefinition {
  const problems = new ProblemList();
  if (!isJsonObject(input)) {
    problems.add(
      '',
      `must be an object with "name" and "steps", not ${describe(input)}`,
      'write an object such as {"name": "Weekly outreach", "steps": [{"engine": "prospecting"}]}',
    );
    return { problems: problems.list() };
  }
  const steps = countSteps(input);
  const isTooLong = steps > MOST_STEPS;
  if (isTooLong) problems.add('steps', `has ${steps} steps; ${MOST_STEPS} at most`, 'split the campaign into several');
  // Looking through the steps of such an input would only take time and hide the one problem behind many.
  const examined = isTooLong ? { ...input, steps: [] } : input;
  checkTexts(examined, problems);
  const shape = campaignInput.safeParse(examined);
  const issues = (shape.error?.issues ?? []).filter((issue) => !isTooLong || jsonPath(issue.path) !== 'steps');
  new IssueReader(examined, problems).read(issues);
  const views = stepViews(examined);
  checkSteps(views, env, problems);
  checkPolicies(examined, problems);
  checkSlackTargets(examined, env, problems);
  checkMetadata(examined, problems);
  if (!shape.success || !problems.isEmpty) return { problems: problems.list() };
  return { definition: normalise(shape.data, views) };
}
