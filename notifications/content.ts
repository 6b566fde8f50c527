import { formatMicros } from '../shared/money.ts';
import type { RunFacts, StepFacts } from './facts.ts';
import { curl, duration, moment } from './phrases.ts';

/**
 * A message in words, before it is mail or Slack blocks. All text is plain: renderers escape it. Names and error messages in
 * it come from outside.
 */
export interface Content {
  /** One line. */
  subject: string;
  mood: 'good' | 'warning' | 'bad';
  /** Short facts, in order. */
  fields: { label: string; value: string }[];
  sections: Section[];
  steps: StepFacts[];
  /** Where to see it all; null when the message is about no run. */
  link: { label: string; url: string } | null;
}

export interface Section {
  title: string;
  paragraphs: string[];
  /** Shown as it is, in fixed width: what an engine said. */
  verbatim?: string;
  /** Lines to paste into a terminal, each with what it does. */
  commands?: { label: string; line: string }[];
}

/** The four lines that the pipeline document asks for come first. */
export function runFields(facts: RunFacts): Content['fields'] {
  const about = facts.costUnknown ? ' (at least in part estimated)' : '';
  const fields = [
    { label: 'Prospects', value: String(facts.prospects) },
    { label: 'Analyzed', value: String(facts.analyzed) },
    { label: 'Sent', value: String(facts.sent) },
    { label: 'Cost', value: `${formatMicros(facts.costMicros)}${about}` },
    { label: 'Composed', value: String(facts.composed) },
    { label: 'Started by', value: facts.trigger.replace('_', '-') },
  ];
  if (facts.startedAt) fields.push({ label: 'Started', value: moment(facts.startedAt, facts.timezone) });
  if (facts.startedAt && facts.completedAt)
    fields.push({ label: 'Took', value: duration(Date.parse(facts.completedAt) - Date.parse(facts.startedAt)) });
  fields.push({ label: 'Run', value: facts.runId });
  return fields;
}

export function runLink(facts: { publicUrl: string; runId: string }): Content['link'] {
  return {
    label: 'The run with its steps, attempts, costs and errors',
    url: `${facts.publicUrl}/api/runs/${facts.runId}`,
  };
}

/**
 * Lines that say what became of a step whose outcome is unknown. Only a waiting run can do it again; in an ended one it is
 * marked failed, and the run is then retried.
 */
export function decisionCommands(
  facts: { publicUrl: string; runId: string },
  stepName: string,
  waits: boolean,
): NonNullable<Section['commands']> {
  const decide = (outcome: 'done' | 'failed' | 'retry') =>
    curl(facts, 'POST', ['runs', facts.runId, 'steps', stepName, 'resolve'], {
      outcome,
      note: 'checked at the engine',
      by: 'operator',
    });
  return [
    { label: 'It was done: count it as done', line: decide('done') },
    { label: 'It was not done: count it as failed', line: decide('failed') },
    waits
      ? { label: 'It was not done: do it again', line: decide('retry') }
      : {
          label: 'It was not done, and is to be done again: count it as failed, then',
          line: curl(facts, 'POST', ['runs', facts.runId, 'retry'], { from: 'failed' }),
        },
  ];
}
