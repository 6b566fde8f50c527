/** One problem of an input: where it is, what is wrong, how to mend it. */
export interface Problem {
  /** JSON path of the offending value, such as `steps[2].timeout`; empty for the whole input. */
  path: string;
  message: string;
  /** What to write instead, when there is something useful to say. */
  mend?: string;
}

export interface AppErrorOptions {
  cause?: unknown;
  details?: Problem[];
  /** Whether the same request may succeed later without being changed. */
  retryable?: boolean;
}

/**
 * An error with a code that stands in `docs/errors.md`. `status` is the HTTP status that the API answers with.
 */
export class AppError extends Error {
  readonly code: string;
  readonly status: number;
  readonly retryable: boolean;
  readonly details: Problem[];

  constructor(code: string, status: number, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.status = status;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? [];
  }
}

/** Input that does not fit its schema; `details` lists every problem. Status 400. */
export class ValidationError extends AppError {
  constructor(message: string, details: Problem[]) {
    super('VALIDATION_FAILED', 400, message, { details });
    this.name = 'ValidationError';
  }
}

/** Where the ids of a thing, or the names, are found, and which parameter holds them. */
const WHERE_IDS_ARE: Record<string, [parameter: string, mend: string]> = {
  campaign: ['id', 'list the ids with GET /api/campaigns'],
  brief: ['id', 'list the ids with GET /api/briefs'],
  'knowledge file': ['id', 'list the ids with GET /api/knowledge/ingests'],
  fact: ['id', 'list the ids with GET /api/knowledge/facts'],
  plan: ['id', 'list the ids with GET /api/plans'],
  'version of a plan': ['version', 'see the versions with GET /api/plans/{id}'],
  approval: ['id', 'list the ids with GET /api/approvals'],
  'KPI of the plan': ['kpi', 'list the names with GET /api/plans/{id}/kpis'],
  move: ['id', 'list the ids with GET /api/moves'],
  decision: ['id', 'list the ids with GET /api/decisions'],
  'workspace with decisions': ['workspace', 'list those there are with GET /api/decisions/verify'],
  session: ['id', 'make it with PUT /api/memory/sessions/{id}, or check the namespace'],
  run: ['id', 'list the ids with GET /api/runs'],
  'step of a run': ['name', 'list the steps of the run with GET /api/runs/{id}'],
};

/** Nothing has this id. Status 404. */
export class NotFoundError extends AppError {
  constructor(what: string, id: string) {
    const [path, mend] = WHERE_IDS_ARE[what] ?? ['id', 'check the id'];
    super('NOT_FOUND', 404, `No ${what} has the id ${id}.`, {
      details: [{ path, message: `belongs to no ${what}`, mend }],
    });
    this.name = 'NotFoundError';
  }
}

/** The request does not fit the present state of the thing. Status 409. */
export class ConflictError extends AppError {
  constructor(code: string, message: string, details: Problem[] = []) {
    super(code, 409, message, { details });
    this.name = 'ConflictError';
  }
}

/** The database could not be reached or broke off; the same call may work later. Status 503. */
export class DatabaseUnavailableError extends AppError {
  constructor(cause: unknown) {
    super('DATABASE_UNAVAILABLE', 503, 'The database is not reachable at the moment.', { cause, retryable: true });
    this.name = 'DatabaseUnavailableError';
  }
}

/** The message of anything that was thrown, without a stack. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  if (typeof error === 'object' && error !== null && 'message' in error) return String(error.message);
  return String(error);
}
