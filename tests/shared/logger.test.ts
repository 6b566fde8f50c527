import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { type Config, loadConfig } from '../../shared/config.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import { makeLogger, makeRedactor, redactValue, secretsOf } from '../../shared/logger.ts';

const SECRETS = {
  API_KEYS: 'admin:key-of-the-admin,read:key-of-a-reader',
  SUPABASE_URL: 'https://project.supabase.example',
  SUPABASE_SERVICE_ROLE_KEY: 'service-role-key-value',
  DATABASE_URL: 'postgres://user:db%40pass%2Fword@db.example:5432/main',
  REDIS_URL: 'rediss://default:redis%2Fpass%20word@redis.example:6379',
  SMTP_URL: 'smtp://mailer:mail-pass-word@mail.example:587',
  SLACK_WEBHOOK_URL: 'https://hooks.example/services/T0/B0/hookhook',
  SLACK_WEBHOOK_SALES: 'https://hooks.example/services/T0/B1/saleshook',
};
const HIDDEN = [
  'key-of-the-admin',
  'key-of-a-reader',
  'service-role-key-value',
  'db%40pass%2Fword',
  'db@pass/word',
  'redis%2Fpass%20word',
  'redis/pass word',
  'mail-pass-word',
  SECRETS.SLACK_WEBHOOK_URL,
  SECRETS.SLACK_WEBHOOK_SALES,
];

let written: string[];

beforeEach(() => {
  written = [];
  // winston's console transport writes to the real console's stream where there is one.
  const take = (chunk: unknown) => {
    written.push(String(chunk));
    return true;
  };
  jest.spyOn(process.stdout, 'write').mockImplementation(take);
  const stream = (console as unknown as { _stdout?: NodeJS.WriteStream })._stdout;
  if (stream && stream !== process.stdout) jest.spyOn(stream, 'write').mockImplementation(take);
  jest.spyOn(console, 'log').mockImplementation(take);
});
afterEach(() => {
  jest.restoreAllMocks();
});

function config(change: Partial<Config> = {}): Config {
  return { ...loadConfig(SECRETS), logPretty: false, logLevel: 'debug', ...change };
}

function logger(change: Partial<Config> = {}) {
  const made = config(change);
  return makeLogger(made, secretsOf(made));
}

function lines(): Record<string, unknown>[] {
  return written
    .join('')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('a log line', () => {
  test('is JSON with time, level, service, the constant message and its fields', () => {
    logger().info('Run started', { runId: 'r1', steps: 3 });
    expect(lines()).toEqual([
      {
        timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
        level: 'info',
        service: 'pipeline-orchestrator',
        message: 'Run started',
        runId: 'r1',
        steps: 3,
      },
    ]);
  });

  test('keeps its message and level whatever the fields are called', () => {
    logger().error('Step failed', { message: 'other', level: 'silly', stack: 'mine', cause: 'why', timestamp: 'now' });
    expect(lines()[0]).toMatchObject({
      message: 'Step failed',
      level: 'error',
      fieldMessage: 'other',
      fieldLevel: 'silly',
      fieldTimestamp: 'now',
      stack: 'mine',
      cause: 'why',
    });
  });

  test('below the configured level is not written', () => {
    logger({ logLevel: 'warn' }).info('Run started');
    expect(written).toEqual([]);
  });

  test('of a child carries the fields of its parents', () => {
    logger().child({ runId: 'r1' }).child({ step: 'analysis' }).warn('Attempt failed', { attempt: 2 });
    expect(lines()[0]).toMatchObject({ runId: 'r1', step: 'analysis', attempt: 2, level: 'warn' });
  });

  test('on a terminal is readable and leaves out fields that are not set', () => {
    logger({ logPretty: true }).warn('Fire skipped', { reason: 'overlap', nothing: undefined, list: [1n], none: null });
    expect(written.join('')).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} WARN {2}Fire skipped {2}reason=overlap list=\["1"\] none=null\n$/,
    );
  });

  test('survives values that JSON cannot hold', () => {
    const round: Record<string, unknown> = {
      big: 5n,
      when: new Date(0),
      bytes: new Uint8Array(3),
      map: new Map([['a', 1]]),
    };
    round['self'] = round;
    logger().info('Odd values', { round, ignore: () => 1, url: new URL('http://u:pa55word@h.example/') });
    expect(lines()[0]).toMatchObject({
      round: { big: '5', when: '1970-01-01T00:00:00.000Z', bytes: '[3 bytes]', map: { a: 1 } },
      url: 'http://u:[secret]@h.example/',
    });
  });

  test('tells an error with its code, stack and causes', () => {
    logger().error('Database lost', {
      error: new DatabaseUnavailableError(new AggregateError([new Error('first try')], 'all tries')),
    });
    expect(lines()[0]?.['error']).toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      stack: expect.stringContaining('logger.test.ts'),
      cause: { message: 'all tries', errors: [{ message: 'first try' }] },
    });
  });
});

