import type { CampaignDefinition } from '../../campaigns/definition.ts';
import type { RunRow, StepRow } from '../../database/tables.ts';
import type { WrittenArtifact } from '../agents/write.ts';
import type { BriefMetadata } from './definition.ts';

/** What the run of a brief carries; null for a run that somebody started by hand, without a brief. */
export function metadataOf(run: Pick<RunRow, 'definition'>): BriefMetadata | null {
  const { metadata } = run.definition as unknown as CampaignDefinition;
  return ['brief', 'mode', 'channels'].every((name) => Object.hasOwn(metadata, name))
    ? (metadata as unknown as BriefMetadata)
    : null;
}

/** The artifacts among the outputs of steps, in the order of the steps. */
export function artifactsOf(steps: readonly StepRow[]): WrittenArtifact[] {
  return steps
    .toSorted((a, b) => a.position - b.position)
    .flatMap(({ output }) =>
      output && Object.hasOwn(output, 'artifact') ? [output['artifact'] as unknown as WrittenArtifact] : [],
    );
}
