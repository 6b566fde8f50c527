import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { adviceFor } from '../../notifications/advice.ts';
import { PROJECT_ROOT } from '../../shared/config.ts';

/** These have notices of their own, or nobody is told of them. */
const NO_FAILURE = /^(BUDGET_|RUN_|SERVICE_STOPPING$|STEP_INTERRUPTED$|AUDIT_CANCELLED$)/;

test('each failure of a step comes with words of its own about what to do', () => {
  const [, section = ''] =
    /^## Failures of steps\n(.*?)^## /ms.exec(readFileSync(join(PROJECT_ROOT, 'docs/errors.md'), 'utf8')) ?? [];
  const codes = [...section.matchAll(/^\| `([A-Z_]+)` /gm)].map(([, code]) => code as string);
  const failures = codes.filter((code) => !NO_FAILURE.test(code));
  expect(failures.length).toBeGreaterThan(30);
  const general = adviceFor('NOT_A_CODE');
  expect(failures.filter((code) => adviceFor(code) === general)).toEqual([]);
  expect(new Set(failures.map(adviceFor)).size).toBe(failures.length);
});
