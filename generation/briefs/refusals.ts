import { ConflictError, type Problem } from '../../shared/errors.ts';
import { BRIEFS_CAMPAIGN_ID } from './definition.ts';

const CAMPAIGN = `/api/campaigns/${BRIEFS_CAMPAIGN_ID}`;

/** What the refusals of runs say of briefs, where that is something else than of any run. */
const REFUSALS: Record<string, [message: string, detail: Problem]> = {
  CAMPAIGN_PAUSED: [
    'Briefs are paused.',
    {
      path: '',
      message: 'the campaign of all briefs is paused',
      mend: `see why with GET ${CAMPAIGN}, and resume it with PUT ${CAMPAIGN}/resume`,
    },
  ],
  NOTHING_TO_RETRY: [
    'Every part of this brief was made.',
    {
      path: 'id',
      message: 'nothing is missing',
      mend: 'send the brief again, with its id as "priorRunId" to revise it',
    },
  ],
  RETRY_EXISTS: [
    'This brief is being repaired already.',
    { path: 'id', message: 'another run repairs it', mend: 'look at it with GET /api/briefs/{id}' },
  ],
  RUN_ACTIVE: [
    'Another brief is being worked on, and no two may be.',
    {
      path: '',
      message: 'the campaign of all briefs lets no two run at once',
      mend: `wait, or set its overlap to "allow" with PUT ${CAMPAIGN}`,
    },
  ],
  RUN_FINISHED: [
    'The brief has ended.',
    { path: 'id', message: 'nothing is being done for it', mend: 'look at it with GET /api/briefs/{id}' },
  ],
  RUN_NOT_FINISHED: [
    'The brief is still being worked on.',
    { path: 'id', message: 'has not ended', mend: 'wait for its end, or cancel it with POST /api/briefs/{id}/cancel' },
  ],
};

/**
 * A refusal of a run, with the mends that there are for a brief.
 * @param pausedBecause why briefs are paused, if they are
 * @throws what it is given, or that in other words
 */
export function inTermsOfBriefs(error: unknown, pausedBecause?: string | null): never {
  const refusal = error instanceof ConflictError ? REFUSALS[error.code] : undefined;
  if (!(error instanceof ConflictError) || !refusal) throw error;
  const [message, detail] = refusal;
  const reason = error.code === 'CAMPAIGN_PAUSED' && pausedBecause ? ` ${pausedBecause}` : '';
  throw new ConflictError(error.code, message + reason, [detail]);
}

/**
 * Briefs go their own ways: a run of one that is started by hand would have no brief, or would write everything again.
 * @throws {ConflictError} RUN_OF_BRIEF when the campaign is that of the briefs
 */
export function refuseByHand(campaignId: string): void {
  if (campaignId !== BRIEFS_CAMPAIGN_ID) return;
  throw new ConflictError('RUN_OF_BRIEF', 'The runs of this campaign are briefs.', [
    {
      path: 'id',
      message: 'is of the campaign of all briefs',
      mend: 'send a brief with POST /api/briefs, and repair one with POST /api/briefs/{id}/retry',
    },
  ]);
}
