import { setImmediate as othersGoFirst } from 'node:timers/promises';
import { linesAfter } from '../database/queries/knowledge.ts';
import type { Records } from '../database/records.ts';
import type { IngestRow } from '../database/tables-knowledge.ts';
import { isOutage } from '../database/availability.ts';
import { type Clock, iso } from '../shared/clock.ts';
import { messageOf } from '../shared/errors.ts';
import type { EventBus } from '../shared/events.ts';
import type { Logger } from '../shared/logger.ts';
import { type FactDraft, factOf } from './fact.ts';
import { nearDuplicatesAmong } from './near-duplicates.ts';
import type { LineProblem, Piece } from './piece.ts';
import { readerOf } from './reader.ts';

export interface RefineryDependencies {
  records: Records;
  clock: Clock;
  logger: Logger;
  events: EventBus;
  worker: string;
  leaseMs: number;
}

const LINES_A_READ = 500;
const PIECES_A_STEP = 200;
/** Texts that take a while to compare. */
const MANY = 500;
/** Progress is noted after so many lines. */
const LINES_A_NOTE = 1_000;
/** Tries of one step before a file has failed, and the time between them in milliseconds. */
const MOST_ATTEMPTS = 3;
const RETRY_AFTER_MS = 5_000;

interface Candidate {
  id: string;
  context: string;
  text: string;
  near_key: string;
}

/** The work on one file: where it stands, and what has been read and not yet written. */
interface Course {
  file: IngestRow;
  done: number;
  linesRead: number;
  notedLine: number;
  pieces: Piece[];
}

/**
 * Makes facts of raw lines. What has become of a file stands in the records after each step, with the place from which to go on; a
 * step is written only by the worker that holds the file, so that none is lost or done twice whoever dies when.
 */
export class Refinery {
  readonly #deps: RefineryDependencies;

  constructor(dependencies: RefineryDependencies) {
    this.#deps = dependencies;
  }

  /** Refines the next file, if there is one that nobody holds; answers whether there was. Stops between steps when the signal aborts. */
  async runOnce(signal: AbortSignal): Promise<boolean> {
    const { records, clock, worker, leaseMs } = this.#deps;
    const file = await records.call<IngestRow | null>('knowledge_claim', {
      p_worker: worker,
      p_now: iso(clock.now()),
      p_lease_ms: leaseMs,
    });
    if (!file) return false;
    try {
      if (isMostlyUnreadable(file)) await this.#giveBack(file, new Error(unreadableReason(file)), 0);
      else await this.#refine(file, signal);
    } catch (error) {
      if (isOutage(error)) throw error;
      await this.#giveBack(file, error);
    }
    return true;
  }

