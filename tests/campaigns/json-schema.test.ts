import { describe, expect, test } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { campaignJsonSchema, campaignJsonSchemaText } from '../../campaigns/json-schema.ts';
import { engineNames } from '../../steps/registry.ts';
import { accepted, campaign, campaignFile, CAMPAIGNS, oneStep, problemsOf } from './support.ts';

const validate = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true }).compile(campaignJsonSchema());

describe('campaign.schema.json', () => {
  test('is the one that the code gives (else run node campaigns/write-schema.ts)', () => {
    expect(readFileSync(join(CAMPAIGNS, 'campaign.schema.json'), 'utf8')).toBe(campaignJsonSchemaText());
  });

  test.each([
    'weekly-restaurant.json',
    'monthly-retail.json',
    'test-campaign.json',
    'weekly-moves.json',
    'plan-monitoring.json',
  ])('fits %s', (file) => {
    expect(validate(campaignFile(file)) || validate.errors).toBe(true);
  });

  test.each([
    { name: 'Weekly', schedule: '0 9 * * MON', steps: [{ engine: 'prospecting', params: {} }], budget: { daily: 5 } },
    campaign({ steps: [{ parallel: [{ engine: 'analysis', timeout: '5m' }] }] }),
    campaign({ notifications: { onComplete: { email: ['a@b.c'], slack: '#x' }, onFailure: null } }),
    accepted(campaignFile('weekly-restaurant.json')),
  ])('fits what is accepted: %#', (input) => {
    expect(validate(input) || validate.errors).toBe(true);
    expect(problemsOf(input)).toEqual([]);
  });

  test.each([
    campaign({ zzz: 1 }),
    oneStep({ tiemout: 5 }),
    oneStep({ timeout: 5 }),
    oneStep({ timeout: '5 min' }),
    oneStep({ engine: 'nope' }),
    oneStep({ retry: { attempts: 0 } }),
    campaign({ budget: { daily: -1 } }),
    campaign({ schedule: { timezone: 'UTC' } }),
    campaign({ notifications: { onFailure: { email: 'nobody' } } }),
    campaign({ steps: [{ parallel: [] }] }),
    campaign({ name: '' }),
  ])('does not fit what is refused: %j', (input) => {
    expect(validate(input)).toBe(false);
    expect(problemsOf(input)).not.toEqual([]);
  });

  test('knows every engine, describes every field and has the defaults', () => {
    const text = campaignJsonSchemaText();
    for (const engine of engineNames) expect(text).toContain(`"${engine}"`);
    const { $defs, properties } = campaignJsonSchema() as Record<string, Record<string, { properties: object }>>;
    const step = $defs?.['CampaignStep']?.properties ?? {};
    for (const field of [...Object.values(properties ?? {}), ...Object.values(step)])
      expect(field).toHaveProperty('description', expect.stringMatching(/\.$/));
    expect(step).toMatchObject({
      method: { default: 'POST' },
      pollInterval: { default: 2_000 },
      onFailure: { default: 'abort' },
    });
    expect(properties).toMatchObject({ catchUpWindow: { default: 3_600_000 }, overlap: { default: 'skip' } });
  });
});
