import { isDeepStrictEqual } from 'node:util';
import type { Operation } from 'rfc6902';
import { z } from 'zod';
import type { ApprovalRow } from '../../database/tables-moves.ts';
import type { Json, JsonObject } from '../../database/tables.ts';
import { type Problem, ValidationError } from '../../shared/errors.ts';
import { applyJsonPatch, differenceOf, PatchFault } from './json-patch.ts';

const pointer = z
  .string()
  .max(1_000)
  .regex(/^(?:\/(?:[^/~]|~[01])*)*$/u, { error: 'is not a JSON Pointer such as /tags/0' });
const operationSchema = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('add'), path: pointer, value: z.json() }),
  z.strictObject({ op: z.literal('replace'), path: pointer, value: z.json() }),
  z.strictObject({ op: z.literal('remove'), path: pointer }),
  z.strictObject({ op: z.literal('move'), from: pointer, path: pointer }),
  z.strictObject({ op: z.literal('copy'), from: pointer, path: pointer }),
  z.strictObject({ op: z.literal('test'), path: pointer, value: z.json() }),
]);

/** Changes to what is to be approved: a JSON Patch (RFC 6902), or an object laid over it as a merge patch (RFC 7396). */
export const editsSchema = z.union([z.array(operationSchema).max(500), z.record(z.string(), z.json())], {
  error: 'must be a JSON Patch (a list of operations), or an object with the fields to replace',
});
export type Edits = z.output<typeof editsSchema>;

/** By the kind of the question, what is wrong with an edited subject; a kind that is not there takes no edits. */
export type SubjectChecks = Readonly<Record<string, (edited: JsonObject, row: ApprovalRow) => Problem[]>>;

/** RFC 7396, section 2: objects are merged, null removes, everything else replaces. */
function merged(target: Json | undefined, patch: Json): Json {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const isObject = typeof target === 'object' && target !== null && !Array.isArray(target);
  const result = new Map<string, Json>(isObject ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch))
    if (value === null) result.delete(key);
    else result.set(key, merged(result.get(key), value));
  // Defines each as a field of its own, whatever its name means elsewhere.
  return Object.fromEntries(result);
}

function patched(subject: JsonObject, operations: readonly Operation[]): Json {
  try {
    return applyJsonPatch(subject, operations);
  } catch (error) {
    if (!(error instanceof PatchFault)) throw error;
    throw new ValidationError('The edits cannot be made.', [
      {
        path: `edits[${error.index}]`,
        message: `cannot be done at ${JSON.stringify(error.path)}: ${error.message}`,
        mend: 'see the subject with GET /api/approvals/{id}',
      },
    ]);
  }
}

/**
 * What becomes of the subject by the edits, with the difference as JSON Patch (RFC 6902).
 * @throws {ValidationError} when they do not apply, or make something invalid of it
 */
export function editedSubject(
  row: ApprovalRow,
  edits: Edits,
  checks: SubjectChecks,
): { subject: JsonObject; diff: JsonObject[] } {
  const edited = Array.isArray(edits) ? patched(row.subject, edits) : merged(row.subject, edits);
  if (typeof edited !== 'object' || edited === null || Array.isArray(edited))
    throw new ValidationError('The edits cannot be made.', [
      { path: 'edits', message: 'make something else than an object of the subject', mend: 'edit single fields' },
    ]);
  const problems = (Object.hasOwn(checks, row.kind) ? checks[row.kind] : undefined)?.(edited, row) ?? [
    { path: '', message: 'takes no edits', mend: 'approve it as it is, or reject it' },
  ];
  if (problems.length > 0)
    throw new ValidationError(
      'What the edits make is not valid.',
      problems.map((problem) => ({ ...problem, path: problem.path ? `edits.${problem.path}` : 'edits' })),
    );
  return { subject: edited, diff: differenceOf(row.subject, edited) as unknown as JsonObject[] };
}

const TYPES: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  boolean: 'true or false',
  object: 'an object',
};
const typeOf = (value: Json | undefined) =>
  Array.isArray(value) ? 'a list' : value === null ? 'null' : (TYPES[typeof value] ?? 'as it is');

/** For a question of a campaign's own step: the fields that it names may change, and keep their types. */
export function checkStepEdits(edited: JsonObject, { subject, context }: ApprovalRow): Problem[] {
  const editable = Array.isArray(context['editable']) ? context['editable'].map(String) : [];
  const names = [...new Set([...Object.keys(subject), ...Object.keys(edited)])];
  return names.flatMap((name): Problem[] => {
    const [before, after] = [subject[name], edited[name]];
    if (isDeepStrictEqual(before, after)) return [];
    if (!editable.includes(name))
      return [
        {
          path: name,
          message: 'cannot be edited',
          mend: editable.length > 0 ? `these can: ${editable.join(', ')}` : 'approve it as it is, or reject it',
        },
      ];
    if (after === undefined || (before !== undefined && typeOf(before) !== typeOf(after)))
      return [{ path: name, message: `must stay ${typeOf(before)}`, mend: 'give it a value of the same type' }];
    return [];
  });
}
