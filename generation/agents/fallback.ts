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
}

/** Made once, because an error is dear to make; nobody sees them. */
const SLOW = new Error('The best model was too slow.');
const ENDED = new Error('The best model has answered.');

type RequestOf<T> = (tier: ModelTier) => GenerateRequest<T>;

export async function askFast<T>(model: Model, request: RequestOf<T>, call: AskedInTime): Promise<Answered<T>> {
  const answer = await model.generate(request('fast'), callOf(call));
  return { answer, tier: 'fast', costMicros: answer.costMicros };
}

const callOf = ({ signal, deadline, onSent }: AskedInTime): ModelCall => ({
  signal,
  deadline,
  ...(onSent ? { onSent } : {}),
});

/**
 * Asks the best model, and the quick one when the best has not answered within half of the time, asks for a wait, or is known to be
 * paused for longer than that. Every other failure is left to the next try.
 * @throws like the model, with what both cost; the signal's reason on abort
 */
export async function askBestThenFast<T>(model: Model, request: RequestOf<T>, call: AskedInTime): Promise<Answered<T>> {
  const best = await askBest(model, request('best'), call);
  if ('answer' in best) return { ...best, tier: 'best', costMicros: best.answer.costMicros };
  try {
    const { answer } = await askFast(model, request, call);
    return { answer, tier: 'fast', costMicros: answer.costMicros + best.lostMicros };
  } catch (error) {
    throw error instanceof ModelError ? withCostBefore(error, best.lostMicros) : error;
  }
}

async function askBest<T>(
  model: Model,
  request: GenerateRequest<T>,
  call: AskedInTime,
): Promise<{ answer: Generated<T> } | { lostMicros: Micros }> {
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
    const most = () => (isSent ? model.estimate(request) : 0);
    if (error instanceof ModelError && (error.code === 'MODEL_RATE_LIMITED' || error.retryAfterMs !== undefined))
      return { lostMicros: error.costMicros ?? most() };
    if (slow.signal.aborted) return { lostMicros: most() };
    throw error;
  } finally {
    done.abort(ENDED);
    await timer;
  }
}
