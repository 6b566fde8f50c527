/** What the sentences of a move are filled with, in the context's own words and cut to a length for a sentence. */
export interface MoveWords {
  cohort: string;
  /** In quotation marks; words of our own where the cohort names none. */
  pain: string;
  product: string;
  promise: string;
  channel: string;
  /** `on Facebook`. */
  where: string;
  kpi: string;
}

/** A kind of move that the offline planner knows. */
export interface Play {
  id: string;
  /** The play whose latest move before it has to be done first. */
  after?: string;
  title(words: MoveWords): string;
  /** A title without a word of others. */
  plainTitle: string;
  /** What is done, what then happens, and why one would think so. */
  bet(words: MoveWords): string;
  plainBet: string;
  /** Each with its hours and the day of the week that it is due on, from 0. */
  tasks: readonly [title: string, hours: number, day: number][];
}

const foundation: readonly Play[] = [
  {
    id: 'listen',
    title: ({ cohort, pain }) => `Ask ${cohort} about ${pain}`,
    plainTitle: 'Ask the people we want to reach',
    bet: ({ cohort, pain }) =>
      `If we ask five people among ${cohort} about ${pain} before we write anything, our messages will use their own words, and more of them will answer.`,
    plainBet:
      'If we ask five of the people we want to reach before we write anything, our messages will use their own words, and more of them will answer.',
    tasks: [
      ['Choose five people and agree on a time', 1, 0],
      ['Talk to each of them and write down their words', 5, 3],
      ['Put together what came up more than once', 1, 4],
    ],
  },
  {
    id: 'measure',
    title: ({ kpi }) => `Read ${kpi} from its source`,
    plainTitle: 'Read the KPI from its source',
    bet: ({ kpi }) =>
      `If we read ${kpi} in the same way from the start, we shall see within days whether a move has worked, and stop sooner what has not.`,
    plainBet:
      'If we read the KPI in the same way from the start, we shall see within days whether a move has worked, and stop sooner what has not.',
    tasks: [
      ['Name the source and who reads it', 1, 0],
      ['Read it, and compare with what people believe', 2, 2],
      ['Write down how it is read', 1, 3],
    ],
  },
  {
    id: 'tidy',
    title: ({ channel }) => `Bring ${channel} in order`,
    plainTitle: 'Bring the channel in order',
    bet: ({ where, promise, cohort }) =>
      `If whoever meets us ${where} finds “${promise}” at first sight, more among ${cohort} will go on to the next step.`,
    plainBet: 'If whoever meets us finds the promise at first sight, more of them will go on to the next step.',
    tasks: [
      ['List what is out of date or missing', 1, 0],
      ['Rewrite what is seen first', 3, 3],
      ['Let somebody from outside say what they understand', 1, 4],
    ],
  },
  {
    id: 'message',
    after: 'listen',
    title: ({ cohort }) => `Write the message for ${cohort}`,
    plainTitle: 'Write the message for the cohort',
    bet: ({ cohort, pain, product }) =>
      `If everything for ${cohort} begins with ${pain} and says what ${product} does about it, they will see sooner that it is meant for them.`,
    plainBet:
      'If everything begins with what bothers them and says what we do about it, people will see sooner that it is meant for them.',
    tasks: [
      ['Write one page: pain, promise, proof', 3, 1],
      ['Check every claim against the facts that we have', 1, 2],
      ['Agree on it with everybody who writes', 1, 4],
    ],
  },
  {
    id: 'schedule',
    after: 'message',
    title: ({ channel }) => `Plan four weeks of ${channel}`,
    plainTitle: 'Plan four weeks of the channel',
    bet: ({ channel, cohort }) =>
      `If four weeks of ${channel} are planned ahead, ${cohort} will hear from us steadily, and a bad week will not leave a hole.`,
    plainBet:
      'If four weeks are planned ahead, people will hear from us steadily, and a bad week will not leave a hole.',
    tasks: [
      ['List subjects, each with the fact behind it', 2, 1],
      ['Set days, and who writes what', 1, 2],
      ['Write the first week', 3, 4],
    ],
  },
];

