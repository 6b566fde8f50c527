import type { Evidence } from './evidence.ts';
import { firesRunTwice, lostRuns, missedFires } from './invariants-fires.ts';
import { needlessDuplicates, strayMails, toldTwice, unasked, undelivered, untold } from './invariants-mail.ts';
import {
  budgetsPassed,
  finishedStepsRunAgain,
  sendsOnlyOnRecord,
  sentTwice,
  settledStepsCalled,
  stepsCalledUnrecorded,
} from './invariants-steps.ts';

/** What must hold whatever happened; `violations` names each case against it. */
export interface Invariant {
  name: string;
  violations: (evidence: Evidence) => string[];
}

export const invariants: readonly Invariant[] = [
  { name: 'every due time has one fire', violations: missedFires },
  { name: 'every fire that ran has one run', violations: firesRunTwice },
  { name: 'no run is lost', violations: lostRuns },
  { name: 'no finished step ran again', violations: finishedStepsRunAgain },
  { name: 'no settled step was called', violations: settledStepsCalled },
  { name: 'no engine was called before the record', violations: stepsCalledUnrecorded },
  { name: 'nothing was sent twice', violations: sentTwice },
  { name: 'nothing is on record that was not sent', violations: sendsOnlyOnRecord },
  { name: 'no budget was passed', violations: budgetsPassed },
  { name: 'every notification arrived', violations: undelivered },
  { name: 'every end that must be told was told', violations: untold },
  { name: 'no event was told under two ids', violations: toldTwice },
  { name: 'no mail came from nowhere', violations: strayMails },
  { name: 'no mail came twice without a fault', violations: needlessDuplicates },
  { name: 'every unknown send asked a person', violations: unasked },
  { name: 'nothing is stuck', violations: ({ unsettled }) => unsettled },
  {
    name: 'no money of an ended run is held',
    violations: ({ openHolds }) =>
      openHolds.map(
        ({ key, status, heldAt, endedAt }) => `${key} of a ${status} run, held at ${heldAt}, ended at ${endedAt}`,
      ),
  },
  {
    name: 'no replica ended by itself',
    violations: ({ accidents }) => accidents.map(({ replica, code, log }) => `${replica}: ${code}: ${log}`),
  },
];
