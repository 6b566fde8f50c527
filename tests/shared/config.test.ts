import { resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { loadConfig } from '../../shared/config.ts';
import { type Problem, ValidationError } from '../../shared/errors.ts';

function problemsOf(env: Record<string, string>): Problem[] {
  try {
    loadConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ValidationError) return error.details;
    throw error;
  }
}

describe('the configuration', () => {
  test('has a default for everything, on loopback and without keys', () => {
    expect(loadConfig({})).toMatchObject({
      port: 3020,
      host: '127.0.0.1',
      hostRefused: null,
      dataDir: resolve('data'),
      databaseUrl: null,
      supabase: null,
      apiKeys: [],
      allowedOrigins: null,
      globalDailyBudget: null,
      references: {},
    });
  });

  test('takes an empty variable for one that is not set', () => {
    expect(loadConfig({ PORT: '', HOST: '  ', DATABASE_URL: '', GLOBAL_DAILY_BUDGET: ' ' })).toEqual(loadConfig({}));
  });

  test('looks for files of KPIs in the data folder, unless told another', () => {
    expect(loadConfig({ DATA_DIR: 'elsewhere' }).kpiDir).toBe(resolve('elsewhere', 'kpis'));
    expect(loadConfig({ DATA_DIR: 'elsewhere', KPI_DIR: '/srv/kpis' }).kpiDir).toBe('/srv/kpis');
  });

  test('reads numbers, origins and dollars', () => {
    const config = loadConfig({
      PORT: '0',
      ENGINE_ALLOWED_ORIGINS: 'https://engines.example.com/api, http://localhost:3010',
      GLOBAL_DAILY_BUDGET: '2.5',
    });
    expect(config.port).toBe(0);
    expect(config.allowedOrigins).toEqual(['https://engines.example.com', 'http://localhost:3010']);
    expect(config.globalDailyBudget).toBe(2_500_000);
  });

  test.each([
    [undefined, { usual: 250, of: {} }],
    ['8', { usual: 8, of: {} }],
    ['http://localhost:3010=5', { usual: 250, of: { 'http://localhost:3010': 5 } }],
    [
      ' 20 , http://localhost:3010/api=5,https://engines.example.com=1, ',
      { usual: 20, of: { 'http://localhost:3010': 5, 'https://engines.example.com': 1 } },
    ],
  ])('reads ENGINE_CONCURRENCY=%s', (text, expected) => {
    expect(loadConfig(text === undefined ? {} : { ENGINE_CONCURRENCY: text }).engineConcurrency).toEqual(expected);
  });

  test.each([
    ['1', 1],
    ['9', 4],
    ['100', 50],
    ['10000', 250],
  ])('leaves half of MAX_CONCURRENT_RUNS=%s to other engines', (slots, usual) => {
    expect(loadConfig({ MAX_CONCURRENT_RUNS: slots }).engineConcurrency.usual).toBe(usual);
    expect(loadConfig({ MAX_CONCURRENT_RUNS: slots, ENGINE_CONCURRENCY: '70' }).engineConcurrency.usual).toBe(70);
  });

  test.each([
    '0',
    '-1',
    '2.5',
    'many',
    'http://localhost:3010=0',
    'http://localhost:3010=',
    'localhost:3010=5',
    '=5',
    'a=b=3',
  ])('refuses ENGINE_CONCURRENCY=%s and says how to write it', (text) => {
    expect(problemsOf({ ENGINE_CONCURRENCY: `100,${text}` })).toEqual([
      {
        path: 'ENGINE_CONCURRENCY',
        message: `entry ${JSON.stringify(text)} is neither a number above 0 nor origin=number`,
        mend: expect.stringContaining('http://localhost:3010=5'),
      },
    ]);
  });

  test('refuses a second number for every engine', () => {
    expect(problemsOf({ ENGINE_CONCURRENCY: '100,http://localhost:3010=5,20' })).toEqual([
      {
        path: 'ENGINE_CONCURRENCY',
        message: 'entry "20" is a second number for every engine',
        mend: expect.any(String),
      },
    ]);
  });

  test.each([
    ['bare-key-1', [{ key: 'bare-key-1', scope: 'admin' }]],
    ['read:reader-key', [{ key: 'reader-key', scope: 'read' }]],
    ['reader-key:read', [{ key: 'reader-key', scope: 'read' }]],
    ['ana:operate:ana-key-1', [{ key: 'ana-key-1', scope: 'operate' }]],
    ['read:with:colons', [{ key: 'with:colons', scope: 'read' }]],
    [
      ' read:reader-key , ,admin:admin-key',
      [
        { key: 'reader-key', scope: 'read' },
        { key: 'admin-key', scope: 'admin' },
      ],
    ],
  ])('reads API_KEYS=%s', (text, keys) => {
    expect(loadConfig({ API_KEYS: text }).apiKeys).toEqual(keys);
  });

  test('without keys listens on loopback only, whatever HOST says', () => {
    expect(loadConfig({ HOST: '0.0.0.0' })).toMatchObject({ host: '127.0.0.1', hostRefused: '0.0.0.0' });
    expect(loadConfig({ HOST: '0.0.0.0', API_KEYS: 'a-long-key' })).toMatchObject({
      host: '0.0.0.0',
      hostRefused: null,
    });
    expect(loadConfig({ HOST: 'localhost' })).toMatchObject({ host: 'localhost', hostRefused: null });
  });

  test('gives references only what is listed, and the webhooks', () => {
    const env = {
      REGION: 'eu',
      HOME_TOWN: 'x',
      SLACK_WEBHOOK_URL: 'https://hooks.example/x',
      ENV_REFERENCES: 'REGION',
    };
    expect(loadConfig(env).references).toEqual({ REGION: 'eu', SLACK_WEBHOOK_URL: 'https://hooks.example/x' });
  });

  test.each([
    [{ PORT: 'abc' }, 'must be a whole number from 0 to 65535', 'write a whole number from 0 to 65535'],
    [
      { RETENTION_FIRES_DAYS: '31' },
      'must be 0 (for ever) or a whole number from 32 to 36500',
      'write 0 (for ever) or a whole number from 32 to 36500',
    ],
    [{ PORT: '70000' }, 'must be a whole number from 0 to 65535', 'write a whole number from 0 to 65535'],
    [{ GLOBAL_DAILY_BUDGET: '-4' }, 'must be a number of dollars from 0 to 1000000000', expect.any(String)],
    [
      { LOG_LEVEL: 'loud' },
      'must be one of error, warn, info, debug, not the text "loud"',
      'write one of error, warn, info, debug',
    ],
    [
      { PUBLIC_URL: 'ftp://x' },
      'is not an address of the kind that belongs here',
      'write a URL such as http://localhost:3010',
    ],
    [
      { ENGINE_ALLOWED_ORIGINS: 'http://a,nonsense' },
      'entry 2 is not an address of the kind that belongs here',
      expect.stringContaining('list origins'),
    ],
    ...['redis://:50%@host', 'redis://host/name', 'redis://:%E0%A4@host'].map(
      (REDIS_URL): [object, string, unknown] => [
        { REDIS_URL },
        'is not the URL of a Redis server',
        expect.stringContaining('percent-encoded'),
      ],
    ),
    [
      { REDIS_URL: 'http://host' },
      'is not an address of the kind that belongs here',
      expect.stringContaining('redis://'),
    ],
    [{ NOTIFY_FROM: 'x' }, 'is shorter than 3 characters', 'write at least 3 characters'],
    [{ API_KEYS: 'read:short' }, 'entry 1 has a key shorter than 8 characters', expect.stringContaining('scope:key')],
    [
      { SUPABASE_URL: 'https://x.supabase.co' },
      'is missing though SUPABASE_URL is set',
      expect.stringContaining('secret key'),
    ],
  ])('is refused in plain words and with a mend: %j', (env, message, mend) => {
    expect(problemsOf(env as Record<string, string>)).toEqual([{ path: expect.any(String), message, mend }]);
  });

  test.each(['redis://localhost', 'redis://h:6379/3', 'rediss://default:p%40ss@x.upstash.example:6379'])(
    'takes REDIS_URL=%s as it is',
    (text) => expect(loadConfig({ REDIS_URL: text }).redisUrl).toBe(text),
  );

  test('takes the offline writer when nothing is said of a model', () => {
    expect(loadConfig({}).model).toEqual({
      provider: 'rules',
      project: null,
      location: 'global',
      baseUrl: null,
      fast: 'gemini-3.5-flash-lite',
      best: 'gemini-3.8-flash',
      embedding: 'gemini-embedding-2',
      embeddingDimensions: 768,
      maxOutputTokens: 8_192,
      concurrency: 8,
      requestsPerMinute: 300,
      pricesFile: null,
    });
  });

  test.each([
    ['https://gateway.example.com/vertex'],
    ['http://127.0.0.1:8080'],
    ['http://localhost:8080'],
    ['http://[::1]:8080'],
  ])('lets a model be asked at %s', (url) => {
    const env = { MODEL_PROVIDER: 'genai', GOOGLE_CLOUD_PROJECT: 'my-project-123', GOOGLE_VERTEX_BASE_URL: url };
    expect(loadConfig(env).model).toMatchObject({ provider: 'genai', project: 'my-project-123', baseUrl: url });
  });

  test.each<[Record<string, string>, string, string]>([
    [{ MODEL_PROVIDER: 'genai' }, 'GOOGLE_CLOUD_PROJECT', 'is missing though MODEL_PROVIDER is genai'],
    [{ MODEL_PROVIDER: 'vertexai' }, 'GOOGLE_CLOUD_PROJECT', 'is missing though MODEL_PROVIDER is vertexai'],
    [{ MODEL_PROVIDER: 'gpt' }, 'MODEL_PROVIDER', 'must be one of genai, vertexai, rules, not the text "gpt"'],
    [{ GOOGLE_CLOUD_PROJECT: 'My Project' }, 'GOOGLE_CLOUD_PROJECT', 'is not written as it has to be'],
    [{ GOOGLE_CLOUD_LOCATION: 'eu/../us' }, 'GOOGLE_CLOUD_LOCATION', 'is not written as it has to be'],
    [{ MODEL_FAST: '../x' }, 'MODEL_FAST', 'is not written as it has to be'],
    [
      { GOOGLE_VERTEX_BASE_URL: 'http://10.0.0.1' },
      'GOOGLE_VERTEX_BASE_URL',
      'is not encrypted and not on this machine',
    ],
    [
      { GOOGLE_VERTEX_BASE_URL: 'https://me:pass@x.example' },
      'GOOGLE_VERTEX_BASE_URL',
      'has more than an origin and a path',
    ],
    [{ MODEL_CONCURRENCY: '0' }, 'MODEL_CONCURRENCY', 'must be a whole number from 1 to 1000'],
  ])('refuses of a model %j', (env, path, message) => {
    expect(problemsOf(env)).toEqual([{ path, message, mend: expect.any(String) }]);
  });

  test('tells of a missing project together with everything else', () => {
    const env = { MODEL_PROVIDER: 'genai', PORT: 'x' };
    expect(problemsOf(env).map(({ path }) => path)).toEqual(['PORT', 'GOOGLE_CLOUD_PROJECT']);
  });

  test('is told of all problems together, and of no secret', () => {
    const problems = problemsOf({
      PORT: 'x',
      DATABASE_URL: 'mysql://user:hidden@host/x',
      API_KEYS: 'abc',
      LOG_LEVEL: 'x',
    });
    expect(problems.map(({ path }) => path).toSorted()).toEqual(['API_KEYS', 'DATABASE_URL', 'LOG_LEVEL', 'PORT']);
    expect(JSON.stringify(problems)).not.toContain('hidden');
  });
});
