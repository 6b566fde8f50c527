import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import { quietPool, startPostgres, type TestPostgres } from '../support/postgres.ts';

/** Writes down every state that a step's row is given, with the transaction, whose time of commit Postgres keeps. */
const HISTORY = `
  create schema chaos;
  create table chaos.step_states (
    place bigint generated always as identity, run_id uuid, name text, status text, attempts integer,
    xid xid8 default pg_current_xact_id(), at timestamptz default clock_timestamp()
  );
  create function chaos.note_step() returns trigger language plpgsql as $$
  begin
    insert into chaos.step_states (run_id, name, status, attempts) values (new.run_id, new.name, new.status, new.attempts);
    return null;
  end $$;
  create trigger note_step after insert or update on run_steps for each row execute function chaos.note_step();
`;

/** How long a question to the database is asked again while it is away, in milliseconds. */
const PATIENCE_MS = 60_000;

/** The database under test: a durable Postgres, and the harness' own way to it that no fault cuts. */
export class ChaosDatabase {
  readonly url: string;
  readonly server: TestPostgres;
  readonly #pool: Pool;

  private constructor(server: TestPostgres, url: string) {
    this.server = server;
    this.url = url;
    this.#pool = quietPool({ connectionString: url, max: 2 });
  }

  static async start(): Promise<ChaosDatabase> {
    const settings = ['track_commit_timestamp=on', 'max_connections=200'];
    const server = await startPostgres({ durable: true, settings });
    return new ChaosDatabase(server, await server.createEmptyDatabase());
  }

  /** To be called when the service has made its tables. */
  async keepHistory(): Promise<void> {
    await this.ask(HISTORY);
  }

  /** Asks until there is an answer. */
  async ask<T extends object>(sql: string, parameters: unknown[] = []): Promise<T[]> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      try {
        const { rows } = await this.#pool.query<T>(sql, parameters);
        return rows;
      } catch (error) {
        // An answer of the server that names a fault of the question comes again each time.
        const { code = '' } = error as { code?: string };
        if (/^(22|23|42)/.test(code) || Date.now() > deadline) throw error;
        await delay(100);
      }
    }
  }

  async stop(): Promise<void> {
    await this.#pool.end();
    await this.server.stop();
  }
}
