import { z } from 'zod';
import { decisionsOfRun, findRun, stepsOfRun } from '../../database/queries/runs.ts';
import type { Records } from '../../database/records.ts';
import type { RunRow } from '../../database/tables.ts';
import { NotFoundError } from '../../shared/errors.ts';
import { contextOf } from '../context.ts';
import { refuseByHand } from '../../generation/briefs/refusals.ts';
import { type Operation, operation } from '../operation.ts';
import { byId, shortText, success, uuid } from '../shapes/common.ts';
import { presentRun, runDetail } from '../shapes/run.ts';

/** @throws {NotFoundError} */
export async function existingRun(records: Records, id: string): Promise<RunRow> {
  const run = await findRun(records, id);
  if (!run) throw new NotFoundError('run', id);
  return run;
}

const oneRun = z.strictObject({ success, run: runDetail });

const get = operation({
  id: 'getRun',
  method: 'get',
  path: '/api/runs/{id}',
  tag: 'Runs',
  summary: 'One run with its steps, attempts, costs, errors and decisions',
  scope: 'read',
  params: byId,
  answers: { 200: { description: 'The run.', schema: oneRun } },
  async handle({ params, request }, { records }) {
    const row = await existingRun(records, params.id);
    const [steps, decisions] = await Promise.all([stepsOfRun(records, row.id), decisionsOfRun(records, row.id)]);
    return {
      status: 200,
      body: {
        success: true,
        run: presentRun(row, steps, decisions, contextOf(request).caller.scope),
      } satisfies z.infer<typeof oneRun>,
    };
  },
});

const acted = z.strictObject({
  success,
  runId: z.guid(),
  status: z.string().meta({ description: 'Of the run, after the call; `cancelling` while its worker lets go.' }),
});

const cancel = operation({
  id: 'cancelRun',
  method: 'post',
  path: '/api/runs/{id}/cancel',
  tag: 'Runs',
  summary: 'Cancel a run',
  description: 'Aborts the engine call in flight. What steps have achieved stays.',
  scope: 'operate',
  params: byId,
  body: z.strictObject({ reason: shortText(500).optional() }),
  bodyOptional: true,
  answers: { 202: { description: 'The run stops.', schema: acted } },
  failures: { 409: ['RUN_FINISHED'] },
  async handle({ params, body }, { runs }) {
    const { status } = await runs.cancel(params.id, body.reason);
    return { status: 202, body: { success: true, runId: params.id, status } satisfies z.infer<typeof acted> };
  },
});

const retried = z.strictObject({ success, runId: z.guid(), message: z.literal('Run started again') });

const retry = operation({
  id: 'retryRun',
  method: 'post',
  path: '/api/runs/{id}/retry',
  tag: 'Runs',
  summary: 'Start a new run that repeats an ended one',
  scope: 'operate',
  params: byId,
  body: z.strictObject({
    from: z.enum(['failed', 'start']).default('failed').meta({
      description: '`failed`: completed steps are carried over and not run again; `start`: all steps run.',
    }),
    definition: z.enum(['pinned', 'latest']).default('pinned').meta({
      description: 'The definition that the run had, or the present one of its campaign.',
    }),
  }),
  bodyOptional: true,
  answers: {
    202: {
      description: 'The new run is queued.',
      schema: retried,
      headers: z.object({ Location: z.string().meta({ description: 'Path of the new run.' }) }),
    },
  },
  failures: {
    409: ['RUN_NOT_FINISHED', 'STEP_UNKNOWN', 'NOTHING_TO_RETRY', 'RUN_ACTIVE', 'RUN_QUEUE_FULL', 'RUN_OF_BRIEF'],
  },
  async handle({ params, body }, { runs, records }) {
    refuseByHand((await existingRun(records, params.id)).campaign_id);
    const { runId } = await runs.retry(params.id, body);
    return {
      status: 202,
      headers: { Location: `/api/runs/${runId}` },
      body: { success: true, runId, message: 'Run started again' } satisfies z.infer<typeof retried>,
    };
  },
});

const resolve = operation({
  id: 'resolveStep',
  method: 'post',
  path: '/api/runs/{id}/steps/{name}/resolve',
  tag: 'Runs',
  summary: 'Say what became of a step whose outcome is unknown',
  description:
    'A sending step that broke off is never repeated by itself. The run that waits for the answer then goes on.',
  scope: 'operate',
  params: z.object({ id: uuid, name: shortText(200) }),
  body: z.strictObject({
    outcome: z.enum(['done', 'failed', 'retry']).meta({
      description: '`done`: it was done; `failed`: it was not, and is not to be; `retry`: it was not, do it now.',
    }),
    note: shortText(2_000).meta({ description: 'How you know.' }),
    by: shortText(200).default('operator').meta({ description: 'Who says so.' }),
  }),
  answers: { 200: { description: 'Noted.', schema: acted } },
  failures: { 409: ['STEP_NOT_UNKNOWN', 'RUN_FINISHED', 'RUN_NOT_WAITING'] },
  async handle({ params, body }, { runs }) {
    const { status } = await runs.resolve(params.id, params.name, body);
    return { status: 200, body: { success: true, runId: params.id, status } satisfies z.infer<typeof acted> };
  },
});

export const runOperations: readonly Operation[] = [get, cancel, retry, resolve];
