import type { Config } from '../shared/config.ts';
import { stepKinds } from '../steps/registry.ts';
import type { StepDefinition } from './definition.ts';

/** Where a step calls; all absolute. */
export interface StepUrls {
  url: string;
  statusUrl?: string;
  cancelUrl?: string;
}

/** What a base address keeps in front of a step's path: its own path without an endpoint that is part of it. */
function prefixOf(base: URL, endpointPaths: readonly string[]): string {
  const path = base.pathname.replace(/\/+$/, '');
  const written = endpointPaths.find((endpoint) => path.endsWith(endpoint));
  return written === undefined ? path : path.slice(0, -written.length);
}

/**
 * The addresses of a step. An absolute endpoint stands as it is; a path, or the kind's own path where the step names none,
 * is put behind the engine's configured address. The path of that address stays in front (`https://host/tenant`), unless it
 * ends with the endpoint already (`http://host/api/prospect`).
 * @throws {RangeError} for a step of a kind that the registry does not have, or that calls no engine
 */
export function stepUrls(
  step: Pick<StepDefinition, 'kind' | 'endpoint' | 'statusEndpoint' | 'cancelEndpoint'>,
  engines: Config['engines'],
): StepUrls {
  const kind = Object.hasOwn(stepKinds, step.kind) ? stepKinds[step.kind] : undefined;
  if (!kind) throw new RangeError(`no kind of step is called ${JSON.stringify(step.kind)}`);
  if (kind.engine === null) throw new RangeError(`steps of kind ${step.kind} call no engine`);
  const { engine } = kind;
  const ownPaths = Object.values(stepKinds).flatMap((other) => (other.engine === engine ? [other.defaultPath] : []));
  const absolute = (endpoint: string): string => {
    if (!endpoint.startsWith('/')) return new URL(endpoint).href;
    const base = new URL(engines[engine]);
    const wanted = new URL(endpoint, 'http://engine');
    base.pathname = prefixOf(base, [wanted.pathname, ...ownPaths]) + wanted.pathname;
    if (wanted.search !== '') base.search = wanted.search;
    base.hash = '';
    return base.href;
  };
  return {
    url: absolute(step.endpoint ?? kind.defaultPath),
    ...(step.statusEndpoint === undefined ? {} : { statusUrl: absolute(step.statusEndpoint) }),
    ...(step.cancelEndpoint === undefined ? {} : { cancelUrl: absolute(step.cancelEndpoint) }),
  };
}
