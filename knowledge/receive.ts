import type { Records } from '../database/records.ts';
import type { IngestRow, KnowledgeFormat } from '../database/tables-knowledge.ts';
import { type Clock, iso } from '../shared/clock.ts';
import { AppError, ConflictError, ValidationError } from '../shared/errors.ts';
import { newId } from '../shared/ids.ts';
import { Repeater } from '../shared/repeater.ts';
import { LARGEST_FILE, MOST_LINES } from './limits.ts';
import { LineDecoder } from './lines.ts';
import type { LineProblem } from './piece.ts';

/** A file on its way in. */
export interface IncomingFile {
  name: string;
  collection: string;
  format: KnowledgeFormat;
  /** As its sender names it; one that `isKnownCharset`. */
  charset?: string | undefined;
}

export interface ReceiveContext {
  records: Records;
  clock: Clock;
  worker: string;
  leaseMs: number;
}

/** Lines, and bytes of text, that go to the database in one call. */
const LINES_A_CALL = 1_000;
const TEXT_A_CALL = 262_144;

/**
 * Takes a file into the records, line by line as it comes; resolves when all of it is there. Whatever goes wrong, nothing of it is
 * kept: here, or, when this process dies, by the next look of any worker.
 * @throws {AppError} KNOWLEDGE_TOO_LARGE (413) beyond {@link MOST_LINES} or {@link LARGEST_FILE}; VALIDATION_FAILED for a file without
 *   a line; KNOWLEDGE_CANCELLED; what the body's iterator throws
 */
export async function receiveFile(
  file: IncomingFile,
  body: AsyncIterable<Uint8Array>,
  context: ReceiveContext,
): Promise<IngestRow> {
  const { records, clock, worker, leaseMs } = context;
  const id = newId(clock.now());
  const leaseUntil = () => iso(clock.now() + leaseMs);
  await records.insert('knowledge_ingests', [
    {
      id,
      collection: file.collection,
      name: file.name,
      format: file.format,
      state: 'receiving',
      claimed_by: worker,
      lease_until_at: leaseUntil(),
      created_at: iso(clock.now()),
    },
  ]);
  // Whoever sends slowly is still there.
  const renewal = new Repeater(
    () =>
      records.update('knowledge_ingests', { lease_until_at: leaseUntil() }, [
        { column: 'id', op: 'eq', value: id },
        { column: 'state', op: 'eq', value: 'receiving' },
      ]),
    { clock, everyMs: leaseMs / 3, firstAfterMs: leaseMs / 3, onFailure: () => undefined },
  );
  renewal.start();
  try {
    await storeLines(id, file, body, { ...context, leaseUntil });
    if (!(await records.call<boolean>('knowledge_received', { p_id: id, p_at: iso(clock.now()) }))) throw cancelled();
  } catch (error) {
    // If the database is away now, the lapsed lease tells the next worker to remove it.
    await records.remove('knowledge_ingests', [{ column: 'id', op: 'eq', value: id }]).catch(() => undefined);
    throw error;
  } finally {
    await renewal.stop();
  }
  const [row] = await records.select('knowledge_ingests', { where: [{ column: 'id', op: 'eq', value: id }] });
  if (!row) throw cancelled();
  return row;
}

async function storeLines(
  id: string,
  file: IncomingFile,
  body: AsyncIterable<Uint8Array>,
  { records, leaseUntil }: { records: Records; leaseUntil: () => string },
): Promise<void> {
  const decoder = new LineDecoder(file.charset);
  let bytes = 0;
  let lines: [number, string][] = [];
  let problems: LineProblem[] = [];
  let textLength = 0;
  let sayable = 0;
  let firstProblem: LineProblem | null = null;
  const store = async () => {
    const isWanted = await records.call<boolean>('knowledge_put_lines', {
      p_id: id,
      p_lines: lines,
      p_problems: problems,
      p_total: decoder.lines,
      p_bytes: bytes,
      p_lease_until: leaseUntil(),
    });
    if (!isWanted) throw cancelled();
    [lines, problems, textLength] = [[], [], 0];
  };
  const take = async (decoded: ReturnType<LineDecoder['push']>) => {
    if (decoder.lines > MOST_LINES) throw tooLarge(`more than ${MOST_LINES} lines`);
    for (const line of decoded) {
      if ('problem' in line) {
        problems.push(line.problem);
        firstProblem ??= line.problem;
      } else {
        lines.push([line.line, line.text]);
        textLength += line.text.length;
        if (/\S/.test(line.text)) sayable += 1;
      }
      if (lines.length + problems.length >= LINES_A_CALL || textLength >= TEXT_A_CALL) await store();
    }
  };
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > LARGEST_FILE) throw tooLarge(`more than ${LARGEST_FILE} bytes`);
    await take(decoder.push(chunk));
  }
  await take(decoder.end());
  await store();
  if (sayable === 0) throw unreadable(firstProblem);
}

function unreadable(problem: LineProblem | null): ValidationError {
  return new ValidationError('The file holds no line that can be read.', [
    problem
      ? { path: `lines[${problem.line}]`, message: problem.message, mend: problem.mend }
      : { path: '', message: 'is empty', mend: 'send a file with at least one line of text' },
  ]);
}

/** The refusal of a file that is too long; nothing of it is kept. */
export function tooLarge(why: string): AppError {
  return new AppError('KNOWLEDGE_TOO_LARGE', 413, `The file has ${why}; nothing of it was kept.`, {
    details: [
      {
        path: '',
        message: `a file may have ${MOST_LINES} lines and ${LARGEST_FILE} bytes (50 MiB)`,
        mend: 'cut it into several files of the same collection',
      },
    ],
  });
}

function cancelled(): ConflictError {
  return new ConflictError('KNOWLEDGE_CANCELLED', 'The file was cancelled while it came in; nothing of it was kept.', [
    { path: '', message: 'somebody cancelled it', mend: 'send it again, if it is wanted' },
  ]);
}
