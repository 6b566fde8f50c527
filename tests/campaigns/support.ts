import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CampaignDefinition, StepDefinition } from '../../campaigns/definition.ts';
import { flattenSteps } from '../../campaigns/definition.ts';
import { type DefinitionEnvironment, parseDefinition } from '../../campaigns/schema.ts';
import { loadConfig } from '../../shared/config.ts';
import type { Problem } from '../../shared/errors.ts';
import { originPolicy } from '../../shared/origins.ts';

const config = loadConfig({ ENGINE_ALLOWED_ORIGINS: '' });

export const environment: DefinitionEnvironment = {
  origins: originPolicy(config),
  engines: config.engines,
  referenceNames: ['SLACK_WEBHOOK_URL', 'REGION'],
  approvalGroups: ['editors', 'owners'],
};

export const CAMPAIGNS = join(import.meta.dirname, '../../campaigns');

export function campaignFile(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(CAMPAIGNS, name), 'utf8')) as Record<string, unknown>;
}

/** The smallest campaign, with what a test is about. */
export function campaign(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return { name: 'Test', steps: [{ engine: 'prospecting' }], ...fields };
}

export function oneStep(fields: Record<string, unknown>): Record<string, unknown> {
  return campaign({ steps: [{ engine: 'prospecting', ...fields }] });
}

export function accepted(input: unknown): CampaignDefinition {
  const parsed = parseDefinition(input, environment);
  if (parsed.problems) throw new Error(`refused: ${JSON.stringify(parsed.problems, null, 1)}`);
  return parsed.definition;
}

export function firstStep(input: unknown): StepDefinition {
  const [first] = flattenSteps(accepted(input).steps);
  if (!first) throw new Error('no step');
  return first.step;
}

export function problemsOf(input: unknown): Problem[] {
  return parseDefinition(input, environment).problems ?? [];
}

/** Problems as `path: message`, in order. */
export function complaints(input: unknown): string[] {
  return problemsOf(input).map(({ path, message }) => `${path}: ${message}`);
}

export function mendAt(input: unknown, path: string): string | undefined {
  return problemsOf(input).find((problem) => problem.path === path)?.mend;
}
