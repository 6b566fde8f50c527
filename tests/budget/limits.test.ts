import { describe, expect, test } from '@jest/globals';
import { limitsOf, perLeadRefusal, refusalMessage } from '../../budget/limits.ts';

const dollars = (amount: number) => Math.round(amount * 1_000_000);

describe('budget limits', () => {
  test('a limit that is absent does not bind, and one of zero does', () => {
    expect(limitsOf({ daily: 0.29, monthly: 0 })).toEqual({ day: 290_000, week: null, month: 0 });
  });

  const refusal = {
    scope: 'campaign:1',
    period: 'day' as const,
    startsOn: '2026-01-05',
    limitMicros: dollars(5),
    spentMicros: dollars(4.9),
    heldMicros: dollars(0.1),
    amountMicros: dollars(0.2),
    turnsAtMs: Date.parse('2026-01-06T05:00:00Z'),
  };

  test('a refusal tells what is used, what is asked and when it turns, in local time', () => {
    expect(refusalMessage(refusal, 'America/New_York')).toBe(
      'The daily budget of $5.00 is used up: $4.90 spent, $0.10 held; the next step asks for $0.20. ' +
        'It turns at 2026-01-06 00:00 America/New_York.',
    );
  });

  test('a budget with something left says that the step does not fit', () => {
    expect(refusalMessage({ ...refusal, heldMicros: 0, period: 'week', scope: 'global' }, 'UTC')).toBe(
      'The weekly budget of $5.00 of all campaigns together has no room for the next step: ' +
        '$4.90 spent, $0.00 held; the next step asks for $0.20. It turns at 2026-01-06 05:00 UTC.',
    );
  });

  test('a step that is dearer than the whole limit is told that waiting is in vain', () => {
    expect(refusalMessage({ ...refusal, amountMicros: dollars(6) }, 'UTC')).toMatch(
      /more than the whole limit.*raise the limit, or set the estimatedCost/,
    );
    expect(refusalMessage(refusal, 'UTC')).not.toMatch(/whole limit/);
  });

  test('a step without an estimate is not said to ask for anything', () => {
    expect(refusalMessage({ ...refusal, amountMicros: 0 }, 'UTC')).not.toMatch(/asks/);
  });

  const perLead = (runCost: number, estimate: number, leads: number, limit: number | undefined = 0.2) =>
    perLeadRefusal({ limitDollars: limit, runCostMicros: dollars(runCost), estimateMicros: dollars(estimate), leads });

  test('a run may cost exactly its limit per lead, and not a micro-dollar more', () => {
    expect(perLead(3.5, 0.5, 20)).toBeNull();
    expect(
      perLeadRefusal({ limitDollars: 0.2, runCostMicros: 3_500_001, estimateMicros: 500_000, leads: 20 }),
    ).toMatchObject({
      scope: 'run',
      period: 'lead',
      startsOn: null,
      onlyHeld: false,
      limitMicros: 200_000,
      spentMicros: 3_500_001,
      heldMicros: 0,
      amountMicros: 500_000,
      turnsAtMs: null,
    });
  });

  test('a run without leads, or without a limit, is not judged', () => {
    expect(perLead(10, 1, 0)).toBeNull();
    expect(perLeadRefusal({ limitDollars: undefined, runCostMicros: 10, estimateMicros: 10, leads: 1 })).toBeNull();
  });

  test('the refusal per lead tells what a lead would cost', () => {
    expect(perLead(3.9, 0.3, 20)?.message).toBe(
      'The budget of $0.20 per lead would be passed: $3.90 spent and $0.30 for the next step make $0.21 for each of 20 leads.',
    );
    expect(perLead(0.3, 0, 1)?.message).toBe(
      'The budget of $0.20 per lead is passed: $0.30 spent make $0.30 for each of 1 lead.',
    );
  });
});
