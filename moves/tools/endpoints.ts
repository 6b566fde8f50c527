import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { messageOf, type Problem, ValidationError } from '../../shared/errors.ts';
import { jsonPath } from '../../shared/json.ts';
import { dollarsToMicros, MAX_DOLLARS, type Micros } from '../../shared/money.ts';
import type { OriginPolicy } from '../../shared/origins.ts';
import { ReferenceFailure, findReferences, resolveReferences } from '../../shared/references.ts';
import { problemsOf } from '../../shared/zod-problems.ts';
import { slug, wording } from '../statement.ts';

const paramName = z.string().regex(/^[A-Za-z_][\w-]{0,59}$/, { error: 'must be letters, digits, - and _' });
const paramSchema = z
  .strictObject({
    type: z.enum(['string', 'integer', 'number', 'boolean']),
    description: wording(500).optional(),
    optional: z.boolean().default(false),
    /** Of a text. */
    enum: z.array(z.string().min(1).max(200)).min(1).max(100).optional(),
    maxLength: z.int().min(1).max(4_000).default(200),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
  })
  .refine(({ type, enum: values }) => values === undefined || type === 'string', {
    error: 'has "enum", which only a string can have',
    params: { mend: 'leave "enum" out, or make it a string' },
  });
export type EndpointParam = z.infer<typeof paramSchema>;

const headerName = z
  .string()
  .toLowerCase()
  .regex(/^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$/, { error: 'is not the name of a header' })
  .refine(
    (name) => !/^(host|connection|content-length|content-type|transfer-encoding|user-agent|te|upgrade)$/.test(name),
    {
      error: 'is set by the service itself',
      params: { mend: 'leave it out' },
    },
  );

const endpointSchema = z.strictObject({
  name: slug,
  description: wording(500),
  method: z.enum(['GET', 'POST']).default('GET'),
  /** With {param} in its path and query. */
  url: z.string().min(1).max(2_000),
  params: z.record(paramName, paramSchema).default({}),
  headers: z.record(headerName, z.string().min(1).max(4_000)).default({}),
  /** Dollars. */
  costPerCall: z.number().min(0).max(MAX_DOLLARS).default(0),
  /** Whether a call that is made twice does no harm. GET always is. */
  repeatable: z.boolean().default(false),
});

/** A declared address that agents may call. */
export interface Endpoint {
  name: string;
  description: string;
  method: 'GET' | 'POST';
  url: string;
  params: Record<string, EndpointParam>;
  /** With their secrets. */
  headers: Record<string, string>;
  costMicros: Micros;
  /** Whether agents may call it: a call may be made twice, when a step is run again. */
  isRepeatable: boolean;
}

interface Surroundings {
  origins: OriginPolicy;
  /** What `{{ env.NAME }}` may name. */
  references: Record<string, string>;
}

/**
 * The endpoints that a file declares: a JSON list. Params that the address does not name are the query of a GET, the body of a POST.
 * @example [{ "name": "leads", "description": "Leads of a week", "url": "https://crm.example.com/v1/leads/{week}",
 *   "params": { "week": { "type": "integer", "minimum": 1, "maximum": 53 } }, "costPerCall": 0.002,
 *   "headers": { "authorization": "Bearer {{ env.CRM_KEY }}" } }]
 * @param file null: none
 * @throws {ValidationError} when the file cannot be read or has problems, all of them together
 */
export function loadEndpoints(file: string | null, around: Surroundings): Endpoint[] {
  if (file === null) return [];
  const refuse = (problems: Problem[]) => new ValidationError(`The endpoints in ${file} have problems.`, problems);
  let given: unknown;
  try {
    given = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const mend = 'name a JSON file with a list of endpoints';
    throw refuse([{ path: 'TOOLS_FILE', message: `cannot be read: ${messageOf(error)}`, mend }]);
  }
  const parsed = z.array(endpointSchema).max(100).safeParse(given);
  if (!parsed.success) throw refuse(problemsOf(parsed.error, given));
  const problems: Problem[] = [];
  const names = parsed.data.map(({ name }) => name);
  const endpoints = parsed.data.map((endpoint, at) => {
    const tell = (keys: PropertyKey[], message: string, mend: string) =>
      problems.push({ path: jsonPath([at, ...keys]), message, mend });
    if (names.indexOf(endpoint.name) !== at) tell(['name'], 'stands there twice', 'give each a name of its own');
    checkUrl(endpoint, around.origins, tell);
    const headers = headersOf(endpoint.headers, around.references, tell);
    const { name, description, method, url, params, costPerCall, repeatable } = endpoint;
    const costMicros = dollarsToMicros(costPerCall);
    return {
      name,
      description,
      method,
      url,
      params,
      headers,
      costMicros,
      isRepeatable: method === 'GET' || repeatable,
    };
  });
  if (problems.length > 0) throw refuse(problems);
  return endpoints;
}

type Tell = (keys: PropertyKey[], message: string, mend: string) => void;

/** `{name}` in an address. */
export const PLACEHOLDER = /\{([^{}]*)\}/g;

function checkUrl({ url, params }: z.infer<typeof endpointSchema>, origins: OriginPolicy, tell: Tell): void {
  const isOpen = /^https?:\/\/[^/?#{}\s]+\/[^#\s]*$/.test(url);
  if (!isOpen)
    return tell(['url'], 'is no address of http or https', 'write it as https://host/path, {param} behind the host');
  if (!origins.allows(url)) tell(['url'], origins.refusal(url), 'add its origin to ENGINE_ALLOWED_ORIGINS');
  for (const [, name = ''] of url.matchAll(PLACEHOLDER)) {
    const param = Object.hasOwn(params, name) ? params[name] : undefined;
    if (!param) tell(['url'], `names {${name}}, which is no param`, 'declare it in "params"');
    else if (param.optional && url.indexOf(`{${name}}`) < (url.includes('?') ? url.indexOf('?') : url.length))
      tell(['params', name, 'optional'], 'stands in the path, which needs it', 'leave "optional" out');
  }
}

/** Headers that hold nothing but secrets. */
const SECRET_HEADER = /^(authorization|proxy-authorization|cookie)$|key|token|secret|password/;

function headersOf(given: Record<string, string>, references: Record<string, string>, tell: Tell) {
  const headers: Record<string, string> = {};
  const scope = { steps: {}, run: {}, campaign: {}, env: references };
  for (const [name, text] of Object.entries(given)) {
    const mend = 'put it into a variable, name that in ENV_REFERENCES, and write {{ env.NAME }}';
    if (SECRET_HEADER.test(name) && findReferences(text).length === 0)
      tell(['headers', name], 'holds a secret as it is', mend);
    try {
      const resolved = resolveReferences({ [name]: text }, scope)[name];
      const value = typeof resolved === 'string' ? resolved : JSON.stringify(resolved);
      if (/[^\t\x20-\x7e]/.test(value))
        tell(['headers', name], 'has signs that no header can have', 'check the variable');
      headers[name] = value;
    } catch (error) {
      if (!(error instanceof ReferenceFailure)) throw error;
      tell(['headers', name], error.message, mend);
    }
  }
  return headers;
}
