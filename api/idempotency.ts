import { createHash, randomBytes } from 'node:crypto';
import type { Request } from 'express';
import * as keys from '../database/queries/idempotency.ts';
import type { Records } from '../database/records.ts';
import type { Json, JsonObject } from '../database/tables.ts';
import { type Clock, iso } from '../shared/clock.ts';
import { AppError, ValidationError } from '../shared/errors.ts';
import type { Logger } from '../shared/logger.ts';
import { contextOf } from './context.ts';
import type { Answer, SelfSent } from './operation.ts';

/** A claim without an answer is that of a crashed process after this, in milliseconds. */
const ABANDONED_MS = 60_000;
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** JSON with sorted names, so that two spellings of one body are one. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, item]) => `${JSON.stringify(name)}:${canonical(item)}`).join(',')}}`;
}

/**
 * Gives a repeated POST the first answer. The first insert of a key wins; an answer that says the thing was done is kept for a
 * day, for the same caller, method and path. A refusal did nothing, so it frees the key for the mended request. A process that
 * crashes between doing and keeping leaves a claim that is free again after a minute: the request is then done once more.
 */
export class Idempotency {
  readonly #records: Records;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(dependencies: { records: Records; clock: Clock; logger: Logger }) {
    this.#records = dependencies.records;
    this.#clock = dependencies.clock;
    this.#logger = dependencies.logger;
  }

  /**
   * Does the work, or gives the kept answer.
   * @throws {AppError} IDEMPOTENCY_KEY_REUSED (422), IDEMPOTENCY_IN_PROGRESS (409), VALIDATION_FAILED for a bad key
   */
  async run(request: Request, body: unknown, work: () => Promise<Answer | SelfSent>): Promise<Answer | SelfSent> {
    const given = request.headers['idempotency-key'];
    if (given === undefined) return work();
    const key = this.#keyOf(request, String(given));
    const fingerprint = sha256(canonical(body));
    const claim = `${fingerprint}/${randomBytes(12).toString('hex')}`;
    const kept = await this.#claim(key, fingerprint, claim);
    if (kept) return kept;
    return this.#doOnce(key, claim, work);
  }

  #keyOf(request: Request, given: string): string {
    if (!/^[\x20-\x7e]{1,255}$/.test(given))
      throw new ValidationError('The request has problems.', [
        { path: 'headers.idempotency-key', message: 'is not 1 to 255 printable ASCII characters', mend: 'send a UUID' },
      ]);
    const path = request.path.toLowerCase().replace(/\/+$/, '');
    return sha256([contextOf(request).caller.id, request.method, path, given].join('\n'));
  }

  /** Takes the key, or returns the answer that is kept under it. */
  async #claim(key: string, fingerprint: string, claim: string): Promise<Answer | null> {
    // Lost races are looked at again; three rounds are more than any interleaving needs.
    for (let round = 0; round < 3; round += 1) {
      const now = this.#clock.now();
      if (await keys.takeKey(this.#records, key, claim, iso(now))) return null;
      const row = await keys.findKey(this.#records, key);
      if (!row) continue;
      const age = now - Date.parse(row.created_at);
      const over = age >= keys.KEY_KEPT_MS || (row.status === null && age >= ABANDONED_MS);
      if (age < keys.KEY_KEPT_MS && row.request_hash.split('/')[0] !== fingerprint)
        throw new AppError('IDEMPOTENCY_KEY_REUSED', 422, 'This Idempotency-Key was used with another body.', {
          details: [{ path: 'headers.idempotency-key', message: 'belongs to another request', mend: 'use a new key' }],
        });
      if (!over && row.status === null) break;
      if (!over) return replay(row.status ?? 200, row.response);
      if (await keys.takeKeyOver(this.#records, key, row.request_hash, claim, iso(now))) return null;
    }
    throw new AppError(
      'IDEMPOTENCY_IN_PROGRESS',
      409,
      'The first request with this Idempotency-Key is still going on.',
      {
        retryable: true,
      },
    );
  }

  async #doOnce(key: string, claim: string, work: () => Promise<Answer | SelfSent>): Promise<Answer | SelfSent> {
    let answer: Answer | SelfSent;
    try {
      answer = await work();
    } catch (error) {
      await this.#settle(() => keys.freeKey(this.#records, key, claim));
      throw error;
    }
    if (typeof answer === 'function') await this.#settle(() => keys.freeKey(this.#records, key, claim));
    else {
      const { status, body, headers = {} } = answer;
      await this.#settle(() =>
        keys.keepAnswer(this.#records, key, claim, status, { body, headers } as unknown as Json),
      );
    }
    return answer;
  }

  /** The work is done: that its answer cannot be kept must not turn it into a failure. */
  async #settle(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      this.#logger.warn('idempotency key could not be settled', { error });
    }
  }
}

function replay(status: number, kept: Json): Answer {
  const { body, headers } = kept as { body: JsonObject; headers?: Record<string, string> };
  return { status, body, headers: { ...headers, 'Idempotency-Replayed': 'true' } };
}
