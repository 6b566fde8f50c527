import type { Records } from '../../database/records.ts';
import type { ApprovalRow, ApprovalState } from '../../database/tables-moves.ts';
import type { JsonObject, RunRow } from '../../database/tables.ts';
import type { Question, Unanswered, Verdict } from '../../moves/work.ts';
import { approvalAsked } from '../../notifications/approval-messages.ts';
import { unknownGroups } from '../../shared/approval-groups.ts';
import { type Clock, iso } from '../../shared/clock.ts';
import type { Config } from '../../shared/config.ts';
import { AppError, ConflictError, NotFoundError, ValidationError } from '../../shared/errors.ts';
import type { EventBus } from '../../shared/events.ts';
import { derivedId, timeOfId } from '../../shared/ids.ts';
import { StepError } from '../../steps/step.ts';
import type { RunSession } from '../session.ts';
import { type Edits, editedSubject, type SubjectChecks } from './edits.ts';

/** How the step runner reaches people. */
export interface Asking {
  /** @throws {StepError} APPROVAL_GROUP_UNKNOWN */
  ask(
    session: Pick<RunSession, 'run' | 'definition'>,
    stepName: string,
    question: Question,
  ): Promise<Verdict | Unanswered>;
  /** A run has begun to wait. */
  wake(): void;
}

export interface ApprovalDeskDependencies {
  records: Records;
  clock: Clock;
  events: EventBus;
  config: Pick<Config, 'slackWebhookUrl' | 'approvalGroups'>;
  publicUrl: string;
  /** By the kind of the question, what is wrong with an edited subject. */
  checks: SubjectChecks;
  /** Hands a run to the workers. */
  enqueue: (runId: string) => Promise<void>;
  /** Messages have been put into the outbox. */
  onMessages(): void;
  /** Looks at once for runs whose answer is there. */
  wake(): void;
}

export interface Decision {
  decision: 'approve' | 'reject';
  /** Who decides. */
  by: string;
  reason: string | null;
  edits?: Edits | undefined;
}

/** Names as people take them for the same: case, spaces, look-alike forms and invisible characters make no difference. */
function sameName(one: string, other: string): boolean {
  const plain = (name: string) =>
    name
      .normalize('NFKC')
      .replace(/\p{Cf}/gu, '')
      .replace(/\s+/gu, ' ')
      .trim()
      .toLowerCase();
  return plain(one) === plain(other);
}

/** Where steps ask people, and people decide. */
export class ApprovalDesk implements Asking {
  readonly #deps: ApprovalDeskDependencies;

  constructor(dependencies: ApprovalDeskDependencies) {
    this.#deps = dependencies;
  }

  wake(): void {
    this.#deps.wake();
  }

  async ask(
    session: Pick<RunSession, 'run' | 'definition'>,
    stepName: string,
    question: Question,
  ): Promise<Verdict | Unanswered> {
    const { records, clock, events, config, publicUrl } = this.#deps;
    this.#checkGroups(question.groups);
    const approval = approvalOf(session.run, stepName, question, clock.now());
    const { id, run_id: runId, campaign_id: campaignId, title } = approval;
    // With the question, so that nobody waits for an answer of people who were not told.
    const messages = approvalAsked({
      campaign: { id: campaignId, definition: session.definition },
      approval,
      slackConfigured: config.slackWebhookUrl !== null,
      publicUrl,
      nowMs: clock.now(),
    });
    const { asked } = await records.call<{ asked: boolean }>('ask_approval', {
      p_approval: approval,
      p_messages: messages,
      p_at: approval.created_at,
    });
    if (asked) {
      events.emit('approval.asked', { approvalId: id, runId, campaignId, step: stepName, title });
      this.#deps.onMessages();
    }
    const row = await this.find(id);
    if (row.state !== 'pending') return verdictOf(row);
    return { approvalId: id, decision: 'pending', expiresAt: row.expires_at };
  }

  /** @throws {NotFoundError} */
  async find(id: string): Promise<ApprovalRow> {
    const [row] = await this.#deps.records.select('approvals', { where: [{ column: 'id', op: 'eq', value: id }] });
    if (!row) throw new NotFoundError('approval', id);
    return row;
  }

