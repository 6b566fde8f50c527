import { AppError } from '../shared/errors.ts';

type MeaningCode = 'KNOWLEDGE_NO_VECTORS' | 'KNOWLEDGE_NO_SPACE' | 'KNOWLEDGE_MODEL_AWAY';

const WHY: Record<MeaningCode, { status: number; message: string; mend: string }> = {
  KNOWLEDGE_NO_VECTORS: {
    status: 501,
    message: 'The database has no pgvector, which search by meaning needs; words are searched everywhere.',
    mend: 'use mode=words, or install pgvector 0.8 or later in the database and start the service again',
  },
  KNOWLEDGE_NO_SPACE: {
    status: 409,
    message: 'There are no vectors yet of a model that this service has; words are searched meanwhile.',
    mend: 'use mode=words, or wait until GET /api/knowledge shows that the vectors are complete',
  },
  KNOWLEDGE_MODEL_AWAY: {
    status: 503,
    message: 'The embedding model does not answer; words are searched meanwhile.',
    mend: 'use mode=words, or try again later',
  },
};

/** Why meaning cannot be searched now; its codes stand in docs/errors.md. */
export class MeaningError extends AppError {
  constructor(code: MeaningCode, cause?: unknown) {
    const { status, message, mend } = WHY[code];
    super(code, status, message, {
      cause,
      retryable: status === 503,
      details: [{ path: 'mode', message: 'meaning cannot be searched now', mend }],
    });
  }
}
