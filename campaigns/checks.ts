import { unknownGroups } from '../shared/approval-groups.ts';
import { jsonPath, ownField, valueAt } from '../shared/json.ts';
import { nearest } from '../shared/nearest.ts';
import { findReferences, type Reference } from '../shared/references.ts';
import { literally, type Variable } from '../shared/reference-syntax.ts';
import { wordsOf } from '../shared/zod-problems.ts';
import { stepKinds } from '../steps/registry.ts';
import { checkEndpoints, unknownEnvironment } from './address-checks.ts';
import type { DefinitionEnvironment } from './environment.ts';
import type { ProblemList } from './problem-list.ts';
import { policyFields } from './schedule-schema.ts';
import type { StepView } from './step-views.ts';
import { checkFreeForm } from './text-checks.ts';

/** What `run` and `campaign` hold in a reference; the orchestrator fills them. */
const FACTS: Record<'run' | 'campaign', readonly string[]> = {
  run: ['id', 'scheduledFor', 'trigger'],
  campaign: ['id', 'name', 'metadata'],
};

/** Names that every object answers to: as the name of a step they would be read as something else. */
const RESERVED: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype));

function checkNames(views: readonly StepView[], problems: ProblemList): void {
  const first = new Map<string, StepView>();
  for (const view of views) {
    if (view.name === undefined || !view.isNamed) continue;
    const path = jsonPath([...view.keys, 'name']);
    const twin = first.get(view.name);
    if (twin)
      problems.add(
        path,
        `${JSON.stringify(view.name)} is the name of ${jsonPath(twin.keys)} too`,
        'give every step a name of its own',
      );
    else first.set(view.name, view);
    if (RESERVED.has(view.name))
      problems.add(path, `${JSON.stringify(view.name)} is a reserved word`, 'choose another name');
  }
}

function checkKind(view: StepView, problems: ProblemList): void {
  const given = ownField(view.raw, 'kind');
  if (typeof given !== 'string' || view.kind === undefined || given === view.kind || !Object.hasOwn(stepKinds, given))
    return;
  problems.add(
    jsonPath([...view.keys, 'kind']),
    `is ${JSON.stringify(given)}, but engine and endpoint make it ${JSON.stringify(view.kind)}`,
    `leave it out, or write ${JSON.stringify(view.kind)}`,
  );
}

/** A step that works on what others gave needs one of them before it; one beside it is not seen. */
function checkOrder(view: StepView, views: readonly StepView[], problems: ProblemList): void {
  const kind = view.kind === undefined ? undefined : stepKinds[view.kind];
  if (kind?.engine !== null || !kind.follows) return;
  const earlier = views.filter(({ group }) => group < view.group);
  // What a broken step is meant to be is not known.
  if (earlier.some((other) => other.kind === undefined || kind.follows?.includes(other.kind) === true)) return;
  problems.add(
    jsonPath([...view.keys, 'engine']),
    `${JSON.stringify(kind.kind)} works on what earlier steps gave, and none of them is ${kind.follows.join(', ')}`,
    `put a step of one of these kinds before it, not beside it, or leave it out`,
  );
}

/** The kind's own look at params. What a reference fills in later cannot be looked at yet. */
function checkParamsOfKind(view: StepView, params: unknown, problems: ProblemList): void {
  const kind = view.kind === undefined ? undefined : stepKinds[view.kind];
  const parsed = kind?.params.safeParse(params);
  for (const issue of parsed?.error?.issues ?? []) {
    const value = valueAt(params, issue.path);
    if (typeof value === 'string' && value.includes('{{')) continue;
    const { message, mend } = wordsOf(issue, value);
    const at = [...view.keys, 'params', ...issue.path];
    if (issue.code === 'unrecognized_keys')
      for (const key of issue.keys) problems.add(jsonPath([...at, key]), 'is not known here', mend);
    else problems.add(jsonPath(at), message, mend);
  }
}

/** The run would ask people and never be answered. */
function checkApprovers(view: StepView, params: unknown, env: DefinitionEnvironment, problems: ProblemList): void {
  const kind = view.kind === undefined ? undefined : stepKinds[view.kind];
  if (kind?.engine !== null || !kind.approvalAt) return;
  const at = [...kind.approvalAt, 'groups'];
  const groups = valueAt(params, at);
  if (!Array.isArray(groups)) return;
  const named = groups.map((group) => (typeof group === 'string' && !group.includes('{{') ? group.trim() : null));
  for (const { index, message, mend } of unknownGroups(named, env.approvalGroups))
    problems.add(jsonPath([...view.keys, 'params', ...at, index]), message, mend);
}