describe('a secret of the configuration', () => {
  const places: [string, (secret: string) => Record<string, unknown>][] = [
    ['a field', (secret) => ({ note: `it is ${secret}.` })],
    ['a nested field', (secret) => ({ a: [{ b: { c: secret } }] })],
    ['the name of a field', (secret) => ({ counts: { [secret]: 1 } })],
    ['an error', (secret) => ({ error: new Error(`cannot use ${secret}`) })],
    ['the cause of an error', (secret) => ({ error: new Error('outer', { cause: new Error(secret) }) })],
    ['one of many errors', (secret) => ({ error: new AggregateError([new Error(secret)], 'many') })],
    ['a URL', (secret) => ({ at: new URL(`http://host.example/${encodeURI(secret)}?k=${encodeURI(secret)}`) })],
    ['a map', (secret) => ({ headers: new Map([['x', secret]]) })],
  ];
  test.each(places)('never appears in %s, as JSON or on a terminal', (_place, fieldsWith) => {
    for (const logPretty of [false, true])
      for (const secret of HIDDEN) logger({ logPretty }).child(fieldsWith(secret)).error('Fault', fieldsWith(secret));
    const output = written.join('');
    expect(output).toContain('[secret]');
    for (const secret of HIDDEN) expect(output).not.toContain(secret);
  });

  test('never appears when the whole configuration is logged', () => {
    logger().info('Configuration', { config: config(), env: SECRETS });
    for (const secret of HIDDEN) expect(written.join('')).not.toContain(secret);
  });

  test('never appears in the message itself', () => {
    logger().info(`Careless ${SECRETS.SLACK_WEBHOOK_URL}`);
    expect(written.join('')).not.toContain('hookhook');
  });
});

describe('redaction', () => {
  const redact = makeRedactor(['abcdef', 'abcdefghi', 'short']);

  test('takes the longest secret first and leaves values too short to be one', () => {
    expect(redact('abcdefghi abcdef short')).toBe('[secret] [secret] short');
  });

  test('hides the password of any URL, also one with an unescaped @', () => {
    expect(redact('postgres://u:p@ss@host/db and smtp://u:x@h')).toBe(
      'postgres://u:[secret]@host/db and smtp://u:[secret]@h',
    );
    expect(redact('http://host:3020/a?b=c@d and http://host/a:b@c')).toBe(
      'http://host:3020/a?b=c@d and http://host/a:b@c',
    );
  });

  test.each([
    'authorization',
    'Cookie',
    'password',
    'apiKey',
    'api_key',
    'X-API-Key',
    'token',
    'serviceRoleKey',
    'webhookUrl',
  ])('hides whatever stands in a field named %s', (name) =>
    expect(redactValue({ [name]: 'unknown to the configuration' }, redact)).toEqual({ [name]: '[secret]' }),
  );
});
