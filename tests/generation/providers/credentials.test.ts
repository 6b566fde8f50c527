import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentialsFailure, credentialsFor } from '../../../generation/providers/credentials.ts';

describe('Application Default Credentials', () => {
  const earlier = process.env['GOOGLE_APPLICATION_CREDENTIALS'];
  let folder: string;
  let tokens: Server;
  let exchanges = 0;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'credentials-'));
    exchanges = 0;
    tokens = createServer((_, response) => {
      exchanges += 1;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ access_token: `token-${exchanges}`, token_type: 'Bearer', expires_in: 3_600 }));
    });
    tokens.listen(0, '127.0.0.1');
    await once(tokens, 'listening');
  });
  afterEach(() => {
    if (earlier === undefined) delete process.env['GOOGLE_APPLICATION_CREDENTIALS'];
    else process.env['GOOGLE_APPLICATION_CREDENTIALS'] = earlier;
    rmSync(folder, { recursive: true });
    tokens.closeAllConnections();
    tokens.close();
  });

  test('are exchanged for a token, once', async () => {
    // Of all kinds of credentials the one that names its own token service, so that it can be one on this machine.
    writeFileSync(join(folder, 'subject'), 'subject-token');
    const file = join(folder, 'credentials.json');
    const address = `http://127.0.0.1:${(tokens.address() as AddressInfo).port}/token`;
    const content = {
      type: 'external_account',
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/one',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: address,
      credential_source: { file: join(folder, 'subject') },
      quota_project_id: 'payer',
    };
    writeFileSync(file, JSON.stringify(content));
    process.env['GOOGLE_APPLICATION_CREDENTIALS'] = file;
    const credentials = credentialsFor('https://aiplatform.googleapis.com', 'my-project');
    const expected = { authorization: 'Bearer token-1', 'x-goog-user-project': 'payer' };
    expect(await credentials.headers()).toEqual(expected);
    expect(await credentials.headers()).toEqual(expected);
    expect(exchanges).toBe(1);
  });

  test('that are not where they should be are told as a mistake of the configuration', async () => {
    process.env['GOOGLE_APPLICATION_CREDENTIALS'] = join(folder, 'none.json');
    const failure = await credentialsFor('https://aiplatform.googleapis.com', 'my-project')
      .headers()
      .catch(credentialsFailure);
    expect(failure).toMatchObject({ code: 'MODEL_REJECTED', retryable: false, costMicros: 0 });
  });

  test.each([
    [Object.assign(new Error('failed'), { code: 'ECONNRESET' }), 'MODEL_UNAVAILABLE'],
    [new Error('Request failed with status code 503'), 'MODEL_UNAVAILABLE'],
    [new Error('network timeout at: https://oauth2.googleapis.com/token'), 'MODEL_UNAVAILABLE'],
    [new Error('Request failed with status code 400: invalid_grant'), 'MODEL_REJECTED'],
    ['nothing', 'MODEL_REJECTED'],
  ])('that fail with %s are %s', (cause, code) => {
    expect(credentialsFailure(cause)).toMatchObject({ code, retryable: code === 'MODEL_UNAVAILABLE' });
  });
});
