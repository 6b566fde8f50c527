import type { DefinitionEnvironment } from '../../campaigns/schema.ts';
import { loadConfig } from '../../shared/config.ts';
import { originPolicy } from '../../shared/origins.ts';

/** What definitions are validated against when nothing is configured. */
export function testEnvironment(): DefinitionEnvironment {
  const config = loadConfig({});
  return { origins: originPolicy(config), engines: config.engines, referenceNames: [], approvalGroups: [] };
}
