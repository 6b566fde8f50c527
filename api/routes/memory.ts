import { z } from 'zod';
import { NAMESPACE, SESSION_ID } from '../../knowledge/memory/session-key.ts';
import { STATE_LIMIT } from '../../knowledge/memory/session-memory.ts';
import { NotFoundError } from '../../shared/errors.ts';
import type { JsonObject } from '../../shared/json.ts';
import { type Operation, operation } from '../operation.ts';
import { anyObject, success, time } from '../shapes/common.ts';

const params = z.object({
  id: z.string().regex(SESSION_ID, 'must be 1 to 200 letters, digits and . _ : @ -, a letter or digit first'),
});
const query = z.strictObject({
  namespace: z
    .string()
    .regex(NAMESPACE, 'must be 1 to 40 lower-case letters, digits and hyphens, a letter first')
    .default('default')
    .meta({ description: 'Whose session it is; ids of different namespaces do not meet.' }),
});
const version = z.int().positive().meta({ description: 'Of this write of the session. Grows, and never comes twice.' });

const recovered = z.strictObject({
  success,
  session: z.strictObject({
    namespace: z.string(),
    id: z.string(),
    version,
    updatedAt: time,
    state: anyObject,
    source: z.enum(['process', 'redis', 'postgres']).meta({ description: 'Where the state was at hand.' }),
    recoveryMs: z.number().min(0).meta({ description: 'How long it took to get it, in milliseconds.' }),
  }),
});

const get = operation({
  id: 'getSession',
  method: 'get',
  path: '/api/memory/sessions/{id}',
  tag: 'Memory',
  summary: 'The working state of a session',
  description: 'Always the last state that was acknowledged to whoever wrote it, on any replica.',
  scope: 'operate',
  params,
  query,
  answers: { 200: { description: 'The present state.', schema: recovered } },
  async handle({ params: { id }, query: { namespace } }, { memory }) {
    const found = await memory.recover({ namespace, id });
    if (!found) throw new NotFoundError('session', id);
    const { ms, ...session } = found;
    return {
      status: 200,
      body: { success: true, session: { namespace, id, ...session, recoveryMs: ms } } satisfies z.infer<
        typeof recovered
      >,
    };
  },
});

const written = z.strictObject({
  success,
  session: z.strictObject({ namespace: z.string(), id: z.string(), version, updatedAt: time }),
});

const put = operation({
  id: 'putSession',
  method: 'put',
  path: '/api/memory/sessions/{id}',
  tag: 'Memory',
  summary: 'Make a session, or replace its whole state',
  description:
    'Refused when the session is at another version than the one named, so that nobody overwrites what they have not seen. ' +
    'An answer that got lost leaves it open whether the state was written: read before writing again.',
  scope: 'operate',
  params,
  query,
  body: z.strictObject({
    state: anyObject.meta({ description: `At most ${STATE_LIMIT} bytes as JSON in UTF-8.` }),
    version: version
      .nullable()
      .default(null)
      .meta({ description: 'The version that was read; null, or nothing, to make a session that is not there.' }),
  }),
  answers: { 200: { description: 'The database has it.', schema: written } },
  failures: { 409: ['MEMORY_CONFLICT'] },
  async handle({ params: { id }, query: { namespace }, body }, { memory }) {
    const done = await memory.put({ namespace, id }, body.state as JsonObject, body.version);
    return {
      status: 200,
      body: { success: true, session: { namespace, id, ...done } } satisfies z.infer<typeof written>,
    };
  },
});

const removed = z.strictObject({ success, message: z.literal('Session removed') });

const remove = operation({
  id: 'removeSession',
  method: 'delete',
  path: '/api/memory/sessions/{id}',
  tag: 'Memory',
  summary: 'Forget a session, whatever its version',
  scope: 'operate',
  params,
  query,
  answers: { 200: { description: 'It is not there any more.', schema: removed } },
  async handle({ params: { id }, query: { namespace } }, { memory }) {
    if (!(await memory.remove({ namespace, id }))) throw new NotFoundError('session', id);
    return { status: 200, body: { success: true, message: 'Session removed' } satisfies z.infer<typeof removed> };
  },
});

export const memoryOperations: readonly Operation[] = [get, put, remove];
