import { z } from 'zod';
import { engineNames, stepKinds } from '../steps/registry.ts';
import { DEFAULT_ATTEMPTS, LONGEST_NAME, MOST_PARALLEL, RETRY_DEFAULTS, STEP_DEFAULTS } from './defaults.ts';
import { dollars, freeForm, nameText } from './fields.ts';
import { duration } from '../shared/duration.ts';

const DAY_MS = 86_400_000;
const LONGEST_URL = 2_000;

const kindList = Object.values(stepKinds);
const inKinds = (say: (kind: (typeof kindList)[number]) => unknown) =>
  kindList.map((kind) => `${kind.kind} ${String(say(kind))}`).join(', ');
const paths = kindList.flatMap((kind) => (kind.engine === null ? [] : [`${kind.kind} ${kind.defaultPath}`])).join(', ');

function endpoint(description: string) {
  return z.string().trim().min(1).max(LONGEST_URL).optional().meta({ description });
}

const retry = z
  .strictObject({
    attempts: z
      .int()
      .min(1)
      .max(20)
      .optional()
      .meta({
        description:
          `Tries in all, the first included; ${DEFAULT_ATTEMPTS.repeatable} where the step may be repeated, ` +
          `${DEFAULT_ATTEMPTS.once} where it may not.`,
      }),
    delay: duration(0, DAY_MS, RETRY_DEFAULTS.delay).describe('Wait before the second try.'),
    backoff: z
      .enum(['fixed', 'exponential'])
      .optional()
      .meta({ default: RETRY_DEFAULTS.backoff, description: 'exponential doubles the wait each time, up to an hour.' }),
  })
  .optional()
  .meta({ description: 'Only what may succeed on another try is tried again.' });

export const stepInput = z.strictObject({
  name: nameText(LONGEST_NAME)
    .optional()
    .meta({ description: 'Unique in the campaign; the kind of the step when left out.' }),
  engine: z.enum(engineNames).meta({
    description: `Which engine works, or what the service writes itself: ${engineNames.join(', ')}.`,
  }),
  kind: z
    .enum(Object.keys(stepKinds))
    .optional()
    .meta({
      description: `Follows from engine and endpoint and need not be written. ${kindList
        .map((kind) => `${kind.kind}: ${kind.description}`)
        .join(' ')}`,
    }),
  endpoint: endpoint(
    `Address of the engine, or a path at its configured address (${paths}). Other kinds call no engine.`,
  ),
  method: z
    .enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])
    .optional()
    .meta({ default: STEP_DEFAULTS.method, description: 'HTTP method.' }),
  params: freeForm(
    'Sent to the engine as it is, except that texts may refer to earlier results: {{ steps.prospecting.runId }}.',
  ).optional(),
  timeout: duration(100, DAY_MS).describe(
    `Longest time for one try: milliseconds, or text such as "5m"; left out: ${inKinds((kind) => kind.defaultTimeout)}.`,
  ),
  retry,
  onSuccess: z
    .enum(['continue', 'abort'])
    .optional()
    .meta({ default: STEP_DEFAULTS.onSuccess, description: 'abort: the run ends well after this step.' }),
  onFailure: z.enum(['abort', 'continue', 'log']).optional().meta({
    default: STEP_DEFAULTS.onFailure,
    description: 'abort: the run fails; continue and log: it goes on and is partial.',
  }),
  effect: z
    .enum(['repeatable', 'once'])
    .optional()
    .meta({
      description: `once: never repeated when its outcome is unknown; left out: ${inKinds((kind) => kind.defaultEffect)}.`,
    }),
  protocol: z
    .enum(['auto', 'json', 'sse', 'job'])
    .optional()
    .meta({ default: STEP_DEFAULTS.protocol, description: 'How the engine answers; auto looks at the answer.' }),
  statusEndpoint: endpoint('Where the state of queued jobs is asked for; a URL or a path, as endpoint.'),
  pollInterval: duration(10, 3_600_000, STEP_DEFAULTS.pollInterval).describe('Time between two looks at queued jobs.'),
  cancelEndpoint: endpoint('Told to stop on time-out and cancel; a URL or a path, as endpoint.'),
  terminalEvents: z
    .array(nameText(100))
    .min(1)
    .max(20)
    .optional()
    .meta({ description: "Names of the events that end a stream, instead of the engine's usual ones." }),
  estimatedCost: dollars('Dollars held against the budget before the step; left out: learned from earlier runs.'),
});

const step = stepInput.meta({ id: 'CampaignStep' });

export const groupInput = z.strictObject({
  parallel: z.array(step).min(1).max(MOST_PARALLEL).meta({ description: 'Steps that run together.' }),
});

export const stepEntryInput = z.union([step, groupInput], {
  error: 'must be an object with "engine", or a group {"parallel": [steps]}',
});

export type StepInput = z.output<typeof stepInput>;
export const stepFieldNames = Object.keys(stepInput.shape);
export const retryFieldNames = Object.keys(retry.unwrap().shape);
