import pLimit from 'p-limit';
import type { Micros } from '../../shared/money.ts';
import { passagesOf, storable, type Artifact, type Passage } from '../artifacts.ts';
import { type GenerateRequest, type Model, ModelError, type ModelErrorCode } from '../model.ts';
import type { NormalizedBrief } from '../normalized-brief.ts';
import { findingOf, type Finding, type Flaw } from './finding.ts';
import { type JudgeFailure, JudgeFailures } from './judge-failures.ts';
import { judgeQuestions, type JudgeQuestion } from './judge-questions.ts';
import { type JudgeAnswer, judgeRequest } from './judge-request.ts';
import { type JudgeCall, JudgeTime } from './judge-time.ts';
import { findQuote } from './quote.ts';

/** Calls under way at once for one audit; the model layer has limits of its own. */
const AT_ONCE = 4;
const LONGEST_REASON = 300;

/** A question that nobody has answered yet, because the model could not be asked. */
export interface Unanswered {
  artifactId: string;
  question: string;
}

export interface JudgeResult {
  findings: Finding[];
  /** Of all calls, failed ones included. */
  costMicros: Micros;
  /** Whether a failed call may have cost something that nobody knows. */
  costUnknown: boolean;
  /** Questions to be asked again when the model is back. Those that it has answered cost nothing then: they are in the cache. */
  unanswered: Unanswered[];
  /** Why there are such; null when there are none, or when the model only was too slow. */
  failure: JudgeFailure | null;
  /** Artifacts of which an answer could not be used, or was refused. */
  doubted: ReadonlySet<string>;
}

/** The model was asked and gave no answer, and asking again would give none either. */
const REFUSALS: ReadonlySet<ModelErrorCode> = new Set<ModelErrorCode>(['MODEL_BLOCKED', 'MODEL_REFUSED']);
const USELESS: ReadonlySet<ModelErrorCode> = new Set<ModelErrorCode>(['MODEL_OUTPUT_INVALID', 'MODEL_TRUNCATED']);

type Answer = { kind: 'no' | 'unreliable' | 'refused' | 'down' } | ({ kind: 'yes'; reason: string } & Place);
type Place = Pick<Flaw, 'passage' | 'start' | 'end'>;

class Judge {
  costMicros: Micros = 0;
  costUnknown = false;
  readonly #model: Model;
  readonly #brief: NormalizedBrief;
  readonly #time: JudgeTime;
  readonly #failures = new JudgeFailures();

  constructor(model: Model, brief: NormalizedBrief, time: JudgeTime) {
    this.#model = model;
    this.#brief = brief;
    this.#time = time;
  }

  get failure(): JudgeFailure | null {
    return this.#failures.reason;
  }

  /** One question, asked once more when the first answer quotes what is not there. */
  async ask(artifact: Artifact, passages: readonly Passage[], question: JudgeQuestion): Promise<Answer> {
    const first = await this.#askOnce(artifact, passages, question, false);
    return first.kind === 'unreliable' ? this.#askOnce(artifact, passages, question, true) : first;
  }

  async #askOnce(
    artifact: Artifact,
    passages: readonly Passage[],
    question: JudgeQuestion,
    isAgain: boolean,
  ): Promise<Answer> {
    const request = judgeRequest(this.#brief, artifact, passages, question, isAgain);
    // When the model is away, the other questions would only wait for the same failure.
    while (!this.#failures.down.aborted) {
      const answer = await this.#try(request, passages);
      if (typeof answer !== 'number') return answer;
      const isWaited = await this.#time.wait(answer, this.#failures.down);
      this.#time.signal.throwIfAborted();
      if (!isWaited) this.#failures.giveUp();
    }
    return { kind: 'down' };
  }

  /** @returns milliseconds to wait when the same call may succeed later */
  async #try(request: GenerateRequest<JudgeAnswer>, passages: readonly Passage[]): Promise<Answer | number> {
    const began = this.#failures.begin();
    let isSent = false;
    const onSent = () => {
      isSent = true;
      this.#time.onSent?.();
    };
    try {
      const { value, costMicros } = await this.#model.generate(request, { ...this.#time.call, onSent });
      this.costMicros += costMicros;
      this.#failures.answered();
      return readAnswer(value, passages);
    } catch (error) {
      return this.#failure(error, began, isSent);
    }
  }

  #failure(error: unknown, began: number, isSent: boolean): Answer | number {
    this.#time.signal.throwIfAborted();
    if (this.#time.isOver) {
      this.costUnknown ||= isSent;
      this.#failures.giveUp();
      return { kind: 'down' };
    }
    if (!(error instanceof ModelError)) throw error;
    if (error.costMicros === null) this.costUnknown = true;
    else this.costMicros += error.costMicros;
    const isRefusal = REFUSALS.has(error.code);
    if (!isRefusal && !USELESS.has(error.code)) return this.#failures.failed(began, error) ?? { kind: 'down' };
    this.#failures.answered();
    return { kind: isRefusal ? 'refused' : 'unreliable' };
  }
}

