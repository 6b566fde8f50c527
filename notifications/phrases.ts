import type { Json, Iso } from '../database/tables.ts';
import { segment } from './plain-text.ts';

/**
 * A curl line for the service's API that is safe to paste: the path is percent-encoded, the body quoted for a POSIX shell.
 * `$API_KEY` is left for the reader's shell; without API_KEYS the service takes no notice of it.
 */
export function curl(
  { publicUrl }: { publicUrl: string },
  method: 'GET' | 'POST' | 'PUT',
  path: readonly string[],
  body?: Json,
): string {
  const url = `${publicUrl}/api/${path.map(segment).join('/')}`;
  const verb = method === 'GET' ? '' : ` -X ${method}`;
  const json = body === undefined ? '' : ` -H 'Content-Type: application/json' -d ${quote(JSON.stringify(body))}`;
  return `curl${verb} -H "Authorization: Bearer $API_KEY" ${quote(url)}${json}`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** `5 Jan 2026, 09:00 (America/New_York)`; an unknown zone shows UTC. */
export function moment(at: Iso, timezone: string): string {
  const format = (timeZone: string) =>
    new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone }).format(new Date(at));
  try {
    return `${format(timezone)} (${timezone})`;
  } catch {
    return `${format('UTC')} (UTC)`;
  }
}

/** `850 ms`, `12 s`, `45 min 23 s`, `2 h 5 min`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}