  /**
   * Takes a person's decision. The run that waits for it goes on.
   * @throws {NotFoundError}
   * @throws {AppError} APPROVAL_SELF, APPROVAL_NOT_IN_GROUP (403)
   * @throws {ConflictError} APPROVAL_DECIDED, APPROVAL_EXPIRED, APPROVAL_WITHDRAWN
   * @throws {ValidationError} for edits that do not apply, or make something invalid of what was asked
   */
  async decide(id: string, decision: Decision): Promise<ApprovalRow> {
    const { records, clock, events, enqueue, checks } = this.#deps;
    const row = await this.find(id);
    refuseUnlessPending(id, row.state, row.decided_by);
    this.#checkPerson(row, decision.by);
    if (decision.edits !== undefined && decision.decision === 'reject')
      throw new ValidationError('The request has problems.', [
        { path: 'edits', message: 'cannot be made when rejecting', mend: 'approve with edits, or leave them out' },
      ]);
    const edited = decision.edits === undefined ? null : editedSubject(row, decision.edits, checks);
    const changed = edited !== null && edited.diff.length > 0 ? edited : null;
    const answer = await records.call<{ found: boolean; state: string; resumed?: boolean; decided_by?: string | null }>(
      'decide_approval',
      {
        p_id: id,
        p_state: decision.decision === 'approve' ? 'approved' : 'rejected',
        p_by: decision.by,
        p_reason: decision.reason,
        p_edited: changed?.subject ?? null,
        p_diff: changed?.diff ?? null,
        p_at: iso(clock.now()),
      },
    );
    if (!answer.found) throw new NotFoundError('approval', id);
    if (answer.state !== 'decided') refuseUnlessPending(id, answer.state as ApprovalState, answer.decided_by ?? null);
    const after = await this.find(id);
    const { run_id: runId, campaign_id: campaignId, step_name: step, state } = after;
    events.emit('approval.decided', { approvalId: id, runId, campaignId, step, decision: state, by: decision.by });
    if (answer.resumed) await enqueue(runId);
    return after;
  }

  #checkGroups(groups: readonly string[]): void {
    const [unknown] = unknownGroups(groups, Object.keys(this.#deps.config.approvalGroups));
    if (!unknown) return;
    throw new StepError('APPROVAL_GROUP_UNKNOWN', `The step ${unknown.message}; ${unknown.mend}.`, {
      worked: 'no',
      costMicros: 0,
    });
  }

  /** Rules about who may decide, which no timing can change. */
  #checkPerson(row: ApprovalRow, by: string): void {
    if (!row.allow_self && row.requested_by !== null && sameName(row.requested_by, by))
      throw new AppError('APPROVAL_SELF', 403, `${by} has requested this and cannot decide about it.`, {
        details: [{ path: 'by', message: 'is who requested it', mend: 'have somebody else decide' }],
      });
    if (row.groups.length === 0) return;
    const { approvalGroups } = this.#deps.config;
    const members = row.groups.flatMap((group) => approvalGroups[group] ?? []);
    if (members.some((member) => sameName(member, by))) return;
    throw new AppError('APPROVAL_NOT_IN_GROUP', 403, `${by} is in none of the groups that decide about this.`, {
      details: [{ path: 'by', message: 'may not decide', mend: `a member of ${row.groups.join(', ')} decides` }],
    });
  }
}

/** The same question of the same step has the same id, whoever asks it again. */
function approvalOf(run: Pick<RunRow, 'id' | 'campaign_id'>, stepName: string, question: Question, nowMs: number) {
  return {
    id: derivedId(`approval/${run.id}/${stepName}/${question.name}`, timeOfId(run.id)),
    campaign_id: run.campaign_id,
    run_id: run.id,
    step_name: stepName,
    plan_id: question.planId,
    kind: question.kind,
    title: question.title,
    summary: question.summary,
    subject: question.subject,
    context: question.context,
    groups: [...question.groups],
    requested_by: question.requestedBy,
    allow_self: question.allowSelf,
    on_expiry: question.onExpiry,
    created_at: iso(nowMs),
    expires_at: iso(nowMs + question.expiresInMs),
    remind_at: iso(nowMs + question.expiresInMs / 2),
  };
}

function refuseUnlessPending(id: string, state: ApprovalState, by: string | null): void {
  switch (state) {
    case 'pending':
      return;
    case 'approved':
    case 'rejected':
      throw new ConflictError(
        'APPROVAL_DECIDED',
        `Approval ${id} has been decided: ${state} by ${by ?? 'its expiry'}.`,
      );
    case 'expired':
      throw new ConflictError('APPROVAL_EXPIRED', `Approval ${id} has expired: nobody decided in time.`);
    case 'withdrawn':
      throw new ConflictError('APPROVAL_WITHDRAWN', `Approval ${id} is withdrawn: the run that asked has ended.`);
    default:
      return state satisfies never;
  }
}

function verdictOf(row: ApprovalRow): Verdict {
  const { id, state, decided_by: by, reason } = row;
  const subject: JsonObject = row.edited_subject ?? row.subject;
  const decision = state === 'approved' || state === 'rejected' ? state : 'expired';
  return { approvalId: id, decision, by, reason, subject, edited: row.edited_subject !== null };
}
