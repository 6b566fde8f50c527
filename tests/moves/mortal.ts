import type pg from 'pg';
import type { Records } from '../../database/records.ts';
import type { Model } from '../../generation/model.ts';

/** A process that dies at the nth time that it goes out of itself: to the records, the checkpoints or the model. */
export class Mortal {
  readonly #lastBreath: number;
  breaths = 0;

  constructor(lastBreath: number) {
    this.#lastBreath = lastBreath;
  }

  breathe(): void {
    this.breaths += 1;
    if (this.breaths > this.#lastBreath) throw new Error('killed');
  }

  records(target: Records): Records {
    return this.#watching(target, ['insert', 'upsert', 'update', 'remove', 'select', 'count', 'call']);
  }

  model(target: Model): Model {
    return this.#watching(target, ['generate']);
  }

  pool(target: pg.Pool): pg.Pool {
    const connect = async () => {
      const client = await target.connect();
      const query = async (...given: unknown[]) => {
        try {
          this.breathe();
        } catch (error) {
          // As the server does with what a dead client had begun.
          await client.query('rollback');
          throw error;
        }
        return (client.query as (...given: unknown[]) => Promise<unknown>)(...given);
      };
      return withMember(client, 'query', query);
    };
    return withMember(target, 'connect', connect);
  }

  #watching<T extends object>(target: T, methods: readonly string[]): T {
    return new Proxy(target, {
      get: (of, name) => {
        const member: unknown = Reflect.get(of, name);
        if (typeof member !== 'function') return member;
        const bound = member.bind(of) as (...given: unknown[]) => unknown;
        if (!methods.includes(String(name))) return bound;
        return async (...given: unknown[]) => {
          this.breathe();
          return bound(...given);
        };
      },
    });
  }
}

function withMember<T extends object>(target: T, name: string, member: unknown): T {
  return new Proxy(target, {
    get(of, asked) {
      if (asked === name) return member;
      const found: unknown = Reflect.get(of, asked);
      return typeof found === 'function' ? (found.bind(of) as unknown) : found;
    },
  });
}
