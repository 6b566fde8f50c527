import { ownField, jsonPath } from '../shared/json.ts';
import { nearest } from '../shared/nearest.ts';
import { stepKinds } from '../steps/registry.ts';
import { STEP_DEFAULTS } from './defaults.ts';
import type { DefinitionEnvironment } from './environment.ts';
import { CHANNEL, ENV_REFERENCE } from './notification-schema.ts';
import type { ProblemList } from './problem-list.ts';
import type { StepView } from './step-views.ts';

export const SLACK_MEND = 'write true, false, null, "#channel" or "{{ env.SLACK_WEBHOOK_URL }}"';
export const ENDPOINT_MEND =
  'write an address such as "http://localhost:3010/api/prospect", a path such as "/api/prospect", or leave it out';

/** What is wrong with an endpoint, and the mend; undefined when nothing is. */
function endpointProblem(text: string, { origins }: DefinitionEnvironment): [string, string] | undefined {
  if (text.includes('{{')) return ['has a reference, which works in params only', ENDPOINT_MEND];
  if (text.startsWith('/')) {
    const path = text.replace(/[?#].*$/s, '');
    if (/^\/[/\\]/.test(text) || /[\s\\#\p{Cc}]/u.test(text) || !URL.canParse(text, 'http://engine'))
      return ['is not a path', 'write a path such as "/api/prospect"'];
    if (/\/(\.|%2e){1,2}(\/|$)/i.test(path)) return ['has . or .. in its path', 'write the path in full'];
    return undefined;
  }
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text))
    return ['is neither an http(s) URL nor a path', ENDPOINT_MEND];
  if (origins.allows(text)) return undefined;
  const [message, mend] = origins.refusal(text).split('; ');
  return [`is refused: ${message}`, mend ?? ENDPOINT_MEND];
}

/** What only a step that calls an engine has. Of those with a default, that default is harmless: definitions write it out. */
const ENGINE_FIELDS: Record<string, unknown> = {
  endpoint: undefined,
  statusEndpoint: undefined,
  cancelEndpoint: undefined,
  terminalEvents: undefined,
  method: STEP_DEFAULTS.method,
  protocol: STEP_DEFAULTS.protocol,
  pollInterval: STEP_DEFAULTS.pollInterval,
};

function checkNoEngine(view: StepView, kind: string, problems: ProblemList): void {
  for (const [field, harmless] of Object.entries(ENGINE_FIELDS)) {
    const value = ownField(view.raw, field);
    if (value === undefined || value === null || value === harmless) continue;
    problems.add(
      jsonPath([...view.keys, field]),
      `is for steps that call an engine; ${kind} calls none`,
      'leave it out',
    );
  }
}

/** Checks the addresses that a step calls, or that it has none where it calls no engine. */
export function checkEndpoints(view: StepView, env: DefinitionEnvironment, problems: ProblemList): void {
  const kind = view.kind === undefined ? undefined : stepKinds[view.kind];
  if (kind?.engine === null) return checkNoEngine(view, kind.kind, problems);
  for (const field of ['endpoint', 'statusEndpoint', 'cancelEndpoint']) {
    const value = ownField(view.raw, field);
    if (typeof value !== 'string' || value.trim() === '') continue;
    const problem = endpointProblem(value.trim(), env);
    if (problem) problems.add(jsonPath([...view.keys, field]), ...problem);
  }
}

/** Says what to do about a name of the environment that is not there. */
export function unknownEnvironment(name: string, { referenceNames }: DefinitionEnvironment): [string, string] {
  const near = nearest(name, referenceNames);
  const listed = name.startsWith('SLACK_WEBHOOK') ? '' : ' and list it in ENV_REFERENCES';
  return [
    `refers to env.${name}, which is not set`,
    near === undefined
      ? `set ${name} in the environment${listed}`
      : `did you mean env.${near}? Otherwise set ${name} in the environment${listed}`,
  ];
}

function slackProblem(text: string, env: DefinitionEnvironment): [string, string] | undefined {
  if (CHANNEL.test(text)) return undefined;
  const name = ENV_REFERENCE.exec(text)?.[1];
  if (name !== undefined) return env.referenceNames.includes(name) ? undefined : unknownEnvironment(name, env);
  const url = /^https?:/i.test(text) ? URL.parse(text) : null;
  if (url && /^hooks\.slack(-gov)?\.com$/.test(url.hostname))
    return [
      'is a webhook address, which is a secret; secrets are never stored',
      'put it in the environment as SLACK_WEBHOOK_URL and write "{{ env.SLACK_WEBHOOK_URL }}"',
    ];
  if (url && env.origins.allows(text)) return undefined;
  if (url) {
    const [message, mend] = env.origins.refusal(text).split('; ');
    return [`is refused: ${message}`, mend ?? 'write "{{ env.SLACK_WEBHOOK_URL }}"'];
  }
  return [
    'is no Slack target',
    /^[\p{L}\p{N}_-]+$/u.test(text)
      ? `did you mean ${JSON.stringify(`#${text.toLowerCase().slice(0, 80)}`)}?`
      : SLACK_MEND,
  ];
}

/** Checks whom Slack messages go to. */
export function checkSlackTargets(input: unknown, env: DefinitionEnvironment, problems: ProblemList): void {
  for (const when of ['onComplete', 'onFailure']) {
    const slack = ownField(ownField(ownField(input, 'notifications'), when), 'slack');
    if (typeof slack !== 'string') continue;
    const problem = slackProblem(slack.trim(), env);
    if (problem) problems.add(`notifications.${when}.slack`, ...problem);
  }
}
