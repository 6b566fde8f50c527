import { type BaseCheckpointSaver, Command, END, interrupt, START, StateGraph } from '@langchain/langgraph';
import { type GenerateRequest, ModelError } from '../../generation/model.ts';
import type { JsonObject } from '../../shared/json.ts';
import type { DecisionEntry } from '../decisions/decision-log.ts';
import { type Question, type Verdict, type WorkContext, WorkError } from '../work.ts';
import { PlanningState, type PlanningStateValue } from './state.ts';
import type { DecisionRecord, Subject } from './subject.ts';
import { findingsInWords, remarksInWords } from './words.ts';

export interface PlanningGraphOptions {
  checkpoints: BaseCheckpointSaver;
  decisions: DecisionRecord;
}

/** How far a graph came. Costs are those of this run of it alone, in micro-dollars. */
export type Planned = { costMicros: number } & (
  | { how: 'waits'; approvalId: string; expiresAt: string }
  | { how: 'applied'; result: JsonObject; verdict: Verdict; writer: string }
  | { how: 'turned_down'; verdict: Verdict }
);

const MOST_REVISIONS = 2;
/** Findings that are kept with a step. */
const MOST_KEPT = 100;
/** Steps of a graph at most; the longest way through it has fifteen. */
const RECURSION_LIMIT = 40;

type State = PlanningStateValue;
type Update = Partial<State>;

/**
 * One planning graph on its way: gather → draft → critique → revise (at most twice) → verify by tools → validate by rules → approve → apply.
 * Each node's end is durable before the next begins, so that whoever goes on with it, here or elsewhere, does no node again that had
 * ended. It is made anew for each attempt of its step: nodes close over what the attempt may use.
 */
export class PlanningGraph<G extends object, P extends object> {
  readonly #subject: Subject<G, P>;
  readonly #work: WorkContext;
  readonly #decisions: DecisionRecord;
  readonly #graph: ReturnType<PlanningGraph<G, P>['compile']>;
  #costMicros = 0;

  constructor(subject: Subject<G, P>, work: WorkContext, { checkpoints, decisions }: PlanningGraphOptions) {
    this.#subject = subject;
    this.#work = work;
    this.#decisions = decisions;
    this.#graph = this.compile(checkpoints);
  }

