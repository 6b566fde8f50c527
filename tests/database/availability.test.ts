import { expect, test } from '@jest/globals';
import { watchAvailability } from '../../database/availability.ts';
import type { Records } from '../../database/records.ts';
import { sqlError } from '../../database/sql.ts';
import { EventBus } from '../../shared/events.ts';

test('an absence is told once, its end once, and a deadlock is no absence', async () => {
  const events = new EventBus();
  const told: string[] = [];
  events.subscribe(({ type }) => told.push(type));
  let code: string | null = null;
  const ping = () =>
    code === null ? Promise.resolve() : Promise.reject(sqlError(Object.assign(new Error('no'), { code })));
  const records = watchAvailability({ ping } as unknown as Records, events);
  for (code of ['40P01', '57P01', 'ECONNREFUSED', null, null, '23505']) await records.ping().catch(() => undefined);
  expect(told).toEqual(['database.lost', 'database.restored']);
});