const growth: readonly Play[] = [
  {
    id: 'show',
    after: 'schedule',
    title: ({ product, where }) => `Show ${product} ${where}`,
    plainTitle: 'Show the product on the channel',
    bet: ({ cohort, product, where, pain }) =>
      `If ${cohort} see ${where} what ${product} does about ${pain}, more of them will want to know more.`,
    plainBet:
      'If people see on this channel what the product does about what bothers them, more of them will want to know more.',
    tasks: [
      ['Choose one situation that they know', 1, 0],
      ['Make three pieces that show it', 5, 3],
      ['Publish them and answer every comment', 2, 5],
    ],
  },
  {
    id: 'answer',
    after: 'listen',
    title: ({ pain, where }) => `Answer ${pain} ${where}`,
    plainTitle: 'Answer what bothers them on the channel',
    bet: ({ cohort, pain, where }) =>
      `If we answer ${pain} ${where} without selling anything, ${cohort} will come back to us when they look for help.`,
    plainBet:
      'If we answer what bothers them without selling anything, people will come back to us when they look for help.',
    tasks: [
      ['Collect the questions that people really ask', 1, 0],
      ['Write one useful answer to each of the commonest three', 4, 3],
      ['Publish them, and note what is asked next', 1, 5],
    ],
  },
  {
    id: 'compare',
    after: 'show',
    title: ({ where }) => `Compare two messages ${where}`,
    plainTitle: 'Compare two messages on the channel',
    bet: ({ where, promise, pain }) =>
      `If one message ${where} begins with ${pain} and the other with “${promise}”, their difference will show what to say from now on.`,
    plainBet:
      'If one message begins with the pain and the other with the promise, their difference will show what to say from now on.',
    tasks: [
      ['Write both so that nothing but the beginning differs', 2, 0],
      ['Show them to like people at like times', 2, 3],
      ['Compare, and say how sure one can be', 1, 5],
    ],
  },
  {
    id: 'invite',
    after: 'message',
    title: ({ cohort, product }) => `Invite ${cohort} to try ${product}`,
    plainTitle: 'Invite people to try the product',
    bet: ({ cohort, product, where }) =>
      `If the next step ${where} is small and clear, more among ${cohort} will try ${product}.`,
    plainBet: 'If the next step is small and clear, more people will try the product.',
    tasks: [
      ['Describe the next step in one sentence', 1, 0],
      ['Make the page or mail that leads to it', 4, 2],
      ['Invite, and follow up once', 2, 5],
    ],
  },
  {
    id: 'decide',
    after: 'compare',
    title: ({ channel }) => `Keep, change or drop: ${channel}`,
    plainTitle: 'Keep, change or drop',
    bet: ({ kpi, where }) =>
      `If we put ${kpi} beside what was done ${where} and drop what did not help, the same hours will do more.`,
    plainBet: 'If we put the readings beside what was done and drop what did not help, the same hours will do more.',
    tasks: [
      ['Put readings and work side by side', 2, 1],
      ['Keep, change or drop each piece, with the reason', 1, 3],
      ['Change the plan of the next weeks', 1, 4],
    ],
  },
];

const scale: readonly Play[] = [
  {
    id: 'repeat',
    after: 'decide',
    title: ({ where }) => `More of what worked ${where}`,
    plainTitle: 'More of what worked',
    bet: ({ where, cohort, kpi }) =>
      `If what worked ${where} is done again with more time and money, ${kpi} will go on moving for as long as there are more to reach among ${cohort}.`,
    plainBet:
      'If what worked is done again with more time and money, the KPI will go on moving for as long as there are more people to reach.',
    tasks: [
      ['Choose the piece with the best readings', 1, 0],
      ['Make three more in its manner', 5, 3],
      ['Publish, and watch whether the effect wears off', 2, 5],
    ],
  },
  {
    id: 'proof',
    after: 'invite',
    title: ({ where }) => `Let customers speak ${where}`,
    plainTitle: 'Let customers speak',
    bet: ({ cohort, product, where }) =>
      `If somebody among ${cohort} says ${where}, in their own words, what ${product} changed, others will believe it sooner than they believe us.`,
    plainBet:
      'If somebody like them says in their own words what changed, others will believe it sooner than they believe us.',
    tasks: [
      ['Ask three customers, and for their permission in writing', 2, 1],
      ['Record what they say, without changing it', 3, 3],
      ['Publish with their consent', 1, 5],
    ],
  },
  {
    id: 'shift',
    after: 'decide',
    title: ({ kpi }) => `Move effort to what moves ${kpi}`,
    plainTitle: 'Move effort to what works',
    bet: ({ kpi, channel }) =>
      `If hours and money go from what left ${kpi} as it was to ${channel}, the same budget will move it further.`,
    plainBet: 'If hours and money go from what changed nothing to what did, the same budget will move the KPI further.',
    tasks: [
      ['List what each channel cost and what it moved', 2, 1],
      ['Propose what to stop', 1, 2],
      ['Carry it out once it is agreed', 2, 4],
    ],
  },
  {
    id: 'return',
    after: 'invite',
    title: ({ cohort }) => `Come back to those among ${cohort} who answered`,
    plainTitle: 'Come back to those who answered',
    bet: ({ cohort, pain }) =>
      `If those among ${cohort} who answered once hear something new about ${pain}, some of them will take the step that they put off.`,
    plainBet: 'If those who answered once hear something new, some of them will take the step that they put off.',
    tasks: [
      ['Find those who agreed to hear from us', 1, 0],
      ['Write what is new for them', 3, 2],
      ['Send it, and answer within a day', 2, 4],
    ],
  },
  {
    id: 'hand-over',
    after: 'repeat',
    title: ({ channel }) => `Write down how ${channel} is run`,
    plainTitle: 'Write down how the channel is run',
    bet: ({ channel, kpi }) =>
      `If it is written down how ${channel} is run and read, ${kpi} will not fall back when the plan is over.`,
    plainBet:
      'If it is written down how the channel is run and read, the KPI will not fall back when the plan is over.',
    tasks: [
      ['Write down the week as it is done now', 2, 2],
      ['Let somebody else do it by that page', 3, 4],
      ['Mend the page', 1, 5],
    ],
  },
];

/** The plays of a phase: the first phase of an arc learns, the last one of three and more repeats, those between them try. */
export function playsOf(phase: number, phases: number): readonly Play[] {
  if (phase === 0) return foundation;
  return phases > 2 && phase === phases - 1 ? scale : growth;
}
