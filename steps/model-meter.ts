import {
  type Embedded,
  type Generated,
  type GenerateRequest,
  type Model,
  type ModelCall,
  ModelError,
} from '../generation/model.ts';
import type { Micros } from '../shared/money.ts';

/** A model that counts what is spent on its answers, whatever becomes of the work that they were for. */
export class ModelMeter implements Model {
  readonly #model: Model;
  #spent = 0;
  #costUnknown = false;

  constructor(model: Model) {
    this.#model = model;
  }

  get provider() {
    return this.#model.provider;
  }

  /** Of all answers until now, in micro-dollars. */
  get spentMicros(): Micros {
    return this.#spent;
  }

  /** Whether more may have been spent than that. */
  get costUnknown(): boolean {
    return this.#costUnknown;
  }

  generate<T>(request: GenerateRequest<T>, call: ModelCall): Promise<Generated<T>> {
    return this.#counted(call, (watched) => this.#model.generate(request, watched));
  }

  estimate<T>(request: GenerateRequest<T>): Micros {
    return this.#model.estimate(request);
  }

  embed(texts: readonly string[], call: ModelCall): Promise<Embedded> {
    return this.#counted(call, (watched) => this.#model.embed(texts, watched));
  }

  async #counted<A extends { costMicros: Micros }>(call: ModelCall, ask: (call: ModelCall) => Promise<A>): Promise<A> {
    let sent = false;
    const onSent = () => {
      sent = true;
      call.onSent?.();
    };
    try {
      const answer = await ask({ ...call, onSent });
      this.#spent += answer.costMicros;
      return answer;
    } catch (error) {
      if (error instanceof ModelError) {
        this.#spent += error.costMicros ?? 0;
        this.#costUnknown ||= error.costUnknown;
      } else this.#costUnknown ||= sent;
      throw error;
    }
  }
}
