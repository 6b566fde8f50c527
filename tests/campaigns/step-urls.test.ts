import { describe, expect, test } from '@jest/globals';
import { stepUrls } from '../../campaigns/step-urls.ts';
import { environment, firstStep, oneStep } from './support.ts';

const { engines } = environment;

describe('the addresses of a step', () => {
  test.each([
    ['http://localhost:3010', undefined, 'http://localhost:3010/api/prospect'],
    ['http://localhost:3010/', undefined, 'http://localhost:3010/api/prospect'],
    ['http://localhost:3010/api/prospect', undefined, 'http://localhost:3010/api/prospect'],
    ['http://localhost:3010/api/prospect/', undefined, 'http://localhost:3010/api/prospect'],
    ['https://gateway.example/tenant/a/', undefined, 'https://gateway.example/tenant/a/api/prospect'],
    ['https://gateway.example/tenant', '/v2/find?deep=1', 'https://gateway.example/tenant/v2/find?deep=1'],
    ['https://gateway.example/v2/find', '/v2/find', 'https://gateway.example/v2/find'],
    ['https://gateway.example/api/prospect', '/v2/find', 'https://gateway.example/v2/find'],
    ['https://gateway.example/x?key=1#top', undefined, 'https://gateway.example/x/api/prospect?key=1'],
    ['http://elsewhere', 'http://localhost:3010/api/prospect', 'http://localhost:3010/api/prospect'],
  ])('at %s with endpoint %s: %s', (prospecting, endpoint, url) => {
    const step = { kind: 'prospecting', ...(endpoint === undefined ? {} : { endpoint }) };
    expect(stepUrls(step, { ...engines, prospecting })).toEqual({ url });
  });

  test('sending and composing share one engine, whichever endpoint its address names', () => {
    const outreach = 'http://localhost:3001/base/api/compose-batch';
    expect(stepUrls({ kind: 'sender' }, { ...engines, outreach }).url).toBe(
      'http://localhost:3001/base/api/send-batch',
    );
    expect(stepUrls({ kind: 'outreach' }, { ...engines, outreach }).url).toBe(outreach);
  });

  test('status and cancel go by the same rule', () => {
    const step = firstStep(oneStep({ statusEndpoint: '/api/status', cancelEndpoint: 'http://localhost:9/cancel' }));
    expect(stepUrls(step, engines)).toEqual({
      url: 'http://localhost:3010/api/prospect',
      statusUrl: 'http://localhost:3010/api/status',
      cancelUrl: 'http://localhost:9/cancel',
    });
  });

  test('an unknown kind is an error', () => {
    expect(() => stepUrls({ kind: 'toString' }, engines)).toThrow(RangeError);
  });
});
