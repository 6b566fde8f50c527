import { z } from 'zod';
import { parseDefinition } from '../../campaigns/schema.ts';
import { nextFire } from '../../scheduler/calendar.ts';
import { iso } from '../../shared/clock.ts';
import { ValidationError } from '../../shared/errors.ts';
import { type Operation, operation } from '../operation.ts';
import { anyObject, success, time } from '../shapes/common.ts';
import { campaignInput } from '../shapes/definition.ts';

const valid = z.strictObject({
  success,
  definition: anyObject.meta({ description: 'The definition with every default filled in.' }),
  nextRun: time.nullable(),
});

const validate = operation({
  id: 'validateCampaign',
  method: 'post',
  path: '/api/campaigns/validate',
  tag: 'Campaigns',
  summary: 'Check a definition without storing it',
  description: 'Every problem is reported at once, each with its path and a way to mend it.',
  scope: 'read',
  body: campaignInput,
  answers: { 200: { description: 'The definition is valid.', schema: valid } },
  async handle({ body }, { environment, clock }) {
    const parsed = parseDefinition(body, environment);
    if ('problems' in parsed) throw new ValidationError('The campaign has problems.', parsed.problems);
    const { definition } = parsed;
    const { schedule } = definition;
    const next = schedule?.enabled ? nextFire(schedule.cron, schedule.timezone, clock.now()) : null;
    const answer: z.infer<typeof valid> = {
      success: true,
      definition: { ...definition },
      nextRun: next === null ? null : iso(next),
    };
    return { status: 200, body: answer };
  },
});

export const campaignCheckOperations: readonly Operation[] = [validate];
