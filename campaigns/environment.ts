import type { Config } from '../shared/config.ts';
import type { OriginPolicy } from '../shared/origins.ts';

/** What the validity of a campaign depends on beside itself. */
export interface DefinitionEnvironment {
  origins: OriginPolicy;
  engines: Config['engines'];
  /** Names that `{{ env.NAME }}` may use. */
  referenceNames: readonly string[];
  /** Names of the groups that may be asked to approve something. */
  approvalGroups: readonly string[];
}
