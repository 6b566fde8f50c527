import { formatMicros } from '../shared/money.ts';
import { type Content, decisionCommands, runFields, runLink } from './content.ts';
import type { BudgetFacts, ResumedFacts, StepUnknownFacts } from './facts.ts';
import { curl, moment } from './phrases.ts';

const PERIODS: Record<string, string> = { day: 'daily', week: 'weekly', month: 'monthly', lead: 'per-lead' };

/** A run was stopped by its budget, and the campaign paused until the period turns. */
export function budgetExceeded(facts: BudgetFacts): Content {
  const { budget } = facts;
  const global = budget.scope === 'global';
  const name = `${global ? 'global ' : ''}${PERIODS[budget.period] ?? budget.period} budget`;
  const paused = budget.turnsAt !== null;
  const turns = budget.turnsAt === null ? '' : moment(budget.turnsAt, facts.timezone);
  return {
    subject: `Campaign "${facts.campaign}" ${paused ? 'paused' : 'stopped'}: ${name} of ${formatMicros(budget.limitMicros)} reached`,
    mood: 'warning',
    fields: [
      { label: 'Limit', value: formatMicros(budget.limitMicros) },
      { label: 'Spent', value: formatMicros(budget.spentMicros) },
      { label: 'Held for steps under way', value: formatMicros(budget.heldMicros) },
      { label: 'Next step would need', value: formatMicros(budget.amountMicros) },
      ...runFields(facts),
    ],
    sections: [
      {
        title: 'What happened',
        paragraphs: [`A step was not started, because the ${name} does not allow it.`],
        verbatim: budget.message,
      },
      {
        title: 'What the service did',
        paragraphs: paused
          ? [`It ended the run and paused the campaign. The campaign goes on by itself on ${turns}.`]
          : ['It ended the run. The campaign is not paused: its next scheduled run starts as usual.'],
      },
      {
        title: 'What to do',
        paragraphs: [
          paused ? 'Nothing, if it may wait.' : "Lower what a lead costs, or raise the campaign's budget.perLead.",
          ...(paused && global
            ? ['To go on earlier, raise GLOBAL_DAILY_BUDGET, start the service again, then resume.']
            : []),
          ...(paused && !global ? ["To go on earlier, raise the limit in the campaign's budget, then resume."] : []),
        ],
        commands: [
          { label: 'See the budget', line: curl(facts, 'GET', ['campaigns', facts.campaignId, 'budget']) },
          ...(paused
            ? [{ label: 'Resume now', line: curl(facts, 'PUT', ['campaigns', facts.campaignId, 'resume']) }]
            : []),
        ],
      },
    ],
    steps: facts.steps,
    link: runLink(facts),
  };
}

/** A campaign goes on after its budget had paused it. */
export function resumed(facts: ResumedFacts): Content {
  return {
    subject: `Campaign "${facts.campaign}" resumed`,
    mood: 'good',
    fields: [
      { label: 'Resumed', value: moment(facts.resumedAt, facts.timezone) },
      {
        label: 'Next run',
        value: facts.nextRunAt === null ? 'none scheduled' : moment(facts.nextRunAt, facts.timezone),
      },
    ],
    sections: [
      {
        title: 'What happened',
        paragraphs: [
          'The budget period turned, so the campaign that its budget had paused runs again. Nothing needs to be done.',
        ],
        ...(facts.reason === null ? {} : { verbatim: facts.reason }),
      },
    ],
    steps: [],
    link: { label: 'The campaign', url: `${facts.publicUrl}/api/campaigns/${facts.campaignId}` },
  };
}

const WAITS = {
  did: 'The run waits for your decision.',
  mend: 'Look in the engine whether it was done, then run one of these lines.',
};
const GOES_ON = {
  did: 'The run went on without it.',
  mend: 'Look in the engine whether it was done. Once the run has ended, run one of these lines.',
};
const CANCELLED = {
  did: 'The run was cancelled while the step was under way. It has ended and waits for nothing.',
  mend: 'Look in the engine whether it was done, then put it on record with one of these lines.',
};

/** A step that must not happen twice may or may not have been done; a person decides. */
export function stepUnknown(facts: StepUnknownFacts): Content {
  const { step } = facts;
  const words = facts.runCancelled ? CANCELLED : facts.waits ? WAITS : GOES_ON;
  const target = facts.endpoint ?? `the configured ${facts.engine} engine`;
  return {
    subject: `Campaign "${facts.campaign}" needs a decision: step "${step.name}"`,
    mood: 'bad',
    fields: [
      { label: 'Step', value: `${step.name} (${step.kind})` },
      { label: 'Attempt', value: `${step.attempts} of ${step.maxAttempts}` },
      { label: 'Sent to', value: `${facts.method} ${target}` },
      ...(facts.startedAt ? [{ label: 'Started', value: moment(facts.startedAt, facts.timezone) }] : []),
      { label: 'Run', value: facts.runId },
    ],
    sections: [
      {
        title: 'What happened',
        paragraphs: ['The request was sent and no answer came back: the step may or may not have been done.'],
        ...(step.error ? { verbatim: step.error.message } : {}),
      },
      {
        title: 'What the service did',
        paragraphs: [
          'It will not repeat the step by itself, as doing it twice would do harm (such as sending the same e-mails again).',
          words.did,
        ],
      },
      {
        title: 'What to do',
        paragraphs: [words.mend],
        commands: decisionCommands(facts, step.name, facts.waits),
      },
    ],
    steps: [],
    link: runLink(facts),
  };
}