  async #refine(file: IngestRow, signal: AbortSignal): Promise<void> {
    const reader = readerOf(file.format);
    const course: Course = {
      file,
      done: file.segments_done,
      linesRead: file.lines_read,
      notedLine: file.lines_read,
      pieces: [],
    };
    // The same lines give the same pieces: those that are done already are read past.
    let past = file.segments_done;
    const take = async (pieces: Piece[]): Promise<boolean> => {
      for (const piece of pieces) {
        if (past > 0) past -= 1;
        else course.pieces.push(piece);
        if (course.pieces.length >= PIECES_A_STEP && !(await this.#step(course, false))) return false;
      }
      return true;
    };
    for (let line = 0; ;) {
      const rows = await linesAfter(this.#deps.records, file.id, line, LINES_A_READ);
      for (const row of rows) {
        line = row.line;
        const pieces = reader.push(row);
        course.linesRead = Math.max(course.linesRead, line);
        if (!(await take(pieces))) return;
        if (signal.aborted) return;
      }
      if (rows.length < LINES_A_READ) break;
    }
    course.linesRead = file.lines;
    if (await take(reader.end())) await this.#step(course, true);
  }

  /** Writes what has been read. False: the file is not ours any more. */
  async #step(course: Course, finished: boolean): Promise<boolean> {
    const { records, clock, leaseMs, events } = this.#deps;
    const { file } = course;
    const pieces = course.pieces.splice(0);
    const { facts, problems, repeated } = gather(file.collection, pieces);
    const near = await this.#findNear(file.collection, facts);
    const note = course.linesRead - course.notedLine >= LINES_A_NOTE;
    if (note) course.notedLine = course.linesRead;
    const { held } = await records.call<{ held: boolean }>('knowledge_commit', {
      p_id: file.id,
      p_epoch: file.epoch,
      p_now: iso(clock.now()),
      p_lease_ms: leaseMs,
      p_step: {
        segments_from: course.done,
        segments_to: course.done + pieces.length,
        lines_read: course.linesRead,
        facts: [...facts.values()].map((fact) => stored(fact, near.get(fact.draft.id) ?? [])),
        repeated,
        problems,
        note,
        finished,
      },
    });
    if (held && (note || finished))
      events.emit('knowledge.progress', { ingestId: file.id, linesRead: course.linesRead, lines: file.lines });
    course.done += pieces.length;
    return held;
  }

  /** The facts, known or of this step, that say the same as each new one in almost the same words. */
  async #findNear(collection: string, facts: ReadonlyMap<string, Gathered>): Promise<Map<string, string[]>> {
    const byKey = new Map<string, { id: string; context: string; text: string }[]>();
    for (const { draft } of facts.values())
      if (draft.nearKey !== null) byKey.set(draft.nearKey, [...(byKey.get(draft.nearKey) ?? []), draft]);
    const near = new Map<string, string[]>();
    if (byKey.size === 0) return near;
    const known = await this.#deps.records.call<Candidate[]>('knowledge_candidates', {
      p_collection: collection,
      p_near_keys: [...byKey.keys()],
    });
    for (const candidate of known) if (!facts.has(candidate.id)) byKey.get(candidate.near_key)?.push(candidate);
    for (const alike of byKey.values()) {
      if (alike.length < 2) continue;
      const duplicatesOf = nearDuplicatesAmong(alike);
      for (const one of alike)
        if (facts.has(one.id))
          near.set(
            one.id,
            duplicatesOf(one).map(({ id }) => id),
          );
      if (alike.length > MANY) await othersGoFirst();
    }
    return near;
  }

  async #giveBack(file: IngestRow, error: unknown, mostAttempts = MOST_ATTEMPTS): Promise<void> {
    const { records, clock, logger, events } = this.#deps;
    logger.warn('A file could not be refined', { ingestId: file.id, attempt: file.attempts, error });
    const state = await records.call<string>('knowledge_give_back', {
      p_id: file.id,
      p_epoch: file.epoch,
      p_now: iso(clock.now()),
      p_reason: messageOf(error).slice(0, 500),
      p_most: mostAttempts,
      p_wait_ms: RETRY_AFTER_MS,
    });
    if (state === 'failed') events.emit('knowledge.finished', { ingestId: file.id, name: file.name, state });
  }
}

/** Before the first step the only problems of a file are lines that are no text at all. */
function isMostlyUnreadable({ segments_done, lines_read, problems, lines }: IngestRow): boolean {
  return segments_done === 0 && lines_read === 0 && problems * 2 > lines;
}

function unreadableReason({ problems, lines }: IngestRow): string {
  return `${problems} of ${lines} lines are no text in the encoding of the file: it may be of another kind. Nothing of it was taken.`;
}

interface Gathered {
  draft: FactDraft;
  sources: [line: number, lastLine: number][];
}

/** The facts of some pieces, each once with all its lines. */
function gather(collection: string, pieces: readonly Piece[]) {
  const facts = new Map<string, Gathered>();
  const problems: LineProblem[] = [];
  let repeated = 0;
  for (const piece of pieces) {
    if ('problem' in piece) {
      problems.push(piece.problem);
      continue;
    }
    const { draft, problem } = factOf(collection, piece.segment);
    if (problem) problems.push(problem);
    if (!draft) continue;
    const known = facts.get(draft.id);
    if (!known) facts.set(draft.id, { draft, sources: [[draft.line, draft.lastLine]] });
    else {
      repeated += 1;
      known.sources.push([draft.line, draft.lastLine]);
      if (draft.typeRank > known.draft.typeRank)
        known.draft = { ...known.draft, type: draft.type, typeRank: draft.typeRank };
    }
  }
  return { facts, problems, repeated };
}

function stored({ draft, sources }: Gathered, near: readonly string[]) {
  return {
    id: draft.id,
    context: draft.context,
    text: draft.text,
    aliases: draft.aliases,
    type: draft.type,
    type_rank: draft.typeRank,
    suspicious: draft.suspicious,
    content_hash: draft.contentHash,
    near_key: draft.nearKey,
    attributes: draft.attributes,
    claims: draft.claims.map(({ key, attribute, value }) => [key, attribute, value]),
    near,
    sources,
  };
}
