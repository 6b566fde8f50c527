import { createLogger, format, transports, type Logger as Winston } from 'winston';
import type { Config } from './config.ts';

/** Messages are constant text; whatever varies is a field. */
export interface Logger {
  error(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  debug(message: string, fields?: Record<string, unknown>): void;
  child(fields: Record<string, unknown>): Logger;
}

const SECRET_FIELD =
  /^(authorization|proxy-authorization|cookie|set-cookie|password|passwd|pwd|pass|secret|token|access[-_]?token|refresh[-_]?token|api[-_]?key|x-api-key|service[-_]?role[-_]?key|webhook[-_]?url)$/i;
const MASK = '[secret]';
/** Shorter values would blank out ordinary words. */
const SHORTEST_SECRET = 6;
const DEEPEST = 6;

/** Replaces every configured secret in text, and the password part of any URL. */
export function makeRedactor(secrets: readonly string[]): (text: string) => string {
  const known = [...new Set(secrets)]
    .filter((secret) => secret.length >= SHORTEST_SECRET)
    .toSorted((a, b) => b.length - a.length);
  return (text) => {
    let clean = text;
    for (const secret of known) clean = clean.replaceAll(secret, MASK);
    if (!clean.includes('://')) return clean;
    // To the last @ before the path: an unescaped @ in a password is a common slip.
    return clean.replace(/(\b[a-z][a-z0-9+.-]*:\/\/[^/\s:@]*):[^/\s"']+@/gi, `$1:${MASK}@`);
  };
}

/** The secrets of a configuration, for {@link makeRedactor}, each as written and decoded where it stands in a URL. */
export function secretsOf(config: Config): string[] {
  return [
    ...config.apiKeys.map((entry) => entry.key),
    ...Object.values(config.references),
    config.supabase?.serviceRoleKey,
    config.slackWebhookUrl,
    ...passwordsOf(config.databaseUrl),
    ...passwordsOf(config.redisUrl),
    ...passwordsOf(config.smtpUrl),
  ].filter((secret): secret is string => Boolean(secret));
}

function passwordsOf(text: string | null): string[] {
  const url = text === null ? null : URL.parse(text);
  if (!url) return [];
  const found = [url.password, url.searchParams.get('password') ?? ''];
  try {
    found.push(decodeURIComponent(url.password));
  } catch {
    // Not percent-encoded: as written is all there is.
  }
  return found;
}

/**
 * A copy of any value as plain data in which no secret stands, whatever field, key, error or cause it was in. Errors become
 * `{name, message, code, stack, cause, errors}`, what JSON cannot hold becomes text.
 */
export function redactValue(value: unknown, redact: (text: string) => string, depth = 0): unknown {
  if (typeof value === 'string') return redact(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'function' || typeof value === 'symbol') return undefined;
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof URL) return redact(value.href);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (depth > DEEPEST) return '[too deep]';
  const inner = (item: unknown) => redactValue(item, redact, depth + 1);
  if (Array.isArray(value)) return value.map(inner);
  if (value instanceof Set) return [...value].map(inner);
  return redactFields(value instanceof Error ? fieldsOfError(value) : entriesOf(value), redact, inner);
}

function redactFields(
  fields: Iterable<[string, unknown]>,
  redact: (text: string) => string,
  inner: (value: unknown) => unknown,
): Record<string, unknown> {
  const clean: Record<string, unknown> = {};
  for (const [name, field] of fields)
    if (field !== undefined) clean[redact(name)] = SECRET_FIELD.test(name) && field !== null ? MASK : inner(field);
  return clean;
}

function entriesOf(value: object): [string, unknown][] {
  if (value instanceof Map || value instanceof Headers)
    return [...value.entries()].map(([key, field]: [unknown, unknown]) => [String(key), field]);
  return Object.entries(value);
}

function fieldsOfError(error: Error): [string, unknown][] {
  const { name, message, stack, cause } = error;
  const code = 'code' in error ? error.code : undefined;
  const errors = error instanceof AggregateError ? error.errors : undefined;
  return Object.entries({ name, message, code, stack, cause, errors });
}

function readable(record: Record<string, unknown>): string {
  const { level, message, timestamp, service: _, ...fields } = record;
  const time = String(timestamp).slice(11, 23);
  const rest = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
  return `${time} ${String(level).toUpperCase().padEnd(5)} ${String(message)}${rest ? `  ${rest}` : ''}`;
}

/** JSON lines on standard output, or readable lines when it is a terminal. */
export function makeLogger(config: Pick<Config, 'logLevel' | 'logPretty'>, secrets: readonly string[] = []): Logger {
  const redact = makeRedactor(secrets);
  // winston keeps its level under a symbol key; only named fields are rewritten, in place.
  const clean = format((record) => {
    const fields = redactValue({ ...record }, redact) as Record<string, unknown>;
    for (const name of Object.keys(record)) delete record[name];
    return Object.assign(record, fields);
  });
  const winston: Winston = createLogger({
    level: config.logLevel,
    defaultMeta: { service: 'pipeline-orchestrator' },
    format: format.combine(
      format.timestamp(),
      clean(),
      config.logPretty ? format.printf((record) => readable({ ...record })) : format.json(),
    ),
    transports: [new transports.Console()],
  });
  return wrap(winston);
}

/**
 * Writes through `log({level, message, …})`: winston's own `error(message, fields)` would append a field named `message` to the
 * constant text and lift `stack` and `cause` out of the fields.
 */
function wrap(winston: Winston, inherited: Record<string, unknown> = {}): Logger {
  const write = (level: string) => (message: string, fields?: Record<string, unknown>) => {
    // winston itself would format the line first and then drop it.
    if (!winston.isLevelEnabled(level)) return;
    const { level: itsLevel, message: itsMessage, timestamp: itsTime, ...rest } = { ...inherited, ...fields };
    // These three belong to the line itself; a field of the same name keeps its value under another.
    const moved = { fieldLevel: itsLevel, fieldMessage: itsMessage, fieldTimestamp: itsTime };
    winston.log({ ...rest, ...moved, level, message });
  };
  return {
    error: write('error'),
    warn: write('warn'),
    info: write('info'),
    debug: write('debug'),
    child: (fields) => wrap(winston, { ...inherited, ...fields }),
  };
}

/** Says nothing; for tests and tools. */
export const silentLogger: Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  child: () => silentLogger,
};
