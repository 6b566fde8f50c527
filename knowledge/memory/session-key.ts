import { type Problem, ValidationError } from '../../shared/errors.ts';

/** Whose state it is: sessions of one namespace belong to one kind of owner, such as `agent`. */
export interface SessionKey {
  namespace: string;
  id: string;
}

export const NAMESPACE = /^[a-z][a-z0-9-]{0,39}$/;
/** Begins with a letter or digit, so that no id is a dot segment of a path. */
export const SESSION_ID = /^[A-Za-z0-9][A-Za-z0-9._:@-]{0,199}$/;

/**
 * The key as one text; different keys give different texts, since no namespace holds a colon.
 * @throws {ValidationError} when the namespace or the id is not of the form above
 */
export function nameOf({ namespace, id }: SessionKey): string {
  const problems: Problem[] = [];
  if (!NAMESPACE.test(namespace))
    problems.push({
      path: 'namespace',
      message: 'is not a name of a namespace',
      mend: 'write 1 to 40 lower-case letters, digits and hyphens, a letter first',
    });
  if (!SESSION_ID.test(id))
    problems.push({
      path: 'id',
      message: 'is not an id of a session',
      mend: 'write 1 to 200 letters, digits and . _ : @ -, a letter or digit first',
    });
  if (problems.length > 0) throw new ValidationError('The session has no proper key.', problems);
  return `${namespace}:${id}`;
}
