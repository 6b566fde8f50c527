import type { Content } from './content.ts';
import type { KpiFacts } from './facts.ts';
import { curl, moment } from './phrases.ts';

const MOODS: Record<KpiFacts['to'], Content['mood']> = {
  green: 'good',
  amber: 'warning',
  red: 'bad',
  unknown: 'warning',
};

const figure = new Intl.NumberFormat('en-US', { maximumFractionDigits: 2 });

/** A KPI of a plan is where it was not before. */
export function kpiChanged(facts: KpiFacts): Content {
  const { label, plan, from, to, observedAt } = facts;
  const before = from === 'unknown' ? '' : ` (was ${from})`;
  const inUnit = (value: number | null) => (value === null ? 'none' : `${figure.format(value)} ${facts.unit}`);
  return {
    subject: `KPI "${label}" of plan "${plan}" is ${to}${before}`,
    mood: MOODS[to],
    fields: [
      { label: 'Value', value: inUnit(facts.value) },
      { label: 'Expected by then', value: inUnit(facts.expected) },
      { label: 'To be reached in the end', value: inUnit(facts.target) },
      ...(facts.attainment === null
        ? []
        : [{ label: 'Of the way that should be behind', value: `${Math.round(100 * facts.attainment)} %` }]),
      ...(observedAt === null ? [] : [{ label: 'Observed', value: moment(observedAt, facts.timezone) }]),
      { label: 'Run', value: facts.runId },
    ],
    sections: [
      { title: 'What happened', paragraphs: [whatHappened(facts)] },
      {
        title: 'What to do',
        paragraphs: [
          to === 'green'
            ? 'Nothing needs to be done. You are told again when the colour changes.'
            : 'Look at the KPI and at the moves that are to move it. You are told again when the colour changes, not while it stays.',
        ],
        commands: [{ label: 'See the KPIs of the plan', line: curl(facts, 'GET', ['plans', facts.planId, 'kpis']) }],
      },
    ],
    steps: [],
    link: { label: 'The KPIs of the plan', url: `${facts.publicUrl}/api/plans/${facts.planId}/kpis` },
  };
}

const COLOURS: Record<KpiFacts['to'], string> = {
  green: 'It is where it should be by now.',
  amber: 'It is behind what was expected by now, though not far.',
  red: 'It is far behind what was expected by now.',
  unknown: 'Nobody knows where it is.',
};

function whatHappened({ to }: KpiFacts): string {
  return `${COLOURS[to]} Expected is a straight line from the baseline on the first day to the target on the last.`;
}
