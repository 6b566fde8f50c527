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

const SECRET_FIELD = /^(authorization|cookie|password|secret|token|api[-_]?key|x-api-key|service_?role_?key)$/i;
const MASK = '[secret]';

/** Replaces every configured secret in text, and the password part of any URL. */
export function makeRedactor(secrets: readonly string[]): (text: string) => string {
  const known = secrets.filter((secret) => secret.length >= 6).toSorted((a, b) => b.length - a.length);
  return (text) => {
    let clean = text;
    for (const secret of known) clean = clean.replaceAll(secret, MASK);
    return clean.replace(/(\b[a-z][a-z0-9+.-]*:\/\/[^/\s:@]*):[^/\s@]+@/gi, `$1:${MASK}@`);
  };
}

/** The secrets of a configuration, for {@link makeRedactor}. */
export function secretsOf(config: Config): string[] {
  return [
    ...config.apiKeys.map((entry) => entry.key),
    ...Object.values(config.references),
    config.supabase?.serviceRoleKey,
    config.slackWebhookUrl,
    config.databaseUrl && URL.parse(config.databaseUrl)?.password,
    config.smtpUrl && URL.parse(config.smtpUrl)?.password,
  ].filter((secret): secret is string => Boolean(secret));
}

/** Walks a log record, so that no secret passes whatever field it stands in. Errors become `{message, code, stack}`. */
function redactDeep(value: unknown, redact: (text: string) => string, depth = 0): unknown {
  if (typeof value === 'string') return redact(value);
  if (value instanceof Error) {
    const { message, stack, cause } = value;
    const code = 'code' in value ? value.code : undefined;
    return redactDeep({ message, code, stack, ...(cause === undefined ? {} : { cause }) }, redact, depth + 1);
  }
  if (typeof value !== 'object' || value === null) return value;
  if (depth > 6) return '[too deep]';
  if (Array.isArray(value)) return value.map((item) => redactDeep(item, redact, depth + 1));
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .map(([name, field]) => [name, SECRET_FIELD.test(name) ? MASK : redactDeep(field, redact, depth + 1)]),
  );
}

function readable(record: Record<string, unknown>): string {
  const { level, message, timestamp, service: _, ...fields } = record;
  const time = String(timestamp).slice(11, 23);
  const rest = Object.entries(fields)
    .map(([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(' ');
  return `${time} ${String(level).toUpperCase().padEnd(5)} ${String(message)}${rest ? `  ${rest}` : ''}`;
}

/** JSON lines on standard output, or readable lines when it is a terminal. */
export function makeLogger(config: Pick<Config, 'logLevel' | 'logPretty'>, secrets: readonly string[] = []): Logger {
  const redact = makeRedactor(secrets);
  const clean = format((record) => Object.assign(record, redactDeep({ ...record }, redact)));
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

function wrap(winston: Winston): Logger {
  return {
    error: (message, fields) => void winston.error(message, fields),
    warn: (message, fields) => void winston.warn(message, fields),
    info: (message, fields) => void winston.info(message, fields),
    debug: (message, fields) => void winston.debug(message, fields),
    child: (fields) => wrap(winston.child(fields)),
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
