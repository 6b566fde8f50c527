import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, type Problem } from '../shared/errors.ts';
import type { CampaignDefinition } from './definition.ts';
import { parseJsonText } from './json-text.ts';
import { type DefinitionEnvironment, parseDefinition } from './schema.ts';

/** Far above what 200 sensible steps need. */
const LARGEST_FILE = 8 * 1_024 * 1_024;

export interface LoadedCampaign {
  /** Name within the folder; a campaign is known by it. */
  file: string;
  /** SHA-256 of the file, in hexadecimal. */
  hash: string;
  definition: CampaignDefinition;
}

/** A file that cannot be used, or (`file` is then the folder itself) the folder. */
export interface RejectedCampaign {
  file: string;
  /** Changes when the reason may have: the hash of the file's bytes, or of the message where they could not be read. */
  hash: string;
  problems: Problem[];
}

/** What a file holds, read and not yet understood. */
export interface CampaignText {
  file: string;
  hash: string;
  bytes: Uint8Array;
}

const hashOf = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex');

function unreadable(file: string, message: string, mend?: string): RejectedCampaign {
  return { file, hash: hashOf(message), problems: [{ path: '', message, ...(mend === undefined ? {} : { mend }) }] };
}

/** The bytes of a file, or why it cannot be used. */
async function readBytes(path: string, file: string): Promise<Uint8Array | RejectedCampaign> {
  try {
    const about = await stat(path);
    if (!about.isFile()) return unreadable(file, 'is not a file');
    if (about.size > LARGEST_FILE)
      return unreadable(file, `is larger than ${LARGEST_FILE / 1_024 / 1_024} MiB`, 'split the campaign');
    return await readFile(path);
  } catch (error) {
    return unreadable(file, `cannot be read: ${messageOf(error)}`);
  }
}

/** The text of a file without its byte order mark; undefined when it is no UTF-8. */
function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Reads a file. Never rejects: one that cannot be read is told of as such. */
export async function readCampaignFile(folder: string, file: string): Promise<CampaignText | RejectedCampaign> {
  const bytes = await readBytes(join(folder, file), file);
  return bytes instanceof Uint8Array ? { file, hash: hashOf(bytes), bytes } : bytes;
}

/** Understands what was read, or tells every problem that it has. */
export function parseCampaignText(
  { file, hash, bytes }: CampaignText,
  env: DefinitionEnvironment,
): LoadedCampaign | RejectedCampaign {
  const text = decode(bytes);
  if (text === undefined)
    return { file, hash, problems: [{ path: '', message: 'is not UTF-8 text', mend: 'save the file as UTF-8' }] };
  const json = parseJsonText(text);
  if (json.problem) return { file, hash, problems: [json.problem] };
  let parsed: ReturnType<typeof parseDefinition>;
  try {
    parsed = parseDefinition(json.value, env);
  } catch (error) {
    // A fault of ours; it keeps no other file from being used.
    return { file, hash, problems: [{ path: '', message: `could not be checked: ${messageOf(error)}` }] };
  }
  return parsed.problems ? { file, hash, problems: parsed.problems } : { file, hash, definition: parsed.definition };
}

/** What is told of a folder that cannot be read. */
export function rejectFolder(folder: string, error: unknown): RejectedCampaign {
  const problem = `the folder of campaigns cannot be read: ${messageOf(error)}`;
  return unreadable(folder, problem, 'create the folder, or name another one with CAMPAIGNS_DIR');
}
