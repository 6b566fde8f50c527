/** What the offline planner's sentences are filled with, in the context's own words and cut to a length for a sentence. */
export interface ArcWords {
  /** All cohorts. */
  cohorts: string;
  /** The first pain that a cohort names, in quotation marks; words of our own where none does. */
  pain: string;
  products: string;
  kpis: string;
  /** All channels. */
  channels: string;
  /** Those of the first stage. */
  firstChannels: string;
}

interface Saying {
  say(words: ArcWords): string;
  /** The same without a word of others. */
  plain: string;
  /** Names or beginnings of the ids of what it rests on. */
  cites: readonly string[];
}

interface Stage {
  id: string;
  name: string;
  /** Of the budget. */
  share: number;
  goal: Saying;
}

/** Days of each stage. */
export const STAGE_DAYS = 30;

/**
 * Ninety days as the offline planner always divides them: learn, try, do more of what worked. The shares are a rule of thumb: they grow,
 * since money is spent best where something is known.
 */
export const STAGES: readonly [Stage, Stage, Stage] = [
  {
    id: 'foundation',
    name: 'Foundation',
    share: 0.25,
    goal: {
      say: ({ cohorts, pain, firstChannels, kpis }) =>
        `Know how ${cohorts} speak about ${pain}, bring ${firstChannels} in order, and read ${kpis} the way they will be read until the last day.`,
      plain:
        'Know how the people we want to reach speak about what they need, bring the first channels in order, and read every KPI the way it will be read until the last day.',
      cites: ['cohort', 'foundation-promise', 'kpi'],
    },
  },
  {
    id: 'growth',
    name: 'Growth',
    share: 0.35,
    goal: {
      say: ({ products, cohorts, channels, kpis }) =>
        `Show ${products} to ${cohorts} through ${channels}, and find out which message and which channel move ${kpis}.`,
      plain:
        'Show what we sell on every channel of the plan, and find out which message and which channel move the KPIs.',
      cites: ['foundation-product', 'foundation-products', 'cohort', 'kpi'],
    },
  },
  {
    id: 'scale',
    name: 'Scale',
    share: 0.4,
    goal: {
      say: ({ kpis, channels }) =>
        `Put time and money into what has moved ${kpis} through ${channels}, stop the rest, and write down what works so that it goes on after the plan.`,
      plain:
        'Put time and money into what has moved the KPIs, stop the rest, and write down what works so that it goes on after the plan.',
      cites: ['kpi', 'objective', 'foundation-promise'],
    },
  },
];

interface StageMilestone {
  id: string;
  name: string;
  stage: 0 | 1 | 2;
  /** Of the 90, from 1. */
  day: number;
  dependsOn: string[];
  evidence: Saying;
}

export const STAGE_MILESTONES: readonly StageMilestone[] = [
  {
    id: 'baselines-read',
    name: 'Baselines are read',
    stage: 0,
    day: 14,
    dependsOn: [],
    evidence: {
      say: ({ kpis }) => `There is a reading of ${kpis}, from the source that each will have until the last day.`,
      plain: 'Every KPI has a reading, from the source that it will have until the last day.',
      cites: ['kpi'],
    },
  },
  {
    id: 'messages-agreed',
    name: 'Messages are agreed',
    stage: 0,
    day: 21,
    dependsOn: [],
    evidence: {
      say: ({ cohorts }) =>
        `For ${cohorts} there is one page each with pain, promise and proof, agreed with everybody who writes.`,
      plain: 'For each cohort there is one page with pain, promise and proof, agreed with everybody who writes.',
      cites: ['cohort', 'foundation-promise'],
    },
  },
  {
    id: 'channels-ready',
    name: 'The first channels are ready',
    stage: 0,
    day: 30,
    dependsOn: ['messages-agreed'],
    evidence: {
      say: ({ firstChannels }) =>
        `Whoever meets us through ${firstChannels} sees the promise at once, and the next four weeks are planned.`,
      plain:
        'Whoever meets us through the first channels sees the promise at once, and the next four weeks are planned.',
      cites: ['foundation-promise', 'foundation'],
    },
  },
  {
    id: 'results-compared',
    name: 'First results are compared',
    stage: 1,
    day: 45,
    dependsOn: ['baselines-read', 'channels-ready'],
    evidence: {
      say: ({ kpis }) => `The readings of ${kpis} since the start stand beside what was done in each week, by channel.`,
      plain: 'The readings since the start stand beside what was done in each week, by channel.',
      cites: ['kpi'],
    },
  },
  {
    id: 'choice-made',
    name: 'Messages and channels are chosen',
    stage: 1,
    day: 60,
    dependsOn: ['results-compared'],
    evidence: {
      say: ({ cohorts }) =>
        `It is written down which message for ${cohorts} and which channel goes on, and which stops, with the readings that say so.`,
      plain:
        'It is written down which message and which channel goes on, and which stops, with the readings that say so.',
      cites: ['cohort', 'kpi'],
    },
  },
  {
    id: 'effort-moved',
    name: 'Time and money have moved',
    stage: 2,
    day: 75,
    dependsOn: ['choice-made'],
    evidence: {
      say: ({ kpis }) => `What was stopped costs nothing any more, and what moves ${kpis} has what that freed.`,
      plain: 'What was stopped costs nothing any more, and what works has what that freed.',
      cites: ['kpi', 'objective'],
    },
  },
  {
    id: 'targets-compared',
    name: 'Targets are compared',
    stage: 2,
    day: 90,
    dependsOn: ['effort-moved'],
    evidence: {
      say: ({ kpis }) =>
        `The readings of ${kpis} on the last day stand beside their targets, with what is to go on after the plan.`,
      plain: 'The readings of the last day stand beside their targets, with what is to go on after the plan.',
      cites: ['kpi', 'objective'],
    },
  },
];
