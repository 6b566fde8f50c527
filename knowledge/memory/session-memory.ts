import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Records } from '../../database/records.ts';
import { type Clock, iso } from '../../shared/clock.ts';
import { ConflictError, ValidationError } from '../../shared/errors.ts';
import type { EventBus } from '../../shared/events.ts';
import type { JsonObject } from '../../shared/json.ts';
import { nameOf, type SessionKey } from './session-key.ts';

/** The longest state, in bytes of its JSON in UTF-8. */
export const STATE_LIMIT = 262_144;

/** Where copies of states are kept outside of the process. Nothing in it is trusted, and it may lose or forget anything. */
export interface StateCache {
  /** The text under the name, null without one or without an answer; never rejects. */
  get(name: string): Promise<string | null>;
  /** Puts the text there in the background, for `ttlMs` milliseconds, if that is possible. */
  set(name: string, text: string, ttlMs: number): void;
  /** Removes it in the background, if that is possible. */
  remove(name: string): void;
}

export type MemorySource = 'process' | 'redis' | 'postgres';

export interface SessionState {
  state: JsonObject;
  /** Of this write; what the next `put` names. Versions of a session grow and never come twice, also when it was removed between. */
  version: number;
  /** ISO 8601 in UTC. */
  updatedAt: string;
}

export interface RecoveredSession extends SessionState {
  /** Where the state itself came from. */
  source: MemorySource;
  /** How long it took, in milliseconds. */
  ms: number;
}

/** Somebody else wrote or removed the session meanwhile, or it is there already. Status 409. */
export class MemoryConflictError extends ConflictError {
  /** The version that the session is at; null when it is not there. */
  readonly present: number | null;

  constructor(key: SessionKey, present: number | null) {
    const message = present === null ? 'the session is not there' : `the session is at version ${present}`;
    const mend = present === null ? 'send the version null to make it' : 'read it, and send the version that it has';
    super('MEMORY_CONFLICT', `Another version of the session ${key.id} was expected: ${message}.`, [
      { path: 'version', message, mend },
    ]);
    this.name = 'MemoryConflictError';
    this.present = present;
  }
}

export interface SessionMemoryOptions {
  records: Records;
  clock: Clock;
  events: EventBus;
  /** Shared by the replicas; none when not given. */
  cache?: StateCache | undefined;
  /** Bytes of states kept in the process at most; 64 MiB when not given. */
  maxBytes?: number;
  /** How long caches keep a state that is neither read nor written, in milliseconds; an hour when not given. */
  ttlMs?: number;
}

const MAX_BYTES = 64 * 1_024 * 1_024;
const TTL_MS = 3_600_000;
/** What an entry takes beside its text, roughly. */
const ENTRY_BYTES = 500;

/** A state as text, and what it is known by. */
interface Copy {
  text: string;
  digest: string;
}

/**
 * The working state of sessions, such as what an agent has on its mind: whole JSON objects, each under a namespace and an id.
 * The database holds the truth; the process and a {@link StateCache} hold copies, so that a state need not be moved again.
 *
 * **Guarantee.** A read gives the state of the last write acknowledged before the read began, or of one under way, on any
 * replica and whatever the caches hold. For that, every read asks the database which state is the present one (a row by
 * its key, some hundred bytes) and takes a copy only if its SHA-256 is the one that the database names: a stale, foreign or damaged
 * copy is as good as none. So nothing has to be told to other replicas, and without the database there is no answer.
 *
 * A write names the version it rests on and is refused when the session is at another one, so that no writer overwrites
 * what it has not seen.
 *
 * Every method rejects with `DatabaseUnavailableError` when the database is away, and with `ValidationError` for a key that
 * is none.
 *
 * @example
 * const session = await memory.recover({ namespace: 'agent', id });
 * const version = await memory.put({ namespace: 'agent', id }, { ...session?.state, step: 2 }, session?.version ?? null);
 */
export class SessionMemory {
  readonly #records: Records;
  readonly #clock: Clock;
  readonly #events: EventBus;
  readonly #cache: StateCache | undefined;
  readonly #ttlMs: number;
  readonly #copies: LRUCache<string, Copy>;

