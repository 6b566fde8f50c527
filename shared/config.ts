import { join, resolve } from 'node:path';
import { z } from 'zod';
import {
  API_KEYS_MEND,
  type ApiKey,
  type ApprovalGroups,
  type EngineConcurrency,
  isRedisUrl,
  parseApiKeys,
  parseApprovalGroups,
  parseEngineConcurrency,
} from './config-lists.ts';
import { MODEL_MENDS, modelProblems, modelSettings, type ModelSettings, modelVariables } from './config-model.ts';
import type { Problem } from './errors.ts';
import { ValidationError } from './errors.ts';
import { dollarsToMicros, MAX_DOLLARS, type Micros } from './money.ts';
import { isLoopback } from './origins.ts';
import { wordsOf } from './zod-problems.ts';

/** Everything that can be set from outside; made once at start by {@link loadConfig}. */
export interface Config {
  port: number;
  host: string;
  /** Set when HOST asked for more than loopback and API_KEYS did not allow it. */
  hostRefused: string | null;
  dataDir: string;
  campaignsDir: string;
  /** Folder of the CSV files that KPIs are read from. */
  kpiDir: string;
  supabase: { url: string; serviceRoleKey: string } | null;
  databaseUrl: string | null;
  redisUrl: string | null;
  apiKeys: ApiKey[];
  /** null: every loopback origin and the origins of the engine URLs. */
  allowedOrigins: string[] | null;
  engines: { prospecting: string; analysis: string; outreach: string };
  smtpUrl: string | null;
  notifyFrom: string;
  slackWebhookUrl: string | null;
  /** `{{ env.NAME }}` values that campaign files may refer to, by name. */
  references: Record<string, string>;
  /** A JSON file of the endpoints that agents may call; null: none. */
  toolsFile: string | null;
  globalDailyBudget: Micros | null;
  maxConcurrentRuns: number;
  /** Calls at a time: to each engine, by its origin, and to those that are named. */
  engineConcurrency: EngineConcurrency;
  /** Members by the name of the group, for approvals. */
  approvalGroups: ApprovalGroups;
  /** Within this time another worker takes up the runs of one that has died, in milliseconds. */
  leaseMs: number;
  /** How long a stop waits for steps in flight, in milliseconds. */
  stopGraceMs: number;
  maxEngineResponseBytes: number;
  rateLimitPerMinute: number;
  /** After how many days records are removed; 0: never. */
  retention: {
    runsDays: number;
    eventsDays: number;
    firesDays: number;
    notificationsDays: number;
    sessionsDays: number;
  };
  model: ModelSettings;
  /** Where links in messages point to; made from host and port when not set. */
  publicUrl: string | null;
  logLevel: 'error' | 'warn' | 'info' | 'debug';
  /** Readable lines on a terminal, JSON elsewhere. */
  logPretty: boolean;
}

const url = z.url({ protocol: /^https?$/ });
function numeric(low: number, high: number, what: string, isOne: (value: number) => boolean) {
  const range = `${what} from ${low} to ${high}`;
  return z
    .string()
    .transform(Number)
    .refine((value) => isOne(value) && value >= low && value <= high, {
      error: `must be ${range}`,
      params: { mend: `write ${range}` },
    });
}
const integer = (low: number, high: number) => numeric(low, high, 'a whole number', Number.isInteger);
/** The largest `catchUpWindow`, rounded up: what it may look at is kept. */
const LEAST_FIRES_DAYS = 32;
/** A retention in days: 0 (for ever), or at least `least`. */
function days(least: number) {
  const range = least > 1 ? `0 (for ever) or a whole number from ${least} to 36500` : 'a whole number from 0 to 36500';
  return z
    .string()
    .transform(Number)
    .refine((value) => value === 0 || (Number.isInteger(value) && value >= least && value <= 36_500), {
      error: `must be ${range}`,
      params: { mend: `write ${range}` },
    });
}
const redisUrl = z.url({ protocol: /^rediss?$/ }).refine(isRedisUrl, 'is not the URL of a Redis server');
const originList = z
  .string()
  .transform((text) => text.split(/[\s,]+/).filter(Boolean))
  .pipe(z.array(url));

