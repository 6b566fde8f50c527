import { z } from 'zod';
import { type Endpoint, type EndpointParam, PLACEHOLDER } from './endpoints.ts';
import { invalidArguments } from './tool.ts';

type Value = string | number | boolean;
export type EndpointValues = Record<string, Value | undefined>;

function valueSchema(param: EndpointParam): z.ZodType<Value> {
  const { type, enum: values, maxLength, minimum = -Infinity, maximum = Infinity } = param;
  if (type === 'boolean') return z.boolean();
  if (type === 'string') return values ? z.enum(values) : z.string().min(1).max(maxLength);
  let number = type === 'integer' ? z.int() : z.number();
  if (Number.isFinite(minimum)) number = number.min(minimum);
  if (Number.isFinite(maximum)) number = number.max(maximum);
  return number;
}

/** What the params of an endpoint have to be. */
export function paramsSchema({ params }: Endpoint): z.ZodType<EndpointValues> {
  const fields = Object.entries(params).map(([name, param]) => {
    const described = param.description === undefined ? {} : { description: param.description };
    const schema = valueSchema(param).meta(described);
    return [name, param.optional ? schema.optional() : schema] as const;
  });
  return z.strictObject(Object.fromEntries(fields));
}

/**
 * The request of one call. Params named in the address are filled in there; the others are the query of a GET and the body of a POST.
 * @throws {ToolError} TOOL_ARGUMENTS_INVALID for a value that would lead to another path
 */
export function requestOf(endpoint: Endpoint, values: EndpointValues): { url: string; body?: string } {
  const [path = '', ...query] = endpoint.url.split('?');
  const used = new Set([...endpoint.url.matchAll(PLACEHOLDER)].map(([, name = '']) => name));
  const fill = (text: string) =>
    text.replaceAll(PLACEHOLDER, (_, name: string) => encodeURIComponent(values[name] ?? ''));
  const filled = path.split('/').map((segment) => ({ segment, text: fill(segment) }));
  for (const { segment, text } of filled) if (segment !== text && /^\.{0,2}$/.test(text)) throw otherPath(segment);
  const url = new URL(filled.map(({ text }) => text).join('/'));
  for (const [name, value] of new URLSearchParams(query.join('?'))) {
    const text = value.replaceAll(PLACEHOLDER, (_, key: string) => String(values[key] ?? ''));
    if (text !== '' || value === '') url.searchParams.append(name, text);
  }
  const rest = Object.entries(values).filter(([name, value]) => !used.has(name) && value !== undefined);
  if (endpoint.method === 'POST') return { url: url.href, body: JSON.stringify(Object.fromEntries(rest)) };
  for (const [name, value] of rest) url.searchParams.append(name, String(value));
  return { url: url.href };
}

function otherPath(segment: string) {
  const [, name = ''] = /\{([^{}]*)\}/.exec(segment) ?? [];
  const problem = { path: `params.${name}`, message: 'would lead to another path', mend: 'give a name or an id' };
  return invalidArguments('api', [problem]);
}
