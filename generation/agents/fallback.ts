import type { Clock } from '../../shared/clock.ts';
import type { Micros } from '../../shared/money.ts';
import { withCostBefore } from '../model-asking.ts';
import {
  type Generated,
  type GenerateRequest,
  type Model,
  type ModelCall,
  ModelError,
  type ModelTier,
} from '../model.ts';

/** Share of the time of a try that the best model has before the quick one is asked. */
const BEST_SHARE = 0.5;

/** A call whose end is known, and the clock that tells it. */
export interface AskedInTime extends ModelCall {
  deadline: number;
  clock: Clock;
}

export interface Answered<T> {
  answer: Generated<T>;
  /** Which model gave it. */
  tier: ModelTier;
  /** Of both models, in micro-dollars; a call that was broken off at the most that it can have cost. */
  costMicros: Micros;
  /** Whether a call was broken off, so that the cost is only the most that it can be. */
  costUnknown: boolean;
}

/** What the best model cost without an answer that can be used. */
interface Lost {
  lostMicros: Micros;
  isBound: boolean;
}

/** Made once, because an error is dear to make; nobody sees them. */
const SLOW = new Error('The best model was too slow.');
const ENDED = new Error('The best model has answered.');

type RequestOf<T> = (tier: ModelTier) => GenerateRequest<T>;

export async function askFast<T>(model: Model, request: RequestOf<T>, call: AskedInTime): Promise<Answered<T>> {
  const answer = await model.generate(request('fast'), callOf(call));
  return { answer, tier: 'fast', costMicros: answer.costMicros, costUnknown: false };
}

const callOf = ({ signal, deadline, onSent }: AskedInTime): ModelCall => ({
  signal,
  deadline,
  ...(onSent ? { onSent } : {}),
});

/**
 * Asks the best model, and the quick one when the best has not answered within half of the time, asks for a wait, is known to be paused
 * for longer than that, or was cut off. Every other failure is left to the next try.
 * @throws like the model, with what both cost; the signal's reason on abort
 */
export async function askBestThenFast<T>(model: Model, request: RequestOf<T>, call: AskedInTime): Promise<Answered<T>> {
  const best = await askBest(model, request('best'), call);
  if ('answer' in best) return { ...best, tier: 'best', costMicros: best.answer.costMicros, costUnknown: false };
  try {
    const { answer } = await askFast(model, request, call);
    const costMicros = answer.costMicros + best.lostMicros;
    return { answer, tier: 'fast', costMicros, costUnknown: best.isBound };
  } catch (error) {
    throw error instanceof ModelError ? withCostBefore(error, best.lostMicros, best.isBound) : error;
  }
}

/** What the quick model may do better at once: it has limits of its own, and thinks less before it writes. */
const isForTheQuick = ({ code, retryAfterMs }: ModelError) =>
  code === 'MODEL_RATE_LIMITED' || code === 'MODEL_TRUNCATED' || retryAfterMs !== undefined;

async function askBest<T>(
  model: Model,
  request: GenerateRequest<T>,
  call: AskedInTime,
): Promise<{ answer: Generated<T> } | Lost> {
  const { signal, deadline, clock } = call;
  const patience = Math.max(0, (deadline - clock.now()) * BEST_SHARE);
  const [slow, done] = [new AbortController(), new AbortController()];
  let isSent = false;
  const timer = clock.sleep(patience, done.signal).then(
    () => slow.abort(SLOW),
    () => undefined,
  );
  try {
    const answer = await model.generate(request, {
      signal: AbortSignal.any([signal, slow.signal]),
      deadline: clock.now() + patience,
      onSent() {
        isSent = true;
        call.onSent?.();
      },
    });
    return { answer };
  } catch (error) {
    signal.throwIfAborted();
    const most = (): Lost => ({ lostMicros: isSent ? model.estimate(request) : 0, isBound: isSent });
    if (error instanceof ModelError && isForTheQuick(error)) {
      const { costMicros, costUnknown } = error;
      return costMicros === null ? most() : { lostMicros: costMicros, isBound: costUnknown };
    }
    if (slow.signal.aborted) return most();
    throw error;
  } finally {
    done.abort(ENDED);
    await timer;
  }
}