  constructor(options: SessionMemoryOptions) {
    const { clock, maxBytes = MAX_BYTES, ttlMs = TTL_MS } = options;
    this.#records = options.records;
    this.#clock = clock;
    this.#events = options.events;
    this.#cache = options.cache;
    this.#ttlMs = ttlMs;
    this.#copies = new LRUCache({
      maxSize: maxBytes,
      // Two bytes a character, as texts with any character beyond Latin-1 take.
      sizeCalculation: ({ text }) => 2 * text.length + ENTRY_BYTES,
      ttl: ttlMs,
      ttlResolution: 0,
      updateAgeOnGet: true,
      perf: { now: () => clock.now() },
    });
  }

  /** The present state of a session, null when it is not there. The state is the caller's own and may be changed freely. */
  async get(key: SessionKey): Promise<SessionState | null> {
    const found = await this.#read(key);
    return found && { state: found.state, version: found.version, updatedAt: found.updatedAt };
  }

  /** As {@link get}, for who takes a session up again: tells where the state came from and how long that took, and counts it. */
  async recover(key: SessionKey): Promise<RecoveredSession | null> {
    // Not the clock of the service, which counts whole milliseconds and is corrected now and then.
    const begun = performance.now();
    const found = await this.#read(key);
    if (!found) return null;
    const ms = performance.now() - begun;
    this.#events.emit('memory.recovered', { ...key, source: found.source, ms });
    return { ...found, ms };
  }

  /**
   * Writes the whole state and resolves with its version when the database has it.
   *
   * When the database breaks off, it is not known whether the state was written: read before writing again.
   * @param version the one that was read, or null for a session that is to be made
   * @throws {MemoryConflictError} when the session is at another version, is not there, or is there already
   * @throws {ValidationError} when the state is longer than {@link STATE_LIMIT} bytes
   */
  async put(
    key: SessionKey,
    state: JsonObject,
    version: number | null,
  ): Promise<{ version: number; updatedAt: string }> {
    const name = nameOf(key);
    const text = JSON.stringify(state);
    checkSize(text);
    const digest = digestOf(text);
    const updatedAt = iso(this.#clock.now());
    const answer = await this.#records.call<{ written: boolean; version: number | null }>('memory_put', {
      p_namespace: key.namespace,
      p_id: key.id,
      p_state: text,
      p_digest: digest,
      p_version: version,
      p_at: updatedAt,
    });
    if (!answer.written || answer.version === null) throw new MemoryConflictError(key, answer.version);
    this.#copies.set(name, { text, digest });
    this.#cache?.set(name, text, this.#ttlMs);
    return { version: answer.version, updatedAt };
  }

  /** Removes a session, whatever its version; resolves with whether it was there. */
  async remove(key: SessionKey): Promise<boolean> {
    const name = nameOf(key);
    const count = await this.#records.remove('session_memory', whereIs(key));
    this.#copies.delete(name);
    this.#cache?.remove(name);
    return count > 0;
  }

  async #read(key: SessionKey): Promise<(SessionState & { source: MemorySource }) | null> {
    const name = nameOf(key);
    const near = this.#copies.get(name) ?? null;
    const far = near ? null : await this.#fromCache(name);
    if (!near && !far) return this.#fromDatabase(key, name);
    const [present] = await this.#records.select('session_memory', {
      columns: ['version', 'digest', 'updated_at'],
      where: whereIs(key),
    });
    if (!present) {
      this.#copies.delete(name);
      return null;
    }
    const isPresent = (copy: Copy | null) => copy?.digest === present.digest;
    const known = { version: present.version, updatedAt: present.updated_at };
    if (near && isPresent(near)) return { state: parse(near.text), ...known, source: 'process' };
    // Another replica has written: it has very likely left its state in the cache.
    const copy = far ?? (await this.#fromCache(name));
    if (!copy || !isPresent(copy)) return this.#fromDatabase(key, name);
    this.#copies.set(name, copy);
    return { state: parse(copy.text), ...known, source: 'redis' };
  }

  async #fromCache(name: string): Promise<Copy | null> {
    const text = (await this.#cache?.get(name)) ?? null;
    return text === null ? null : { text, digest: digestOf(text) };
  }

  async #fromDatabase(key: SessionKey, name: string): Promise<(SessionState & { source: 'postgres' }) | null> {
    const [row] = await this.#records.select('session_memory', { where: whereIs(key) });
    if (!row) return null;
    this.#copies.set(name, { text: row.state, digest: row.digest });
    this.#cache?.set(name, row.state, this.#ttlMs);
    return { state: parse(row.state), version: row.version, updatedAt: row.updated_at, source: 'postgres' };
  }
}

const parse = (text: string) => JSON.parse(text) as JsonObject;
const digestOf = (text: string) => createHash('sha256').update(text).digest('base64url');
const whereIs = ({ namespace, id }: SessionKey) =>
  [
    { column: 'namespace', op: 'eq', value: namespace },
    { column: 'id', op: 'eq', value: id },
  ] as const;

function checkSize(text: string): void {
  const bytes = Buffer.byteLength(text);
  if (bytes <= STATE_LIMIT) return;
  throw new ValidationError('The state of the session is too long.', [
    {
      path: 'state',
      message: `has ${bytes} bytes as JSON`,
      mend: `keep it within ${STATE_LIMIT} bytes; put what is long into records of its own and name it here`,
    },
  ]);
}
