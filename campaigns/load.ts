import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, type Problem } from '../shared/errors.ts';
import type { CampaignDefinition } from './definition.ts';
import { parseJsonText } from './json-text.ts';
import { type DefinitionEnvironment, parseDefinition } from './schema.ts';

export const SCHEMA_FILE = 'campaign.schema.json';
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

export interface CampaignFolder {
  loaded: LoadedCampaign[];
  rejected: RejectedCampaign[];
  /** Whether the folder could be read at all; when not, nothing can be said about which files are gone. */
  readable: boolean;
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

async function loadFile(
  folder: string,
  file: string,
  env: DefinitionEnvironment,
): Promise<LoadedCampaign | RejectedCampaign> {
  const bytes = await readBytes(join(folder, file), file);
  if (!(bytes instanceof Uint8Array)) return bytes;
  const hash = hashOf(bytes);
  const text = decode(bytes);
  if (text === undefined)
    return { file, hash, problems: [{ path: '', message: 'is not UTF-8 text', mend: 'save the file as UTF-8' }] };
  const json = parseJsonText(text);
  if (json.problem) return { file, hash, problems: [json.problem] };
  const parsed = parseDefinition(json.value, env);
  return parsed.problems ? { file, hash, problems: parsed.problems } : { file, hash, definition: parsed.definition };
}

/**
 * Reads the campaigns of a folder: its `*.json` files, hidden ones and campaign.schema.json left out, in order of name. A file
 * that cannot be used is rejected with its problems and hinders no other. Never rejects: a folder that cannot be read
 * is itself the one rejected entry.
 */
export async function loadCampaigns(folder: string, env: DefinitionEnvironment): Promise<CampaignFolder> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    const problem = `the folder of campaigns cannot be read: ${messageOf(error)}`;
    const mend = 'create the folder, or name another one with CAMPAIGNS_DIR';
    return { loaded: [], rejected: [unreadable(folder, problem, mend)], readable: false };
  }
  const loaded: LoadedCampaign[] = [];
  const rejected: RejectedCampaign[] = [];
  const files = names
    .filter((name) => name.endsWith('.json') && !name.startsWith('.') && name !== SCHEMA_FILE)
    .toSorted();
  for (const file of files) {
    const result = await loadFile(folder, file, env);
    if ('definition' in result) loaded.push(result);
    else rejected.push(result);
  }
  return { loaded, rejected, readable: true };
}
