import type { Channel } from '../../generation/artifacts.ts';
import { capitalized } from '../../generation/rules/phrases.ts';
import type { Arc } from '../arc.ts';
import { addDays } from '../calendar.ts';
import type { PlanningContext } from '../context.ts';
import type { Evidence, Statement } from '../statement.ts';
import { contextNumbers } from '../validation/known-numbers.ts';
import { Notebook } from './notebook.ts';
import { amountOf, channelName, cohortName, enumerated, kpiName, nameOfProduct, phrase } from './phrasing.ts';
import { apportion } from './shares.ts';
import { type ArcWords, STAGE_DAYS, STAGE_MILESTONES, STAGES } from './stages.ts';

/** Of the way that should be gone by a day: nine tenths are green, seven amber. */
const [GREEN, AMBER] = [0.9, 0.7];
const COLOURS = 'Green while nine tenths of an even way have been gone, amber from seven tenths.';

/** One for being there, one for each cohort that is to be found there, one for each KPI that it says most about. */
function weightOf(channel: Channel, { cohorts, kpis }: PlanningContext): number {
  const found = cohorts.filter(({ channels }) => channels.includes(channel)).length;
  return 1 + found + kpis.filter((kpi) => kpi.channel === channel).length;
}

/** One learns on few channels, the strongest. */
const firstOf = (channels: readonly Channel[]) => channels.slice(0, Math.ceil(channels.length / 2));

const namesOf = (channels: readonly Channel[]) => enumerated(channels.map(channelName));

function wordsOf({ cohorts, foundation, kpis }: PlanningContext, channels: readonly Channel[]): ArcWords {
  const pain = cohorts.flatMap(({ pains }) => pains).map((text) => phrase(text, 120, ''))[0] ?? '';
  return {
    cohorts: enumerated(cohorts.map(({ name }) => cohortName(name))),
    pain: pain === '' ? 'what they need' : `“${pain}”`,
    products: enumerated(foundation.products.slice(0, 3).map((text) => nameOfProduct(text))),
    kpis: enumerated(kpis.map(kpiName)),
    channels: namesOf(channels),
    firstChannels: namesOf(firstOf(channels)),
  };
}

function summaryOf(context: PlanningContext, { cohorts, channels }: ArcWords, notebook: Notebook): Statement {
  const { objective, foundation } = context;
  const goal = phrase(objective, 300, 'what the context of the plan asks for');
  const plain =
    'First we learn and get ready, then we try messages and channels against each other, and in the last phase we do more of what worked.';
  const own = `${phrase(foundation.brand, 80, 'The brand')}: ${goal}. The plan goes for ${cohorts} through ${channels}.`;
  return notebook.say([`${own} ${plain}`, plain], notebook.cite('objective', 'foundation-promise', 'cohort'));
}

function whyChannel(channel: Channel, { cohorts, kpis }: PlanningContext, notebook: Notebook): Statement {
  const name = channelName(channel);
  const at = cohorts.findIndex(({ channels }) => channels.includes(channel));
  const cohort = cohorts[at];
  const kpi = kpis.find((one) => one.channel === channel);
  const fact = notebook.mentioning([name, channel]);
  const facts = notebook.cite(cohort && `cohort-${at + 1}`, kpi && `kpi-${kpi.name}`, fact?.id);
  const reasons = [
    ...(cohort ? [`${cohortName(cohort.name)} are to be found here`] : []),
    ...(kpi ? [`it says most about ${kpiName(kpi)}`] : []),
    ...(fact ? ['what we know mentions it'] : []),
  ];
  const base =
    'This is a channel of the plan. Nothing that we know speaks for it more than for others, so it gets a base share until there are readings.';
  if (reasons.length === 0) return notebook.say([base], facts);
  return notebook.say(
    [`${capitalized(name)}: ${enumerated(reasons)}.`, 'More speaks for this channel than for others.'],
    facts,
  );
}

function targetsOf({ kpis }: PlanningContext, notebook: Notebook): Arc['kpis'] {
  return kpis.map((kpi) => {
    const way =
      kpi.baseline === kpi.target
        ? `It is to stay at ${amountOf(kpi.target, kpi)}`
        : `From ${kpi.baseline} to ${amountOf(kpi.target, kpi)}`;
    const why = notebook.say(
      [
        `${way}, as the context of the plan asks. ${COLOURS}`,
        `This is what the context of the plan asks for. ${COLOURS}`,
      ],
      notebook.cite(`kpi-${kpi.name}`, 'objective'),
    );
    return { kpi: kpi.name, target: kpi.target, green: GREEN, amber: AMBER, why };
  });
}

/**
 * An arc of three phases of 30 days, put together from the context's own words. It passes `checkArc` where there is any evidence; the same
 * context and evidence give the same arc.
 */
export function writeArc(context: PlanningContext, evidence: readonly Evidence[]): Arc {
  const notebook = new Notebook(evidence, contextNumbers(context));
  const weighed = context.channels
    .map((channel) => ({ channel, weight: weightOf(channel, context) }))
    .toSorted((a, b) => b.weight - a.weight);
  const channels = weighed.map(({ channel }) => channel);
  const words = wordsOf(context, channels);
  const parts = apportion(
    100,
    weighed.map(({ weight }) => weight),
  );
  const dayOfPlan = (day: number) => addDays(context.startsOn, day - 1);
  return {
    summary: summaryOf(context, words, notebook),
    phases: STAGES.map(({ id, name, share, goal }, at) => ({
      id,
      name,
      goal: notebook.say([goal.say(words), goal.plain], notebook.cite(...goal.cites)),
      startsOn: dayOfPlan(at * STAGE_DAYS + 1),
      endsOn: dayOfPlan((at + 1) * STAGE_DAYS),
      budgetShare: share,
      channels: at === 0 ? firstOf(channels) : channels,
    })),
    channels: channels.map((channel, at) => ({
      channel,
      budgetShare: (parts[at] as number) / 100,
      why: whyChannel(channel, context, notebook),
    })),
    milestones: STAGE_MILESTONES.map(({ id, name, stage, day, dependsOn, evidence: seen }) => ({
      id,
      name,
      phase: STAGES[stage].id,
      dueOn: dayOfPlan(day),
      evidence: notebook.say([seen.say(words), seen.plain], notebook.cite(...seen.cites)),
      dependsOn: [...dependsOn],
    })),
    kpis: targetsOf(context, notebook),
  };
}
