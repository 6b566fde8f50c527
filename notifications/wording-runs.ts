import { adviceFor } from './advice.ts';
import { type Content, decisionCommands, runFields, runLink, type Section } from './content.ts';
import type { RunFacts, StepFacts } from './facts.ts';
import { curl } from './phrases.ts';

export function completed(facts: RunFacts): Content {
  const pretended = facts.dryRun
    ? [{ title: 'Dry run', paragraphs: ['An engine only pretended to work: its results are not real.'] }]
    : [];
  return {
    subject: `Campaign "${facts.campaign}" completed`,
    mood: 'good',
    fields: runFields(facts),
    sections: pretended,
    steps: facts.steps,
    link: runLink(facts),
  };
}

export function recovered(facts: RunFacts): Content {
  return {
    subject: `Campaign "${facts.campaign}" works again`,
    mood: 'good',
    fields: runFields(facts),
    sections: [
      {
        title: 'Recovered',
        paragraphs: ['The failures reported earlier are over: this run completed. Nothing needs to be done.'],
      },
    ],
    steps: facts.steps,
    link: runLink(facts),
  };
}

const ENDINGS = {
  'run.partial': 'completed only in part',
  'run.failed': 'failed',
  'run.aborted': 'was aborted',
} as const;

export function troubled(kind: keyof typeof ENDINGS, facts: RunFacts): Content {
  const failing = facts.steps.filter((step) => step.error !== null);
  return {
    subject: `Campaign "${facts.campaign}" ${ENDINGS[kind]}`,
    mood: kind === 'run.partial' ? 'warning' : 'bad',
    fields: runFields(facts),
    sections: [...whatFailed(facts, failing), whatWasDone(facts, failing), whatToDo(facts, failing)],
    steps: facts.steps,
    link: runLink(facts),
  };
}

/** At most ten failures are spelled out; the run has them all. */
const MOST_FAILURES = 10;

function whatFailed(facts: RunFacts, failing: StepFacts[]): Section[] {
  const ofSteps = failing.map((step) => ({
    title: `What failed: step "${step.name}"`,
    paragraphs: [howItFailed(step)],
    verbatim: step.error?.message ?? '',
  }));
  const others = facts.otherErrors.map((error) => ({
    title: 'What failed',
    paragraphs: [error.code],
    verbatim: error.message,
  }));
  const all = [...ofSteps, ...others];
  if (all.length === 0) return [{ title: 'What happened', paragraphs: [facts.reason ?? 'The run gives no reason.'] }];
  const left = all.length - MOST_FAILURES;
  if (left <= 0) return all;
  return [...all.slice(0, MOST_FAILURES), { title: 'More failures', paragraphs: [`${left} more stand in the run.`] }];
}

function howItFailed(step: StepFacts): string {
  if (step.status === 'unknown')
    return `Attempt ${step.attempts} ended without an answer (${step.error?.code}): it may or may not have been done.`;
  if (step.attempts === 0) return `It failed with ${step.error?.code} before the engine was called.`;
  return `Attempt ${step.attempts} of ${step.maxAttempts} failed with ${step.error?.code}.`;
}

function whatWasDone(facts: RunFacts, failing: StepFacts[]): Section {
  const paragraphs = failing
    .slice(0, MOST_FAILURES)
    .map((step) =>
      step.onFailure === 'abort'
        ? `Step "${step.name}" was tried ${times(step.attempts)}; the run stopped there, as its onFailure is "abort".`
        : `Step "${step.name}" was tried ${times(step.attempts)}; the run went on, as its onFailure is "${step.onFailure}".`,
    );
  const skipped = facts.steps.filter((step) => step.status === 'skipped').map((step) => `"${step.name}"`);
  if (skipped.length > 0)
    paragraphs.push(`Not run: ${skipped.slice(0, 20).join(', ')}${skipped.length > 20 ? ' …' : ''}.`);
  paragraphs.push(
    'The same failure is reported again only after 24 hours; you are told once when a run completes again.',
  );
  return { title: 'What the service did', paragraphs };
}

function whatToDo(facts: RunFacts, failing: StepFacts[]): Section {
  const codes = failing.length > 0 ? failing.map((step) => step.error?.code) : facts.otherErrors.map((e) => e.code);
  const advice = [...new Set((codes.length > 0 ? codes : ['']).map((code) => adviceFor(code ?? '')))];
  const unknown = failing.find((step) => step.status === 'unknown');
  const goOn = unknown
    ? decisionCommands(facts, unknown.name, false)
    : [
        {
          label: 'Go on from the failed step',
          line: curl(facts, 'POST', ['runs', facts.runId, 'retry'], { from: 'failed' }),
        },
      ];
  return {
    title: 'What to do',
    paragraphs: advice.slice(0, 5),
    commands: [
      { label: 'See what happened', line: curl(facts, 'GET', ['runs', facts.runId]) },
      ...goOn,
      { label: 'Stop further scheduled runs', line: curl(facts, 'PUT', ['campaigns', facts.campaignId, 'pause']) },
    ],
  };
}

function times(count: number): string {
  if (count === 0) return 'not once';
  return count === 1 ? 'once' : `${count} times`;
}
