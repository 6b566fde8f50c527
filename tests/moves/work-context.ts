import type { JsonObject } from '../../database/tables.ts';
import type { Model } from '../../generation/model.ts';
import { PLANS_CAMPAIGN_ID } from '../../moves/plan-definition.ts';
import type { Question, Unanswered, Verdict, WorkContext } from '../../moves/work.ts';
import { newId } from '../../shared/ids.ts';
import { TestClock } from '../support/clock.ts';

/** How a test answers what a step asks people. */
export type Answer = (question: Question) => Verdict | Unanswered;

export const approve: Answer = (question) => verdictOn(question, { decision: 'approved' });
export const undecided: Answer = () => ({
  approvalId: '',
  decision: 'pending',
  expiresAt: '2026-03-05T09:00:00.000Z',
});

export const verdictOn = ({ subject }: Question, verdict: Partial<Verdict>): Verdict => ({
  approvalId: '',
  decision: 'approved',
  by: 'Ben',
  reason: null,
  subject,
  edited: false,
  ...verdict,
});

const APPROVALS = new Map<string, string>();
const idOf = (name: string): string => {
  const id = APPROVALS.get(name) ?? newId();
  APPROVALS.set(name, id);
  return id;
};

/** The context of one try of a step, outside of any run. */
export function workContext(given: Partial<WorkContext> & { clock: TestClock; model: Model; answer?: Answer }) {
  const { answer = undecided, ...rest } = given;
  const asked: Question[] = [];
  const told: JsonObject[] = [];
  const warnings: string[] = [];
  const work: WorkContext = {
    runId: newId(),
    campaignId: PLANS_CAMPAIGN_ID,
    stepName: 'arc',
    attempt: 1,
    signal: new AbortController().signal,
    deadline: given.clock.now() + 300_000,
    onSent: () => undefined,
    ask: async (question) => {
      asked.push(question);
      return { ...answer(question), approvalId: idOf(`${work.runId}/${work.stepName}/${question.name}`) };
    },
    progress: (facts) => void told.push(facts),
    log: { info: () => undefined, warn: (message) => void warnings.push(message) },
    ...rest,
  };
  return { work, asked, told, warnings };
}
