import type { Records } from '../../database/records.ts';

/** What stands between a caller of database functions and the database; `next` makes the call. */
export type Interceptor = (
  name: string,
  args: Record<string, unknown>,
  next: () => Promise<unknown>,
) => Promise<unknown>;

/** The same records with every call of a database function going through the interceptor. */
export function intercepted(records: Records, interceptor: Interceptor): Records {
  return new Proxy(records, {
    get(target, property) {
      if (property === 'call')
        return (name: string, args: Record<string, unknown>) => interceptor(name, args, () => target.call(name, args));
      const member: unknown = Reflect.get(target, property);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}