  /**
   * Goes on from where the thread stands until people have to be asked, or to the end.
   * @param thread of this attempt, by `Checkpoints.branch`
   * @throws {WorkError} PLAN_REFUSED when revisions did not mend what the rules find, with the findings in its output
   * @throws {ModelError} @throws the signal's reason
   */
  async run(thread: string): Promise<Planned> {
    const config = {
      configurable: { thread_id: thread },
      durability: 'sync' as const,
      recursionLimit: RECURSION_LIMIT,
      signal: this.#work.signal,
    };
    const asked = (name: string, question: Question) => this.#work.ask({ ...question, name });
    let snapshot = await this.#graph.getState(config);
    for (;;) {
      const pending = snapshot.tasks.flatMap((task) => task.interrupts ?? [])[0]?.value as Question | undefined;
      let input: Update | Command | null = null;
      if (pending) {
        const answer = await asked(pending.name, pending);
        if (answer.decision === 'pending')
          return { how: 'waits', approvalId: answer.approvalId, expiresAt: answer.expiresAt, ...this.#cost() };
        input = new Command({ resume: answer });
      } else if (snapshot.createdAt === undefined) input = { revisions: 0 };
      // Not `next`, which leaves out a node whose end is on record while the step after it is not.
      else if (snapshot.tasks.length === 0) return this.#outcome(snapshot.values as State);
      await this.#graph.invoke(input as Update, config);
      snapshot = await this.#graph.getState(config);
    }
  }

  #cost(): { costMicros: number } {
    return { costMicros: this.#costMicros };
  }

  #outcome({ verdict, result, writer }: State): Planned {
    if (verdict.decision === 'approved') return { how: 'applied', result, verdict, writer, ...this.#cost() };
    return { how: 'turned_down', verdict, ...this.#cost() };
  }

  private compile(checkpoints: BaseCheckpointSaver) {
    return new StateGraph(PlanningState)
      .addNode('gather', () => this.#gather())
      .addNode('draft', (state) => this.#draft(state))
      .addNode('criticise', (state) => this.#criticise(state))
      .addNode('revise', (state) => this.#revise(state))
      .addNode('verify', (state) => this.#verify(state))
      .addNode('validate', (state) => this.#validate(state))
      .addNode('approve', (state) => this.#approve(state))
      .addNode('apply', (state) => this.#apply(state))
      .addNode('turn_down', (state) => this.#turnDown(state))
      .addEdge(START, 'gather')
      .addEdge('gather', 'draft')
      .addEdge('draft', 'criticise')
      .addConditionalEdges('criticise', (state) => (mayImprove(state) ? 'revise' : 'verify'), ['revise', 'verify'])
      .addEdge('revise', 'criticise')
      .addEdge('verify', 'validate')
      .addConditionalEdges('validate', (state) => (state.findings.length > 0 ? 'revise' : 'approve'), [
        'revise',
        'approve',
      ])
      .addConditionalEdges('approve', ({ verdict }) => (verdict.decision === 'approved' ? 'apply' : 'turn_down'), [
        'apply',
        'turn_down',
      ])
      .addEdge('apply', END)
      .addEdge('turn_down', END)
      .compile({ checkpointer: checkpoints });
  }

  async #gather(): Promise<Update> {
    this.#work.progress({ message: 'gathers evidence' });
    const { given, costMicros } = await this.#subject.gather(this.#work);
    this.#costMicros += costMicros;
    await this.#decide('gather', 'choose_evidence', {
      reasoning: 'What is known of the business and bears on the objective.',
      confidence: 1,
      evidence: this.#subject.evidenceOf(given),
    });
    return { given: given as unknown as JsonObject };
  }

  async #draft({ given }: State): Promise<Update> {
    this.#work.progress({ message: 'drafts' });
    const { value, model } = await this.#generate(this.#subject.draft(given as unknown as G));
    await this.#decide('draft', 'draft', { reasoning: `Drafted by ${model}.`, confidence: 0.5, evidence: { model } });
    return { proposal: value as unknown as JsonObject, writer: model };
  }

  async #criticise(state: State): Promise<Update> {
    this.#work.progress({ message: 'is criticised' });
    const [given, proposal] = this.#typed(state);
    const { value: critique } = await this.#generate(this.#subject.critique(given, proposal));
    const findings = this.#subject.check(given, proposal);
    await this.#decide(`criticise-${state.revisions}`, 'critique', {
      reasoning: remarksInWords(critique, findings),
      confidence: critique.confidence,
      predicted: { kpis: critique.predicted },
      evidence: { remarks: critique.remarks, findings } as unknown as JsonObject,
    });
    return { critique, findings };
  }

  async #revise(state: State): Promise<Update> {
    this.#work.progress({ message: `is revised, for the ${state.revisions === 0 ? 'first' : 'second'} time` });
    const [given, proposal] = this.#typed(state);
    const { findings, critique } = state;
    const request = this.#subject.revise(given, proposal, findings, critique);
    // Numbered, so that a first revision that changed nothing is not taken from the cache for the second.
    const input = { ...request.input, revision: state.revisions + 1 };
    const { value, model } = await this.#generate({ ...request, input });
    await this.#decide(`revise-${state.revisions}`, 'revise', {
      reasoning: remarksInWords(critique, findings),
      confidence: critique.confidence,
      evidence: { model, alternative: 'the draft before', before: proposal as unknown as JsonObject },
    });
    return { proposal: value as unknown as JsonObject, writer: model, revisions: state.revisions + 1 };
  }

  async #verify(state: State): Promise<Update> {
    this.#work.progress({ message: 'is verified with tools' });
    return { findings: await this.#subject.verify(...this.#typed(state), this.#work) };
  }

  async #validate(state: State): Promise<Update> {
    const findings = [...state.findings, ...this.#subject.check(...this.#typed(state))];
    await this.#decide(`validate-${state.revisions}`, findings.length === 0 ? 'validate' : 'refuse', {
      reasoning: findings.length === 0 ? 'Every rule holds.' : findingsInWords(findings),
      confidence: 1,
      evidence: { findings } as unknown as JsonObject,
    });
    if (findings.length > 0 && state.revisions >= MOST_REVISIONS)
      throw new WorkError('PLAN_REFUSED', `Not valid after ${MOST_REVISIONS} revisions: ${findingsInWords(findings)}`, {
        costMicros: this.#costMicros,
        output: { findings: findings.slice(0, MOST_KEPT), found: findings.length } as unknown as JsonObject,
      });
    if (findings.length === 0) await this.#subject.propose?.(...this.#typed(state), state.critique, this.#work);
    return { findings };
  }

  #approve(state: State): Update {
    const [given, proposal] = this.#typed(state);
    const { kind, planId } = this.#subject;
    const question: Question = {
      ...this.#subject.question(given, proposal, state.critique),
      kind,
      planId,
      name: `${kind}/${planId}`,
    };
    return { verdict: interrupt<Question, Verdict>(question) };
  }

  async #apply(state: State): Promise<Update> {
    const { verdict, writer, given } = state;
    await this.#decideVerdict(state);
    const approved = this.#subject.schema.parse(verdict.subject);
    return { result: await this.#subject.apply(given as unknown as G, approved, verdict, writer, this.#work) };
  }

  async #turnDown(state: State): Promise<Update> {
    await this.#decideVerdict(state);
    await this.#subject.reject(...this.#typed(state), state.verdict, this.#work);
    return {};
  }

  #typed(state: State): [G, P] {
    return [state.given as unknown as G, state.proposal as unknown as P];
  }

  async #generate<T>(request: GenerateRequest<T>) {
    const { model, signal, deadline } = this.#work;
    try {
      const generated = await model.generate(request, { signal, deadline, onSent: () => this.#work.onSent() });
      this.#costMicros += generated.costMicros;
      return generated;
    } catch (error) {
      if (!(error instanceof ModelError) || this.#costMicros === 0) throw error;
      // The attempt has cost what went before, too.
      const { code, message, retryable, retryAfterMs, costUnknown } = error;
      const costMicros = error.costMicros === null ? null : error.costMicros + this.#costMicros;
      const pause = retryAfterMs === undefined ? {} : { retryAfterMs };
      throw new ModelError(code, message, { retryable, costUnknown, costMicros, ...pause, cause: error });
    }
  }

  #decideVerdict({ verdict, critique }: State): Promise<unknown> {
    const { decision, by, reason, approvalId, edited } = verdict;
    return this.#decide('verdict', decision, {
      agent: by === null ? 'expiry' : `person:${by}`,
      reasoning: reason ?? (by === null ? 'Nobody decided in time.' : 'No reason was given.'),
      confidence: 1,
      predicted: { kpis: critique.predicted },
      evidence: { approvalId, edited },
    });
  }

  #decide(
    node: string,
    action: string,
    entry: Pick<DecisionEntry, 'reasoning' | 'confidence' | 'evidence'> & { predicted?: JsonObject; agent?: string },
  ): Promise<unknown> {
    const { kind, planId, workspace } = this.#subject;
    const { runId, campaignId, stepName } = this.#work;
    const key = `${stepName}/${kind}/${planId}/${node}`;
    return this.#decisions.record(workspace, [
      { agent: 'planner', predicted: {}, ...entry, key, action: `${kind}.${action}`, planId, campaignId, runId },
    ]);
  }
}

function mayImprove({ critique, findings, revisions }: State): boolean {
  const bad = findings.length > 0 || critique.remarks.some(({ severity }) => severity === 'major');
  return bad && revisions < MOST_REVISIONS;
}