const environment = z.object({
  PORT: integer(0, 65_535).default(3020),
  HOST: z.string().default('127.0.0.1'),
  DATA_DIR: z.string().default('data'),
  CAMPAIGNS_DIR: z.string().default('campaigns'),
  KPI_DIR: z.string().optional(),
  SUPABASE_URL: url.optional(),
  SUPABASE_SERVICE_ROLE_KEY: z.string().optional(),
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }).optional(),
  REDIS_URL: redisUrl.optional(),
  API_KEYS: z.string().optional(),
  ENGINE_ALLOWED_ORIGINS: originList.optional(),
  ENGINE_PROSPECTING_URL: url.default('http://localhost:3010'),
  ENGINE_ANALYSIS_URL: url.default('http://localhost:3000'),
  ENGINE_OUTREACH_URL: url.default('http://localhost:3001'),
  SMTP_URL: z.url({ protocol: /^smtps?$/ }).optional(),
  NOTIFY_FROM: z.string().min(3).default('Pipeline Orchestrator <pipeline-orchestrator@localhost>'),
  SLACK_WEBHOOK_URL: url.optional(),
  ENV_REFERENCES: z.string().default(''),
  TOOLS_FILE: z.string().optional(),
  GLOBAL_DAILY_BUDGET: numeric(0, MAX_DOLLARS, 'a number of dollars', Number.isFinite).optional(),
  MAX_CONCURRENT_RUNS: integer(1, 10_000).default(500),
  ENGINE_CONCURRENCY: z.string().default(''),
  APPROVAL_GROUPS: z.string().default(''),
  RUN_LEASE_MS: integer(5_000, 3_600_000).default(30_000),
  STOP_GRACE_MS: integer(0, 600_000).default(10_000),
  MAX_ENGINE_RESPONSE_BYTES: integer(1_024, 1_073_741_824).default(16 * 1_024 * 1_024),
  RATE_LIMIT_PER_MINUTE: integer(1, 10_000_000).default(6_000),
  RETENTION_RUNS_DAYS: days(1).default(90),
  RETENTION_EVENTS_DAYS: days(1).default(30),
  RETENTION_FIRES_DAYS: days(LEAST_FIRES_DAYS).default(400),
  RETENTION_NOTIFICATIONS_DAYS: days(1).default(90),
  RETENTION_SESSIONS_DAYS: days(1).default(400),
  ...modelVariables,
  PUBLIC_URL: url.optional(),
  LOG_LEVEL: z.enum(['error', 'warn', 'info', 'debug']).default('info'),
});

/** What to write instead, a variable; shown with the problem. */
const MENDS: Record<string, string> = {
  ...MODEL_MENDS,
  DATABASE_URL: 'write it as postgres://user:password@host:5432/database',
  REDIS_URL: 'write it as redis://user:password@host:6379 or rediss://…, user and password percent-encoded',
  SMTP_URL: 'write it as smtp://user:password@host:587 or smtps://user:password@host:465',
  ENGINE_ALLOWED_ORIGINS: 'list origins with commas, such as https://engines.example.com,http://localhost:3010',
  API_KEYS: API_KEYS_MEND,
};

/**
 * Reads and checks the environment, all problems together. Empty variables count as not set.
 * @param env the process environment
 * @throws {ValidationError} naming each variable and how to mend it
 */