function readAnswer({ answer, quote, reason }: JudgeAnswer, passages: readonly Passage[]): Answer {
  const place = findQuote(passages, quote);
  if (answer) return place ? { kind: 'yes', reason, ...place } : { kind: 'unreliable' };
  // Whoever quotes what is not there has not read, whatever the answer.
  return quote.trim() === '' || place ? { kind: 'no' } : { kind: 'unreliable' };
}

function flawOf(answer: Answer, question: JudgeQuestion, first: Passage): Flaw | undefined {
  const { code, severity, message, mend } = question;
  const nowhere = { passage: first, start: 0, end: 0 };
  switch (answer.kind) {
    case 'yes': {
      const { passage, start, end } = answer;
      const reason = storable(answer.reason.replace(/\s+/g, ' ').trim().slice(0, LONGEST_REASON));
      return { passage, start, end, code, severity, message: `${message} ${reason}`.trim(), mend };
    }
    case 'unreliable':
      return {
        ...nowhere,
        severity: 'info',
        code: 'judge_unreliable',
        message: `The judge gave no answer that can be used to: ${question.question}`,
        mend: 'read it with this question in mind',
      };
    case 'refused':
      return {
        ...nowhere,
        severity: 'major',
        code: 'judge_refused',
        message: `The model refused to judge this text. It was asked: ${question.question}`,
        mend: 'read it with this question in mind; what a model refuses to read seldom can be published',
      };
    case 'no':
    case 'down':
      return undefined;
    default:
      return answer satisfies never;
  }
}

/**
 * Asks a model every question about every artifact. What may pass by itself is asked again after the wait that the model names, until the model
 * fails three times in a row. A model that is away then, or slower than there is patience, makes questions `unanswered`, not an error.
 * @param model one that can judge; the offline writer cannot
 * @throws the signal's reason on abort; whatever is not a ModelError
 */
export async function runJudge(
  model: Model,
  brief: NormalizedBrief,
  artifacts: readonly Artifact[],
  call: JudgeCall,
): Promise<JudgeResult> {
  const time = new JudgeTime(call);
  try {
    return await judgeAll(new Judge(model, brief, time), brief, artifacts, call.signal);
  } finally {
    await time.end();
  }
}

async function judgeAll(
  judge: Judge,
  brief: NormalizedBrief,
  artifacts: readonly Artifact[],
  signal: AbortSignal,
): Promise<JudgeResult> {
  const limit = pLimit(AT_ONCE);
  const findings: Finding[] = [];
  const unanswered: Unanswered[] = [];
  const doubted = new Set<string>();
  const tasks = artifacts.flatMap((artifact) => {
    const passages = passagesOf(artifact.kind, artifact.content);
    const [first] = passages;
    if (!first) return [];
    return judgeQuestions(brief, artifact).map((question) =>
      limit(async () => {
        signal.throwIfAborted();
        const answer = await judge.ask(artifact, passages, question);
        if (answer.kind === 'down') unanswered.push({ artifactId: artifact.id, question: question.code });
        if (answer.kind === 'unreliable' || answer.kind === 'refused') doubted.add(artifact.id);
        const flaw = flawOf(answer, question, first);
        if (flaw) findings.push(findingOf(artifact, 'judge', flaw));
      }),
    );
  });
  await Promise.all(tasks);
  unanswered.sort((a, b) => `${a.artifactId} ${a.question}`.localeCompare(`${b.artifactId} ${b.question}`, 'en'));
  const failure = unanswered.length > 0 ? judge.failure : null;
  return { findings, costMicros: judge.costMicros, costUnknown: judge.costUnknown, unanswered, failure, doubted };
}