/** What is wrong with one thing that a reference reads, and the mend. */
function variableProblem(
  { root, keys }: Variable,
  view: StepView,
  byName: ReadonlyMap<string, StepView>,
  env: DefinitionEnvironment,
): [string, string] | undefined {
  const [first] = keys;
  if (root === 'env') {
    if (typeof first !== 'string' || keys.length > 1) return ['does not name a variable', 'write {{ env.NAME }}'];
    return env.referenceNames.includes(first) ? undefined : unknownEnvironment(first, env);
  }
  if (root !== 'steps') {
    if (first === undefined || FACTS[root].includes(String(first))) return undefined;
    return [
      `refers to ${root}.${first}, which does not exist`,
      `there are ${FACTS[root].map((name) => `${root}.${name}`).join(', ')}`,
    ];
  }
  if (typeof first !== 'string') return ['does not name a step', 'write {{ steps.<name>.<field> }}'];
  const target = byName.get(first);
  if (!target) {
    const earlier = [...byName.values()].filter((other) => other.group < view.group).map((other) => other.name ?? '');
    const near = nearest(first, earlier);
    const all =
      earlier.length > 0 ? `earlier steps are ${earlier.slice(0, 10).join(', ')}` : 'no step comes before this one';
    return [
      `refers to the step ${JSON.stringify(first)}, which does not exist`,
      near === undefined ? all : `did you mean ${near}?`,
    ];
  }
  if (target === view) return ['refers to the result of its own step', 'refer to an earlier step'];
  if (target.group === view.group)
    return [`refers to ${JSON.stringify(first)}, which runs at the same time`, 'put one of the two behind the group'];
  if (target.group > view.group)
    return [`refers to ${JSON.stringify(first)}, which comes later`, 'put that step before this one'];
  return undefined;
}

function checkReferences(
  view: StepView,
  references: readonly Reference[],
  byName: ReadonlyMap<string, StepView>,
  env: DefinitionEnvironment,
  problems: ProblemList,
): void {
  const base = jsonPath([...view.keys, 'params']);
  for (const reference of references) {
    const path = `${base}${reference.path.startsWith('[') ? '' : '.'}${reference.path}`;
    const shown = reference.expression.slice(0, 80).toWellFormed();
    if (reference.problem !== undefined) {
      problems.add(
        path,
        `{{ ${shown} }} ${reference.problem}`,
        `to send braces as they are, quote them: ${literally('{{name}}')}`,
      );
      continue;
    }
    for (const variable of reference.variables) {
      const problem = variableProblem(variable, view, byName, env);
      if (problem) problems.add(path, `{{ ${shown} }} ${problem[0]}`, problem[1]);
    }
  }
}

/** Everything about the steps that the schema alone does not see. Broken steps are looked at as far as possible. */
export function checkSteps(views: readonly StepView[], env: DefinitionEnvironment, problems: ProblemList): void {
  checkNames(views, problems);
  const byName = new Map<string, StepView>();
  for (const view of views) if (view.name !== undefined && !byName.has(view.name)) byName.set(view.name, view);
  for (const view of views) {
    checkKind(view, problems);
    checkOrder(view, views, problems);
    checkEndpoints(view, env, problems);
    // Params that are left out are an empty object.
    const params = ownField(view.raw, 'params') ?? {};
    if (!checkFreeForm(params, [...view.keys, 'params'], problems)) continue;
    checkReferences(view, findReferences(params), byName, env, problems);
    checkParamsOfKind(view, params, problems);
    checkApprovers(view, params, env, problems);
  }
}

/** A policy may stand in the schedule or at the campaign; in both, it must be the same. */
export function checkPolicies(input: unknown, problems: ProblemList): void {
  for (const [name, schema] of Object.entries(policyFields)) {
    const [outer, inner] = [ownField(input, name), ownField(ownField(input, 'schedule'), name)];
    if (outer === undefined || inner === undefined) continue;
    const [one, other] = [schema.safeParse(outer), schema.safeParse(inner)];
    if (one.success && other.success && one.data !== other.data)
      problems.add(name, `is not the same as schedule.${name}`, 'write it in one place');
  }
}
