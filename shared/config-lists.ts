import type { Problem } from './errors.ts';

export const SCOPES = ['read', 'operate', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

export interface ApiKey {
  key: string;
  scope: Scope;
}

/** How many calls an engine gets at a time. */
export interface EngineConcurrency {
  /** For each origin that is not named. */
  usual: number;
  /** By origin, such as `http://127.0.0.1:3010`. */
  of: Record<string, number>;
}

/** Names of people by the name of their group. */
export type ApprovalGroups = Record<string, string[]>;

export const API_KEYS_MEND =
  'list keys with commas, each as scope:key with scope read, operate or admin, such as admin:3f6c…';

/** An entry is `scope:key`, `key:scope`, `name:scope:key`, or a bare key (admin). */
export function parseApiKeys(text: string | undefined, problems: Problem[]): ApiKey[] {
  const keys: ApiKey[] = [];
  for (const [index, entry] of (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .entries()) {
    if (entry === '') continue;
    const parts = entry.split(':');
    const at = parts.findIndex((part) => (SCOPES as readonly string[]).includes(part));
    const scope = at === -1 ? 'admin' : (parts[at] as Scope);
    const key =
      at === -1 ? entry : at === parts.length - 1 ? parts.slice(0, at).join(':') : parts.slice(at + 1).join(':');
    if (key.length < 8)
      problems.push({
        path: 'API_KEYS',
        message: `entry ${index + 1} has a key shorter than 8 characters`,
        mend: API_KEYS_MEND,
      });
    else keys.push({ key, scope });
  }
  return keys;
}

/** Entries are a number for every engine, or `origin=number` for one. */
export function parseEngineConcurrency(text: string, slots: number, problems: Problem[]): EngineConcurrency {
  // One engine that hangs leaves half of the slots to the others; more than 250 calls at once are no kindness to any.
  const concurrency: EngineConcurrency = { usual: Math.max(1, Math.min(250, Math.floor(slots / 2))), of: {} };
  let bare = 0;
  for (const entry of text.split(',').map((part) => part.trim())) {
    if (entry === '') continue;
    // Counted from the end: an address may have a query with a sign of its own.
    const sign = entry.lastIndexOf('=');
    const [first, second] = sign === -1 ? [entry, undefined] : [entry.slice(0, sign), entry.slice(sign + 1)];
    const calls = Number(second ?? first);
    const address = second === undefined ? null : URL.parse(first);
    // Without http:// the host would be taken for a scheme, and the entry would be for nobody.
    const origin = address && /^https?:$/.test(address.protocol) ? address.origin : undefined;
    if (!Number.isSafeInteger(calls) || calls < 1 || (second !== undefined && origin === undefined))
      problems.push({
        path: 'ENGINE_CONCURRENCY',
        message: `entry ${JSON.stringify(entry)} is neither a number above 0 nor origin=number`,
        mend: 'write it as 100, or as 100,http://localhost:3010=5',
      });
    else if (origin === undefined && (bare += 1) > 1)
      problems.push({
        path: 'ENGINE_CONCURRENCY',
        message: `entry ${JSON.stringify(entry)} is a second number for every engine`,
        mend: 'leave one of them, or write it as origin=number',
      });
    else if (origin === undefined) concurrency.usual = calls;
    else concurrency.of[origin] = calls;
  }
  return concurrency;
}

/** Entries are `group=member,member`, parted by semicolons. */
export function parseApprovalGroups(text: string, problems: Problem[]): ApprovalGroups {
  const groups: ApprovalGroups = {};
  for (const [index, entry] of text.split(';').entries()) {
    if (entry.trim() === '') continue;
    const [name = '', ...rest] = entry.split('=');
    const members = rest
      .join('=')
      .split(',')
      .map((member) => member.trim())
      .filter(Boolean);
    if (!/^[\w.-]{1,60}$/.test(name.trim()) || members.length === 0)
      problems.push({
        path: 'APPROVAL_GROUPS',
        message: `entry ${index + 1} is not group=member,member`,
        mend: 'write it as marketing=anna,ben;finance=carla',
      });
    else groups[name.trim()] = [...(groups[name.trim()] ?? []), ...members];
  }
  return groups;
}

/** Whether a client of Redis can read it: a path names a database by its number, user and password are percent-encoded. */
export function isRedisUrl(text: string): boolean {
  const url = URL.parse(text);
  // What is no URL at all is told by whoever asks for one.
  if (!url) return true;
  try {
    decodeURIComponent(url.username + url.password);
  } catch {
    return false;
  }
  return url.hostname !== '' && /^\/?\d{0,4}$/.test(url.pathname);
}