export function loadConfig(env: Record<string, string | undefined> = process.env): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value.trim() !== ''),
  );
  const parsed = environment.safeParse(given);
  const problems: Problem[] = (parsed.error?.issues ?? []).map((issue) => {
    const [first, entry] = issue.path;
    const name = String(first);
    const { message, mend } = wordsOf(issue, given[name], 'text');
    const where = typeof entry === 'number' ? `entry ${entry + 1} ` : '';
    return { path: name, message: `${where}${message}`, mend: MENDS[name] ?? mend };
  });
  const apiKeys = parseApiKeys(given['API_KEYS'], problems);
  if (given['SUPABASE_URL'] && !given['SUPABASE_SERVICE_ROLE_KEY'])
    problems.push({
      path: 'SUPABASE_SERVICE_ROLE_KEY',
      message: 'is missing though SUPABASE_URL is set',
      mend: "copy the secret key from the project's API settings",
    });
  const engineConcurrency = parseEngineConcurrency(
    parsed.data?.ENGINE_CONCURRENCY ?? '',
    parsed.data?.MAX_CONCURRENT_RUNS ?? 1,
    problems,
  );
  const approvalGroups = parseApprovalGroups(parsed.data?.APPROVAL_GROUPS ?? '', problems);
  modelProblems(given, problems);
  if (!parsed.success || problems.length > 0) throw new ValidationError('The configuration has problems.', problems);
  const values = parsed.data;
  const exposed = !isLoopback(values.HOST) && apiKeys.length === 0;
  const references = Object.fromEntries(
    Object.entries(given).filter(
      ([name]) => name.startsWith('SLACK_WEBHOOK') || values.ENV_REFERENCES.split(/[\s,]+/).includes(name),
    ),
  ) as Record<string, string>;
  return {
    port: values.PORT,
    host: exposed ? '127.0.0.1' : values.HOST,
    hostRefused: exposed ? values.HOST : null,
    dataDir: resolve(values.DATA_DIR),
    campaignsDir: resolve(values.CAMPAIGNS_DIR),
    kpiDir: resolve(values.KPI_DIR ?? join(values.DATA_DIR, 'kpis')),
    supabase:
      values.SUPABASE_URL && values.SUPABASE_SERVICE_ROLE_KEY
        ? { url: values.SUPABASE_URL, serviceRoleKey: values.SUPABASE_SERVICE_ROLE_KEY }
        : null,
    databaseUrl: values.DATABASE_URL ?? null,
    redisUrl: values.REDIS_URL ?? null,
    apiKeys,
    allowedOrigins: values.ENGINE_ALLOWED_ORIGINS?.map((text) => new URL(text).origin) ?? null,
    engines: {
      prospecting: values.ENGINE_PROSPECTING_URL,
      analysis: values.ENGINE_ANALYSIS_URL,
      outreach: values.ENGINE_OUTREACH_URL,
    },
    smtpUrl: values.SMTP_URL ?? null,
    notifyFrom: values.NOTIFY_FROM,
    slackWebhookUrl: values.SLACK_WEBHOOK_URL ?? null,
    references,
    toolsFile: values.TOOLS_FILE ?? null,
    globalDailyBudget: values.GLOBAL_DAILY_BUDGET === undefined ? null : dollarsToMicros(values.GLOBAL_DAILY_BUDGET),
    maxConcurrentRuns: values.MAX_CONCURRENT_RUNS,
    engineConcurrency,
    approvalGroups,
    leaseMs: values.RUN_LEASE_MS,
    stopGraceMs: values.STOP_GRACE_MS,
    maxEngineResponseBytes: values.MAX_ENGINE_RESPONSE_BYTES,
    rateLimitPerMinute: values.RATE_LIMIT_PER_MINUTE,
    retention: {
      runsDays: values.RETENTION_RUNS_DAYS,
      eventsDays: values.RETENTION_EVENTS_DAYS,
      firesDays: values.RETENTION_FIRES_DAYS,
      notificationsDays: values.RETENTION_NOTIFICATIONS_DAYS,
      sessionsDays: values.RETENTION_SESSIONS_DAYS,
    },
    model: modelSettings(values),
    publicUrl: values.PUBLIC_URL ?? null,
    logLevel: values.LOG_LEVEL,
    logPretty: process.stdout.isTTY,
  };
}

/** The folder that holds package.json. */
export const PROJECT_ROOT = join(import.meta.dirname, '..');
