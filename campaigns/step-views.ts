import { isJsonObject, ownField } from '../shared/json.ts';
import { resolveKind } from '../steps/registry.ts';

/** One step of an input that may be broken elsewhere: what can be known about it. */
export interface StepView {
  /** Where it stands: `['steps', 2]` or `['steps', 2, 'parallel', 0]`. */
  keys: (string | number)[];
  raw: Record<string, unknown>;
  /** Index of its entry; steps of one entry run together. */
  group: number;
  /** As written or, where left out, made from the kind. */
  name?: string;
  isNamed: boolean;
  kind?: string;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value.trim() : undefined;
}

function viewOf(raw: Record<string, unknown>, keys: (string | number)[], group: number): StepView {
  const engine = text(ownField(raw, 'engine'));
  const kind = engine === undefined ? null : resolveKind(engine, text(ownField(raw, 'endpoint')));
  const name = text(ownField(raw, 'name'));
  return {
    keys,
    raw,
    group,
    isNamed: ownField(raw, 'name') !== undefined,
    ...(kind === null ? {} : { kind }),
    ...(name === undefined ? {} : { name }),
  };
}

/** Steps without a name get that of their kind, with -2, -3 … where it is taken. */
function nameTheRest(views: readonly StepView[]): void {
  const taken = new Set(views.flatMap((view) => (view.name === undefined ? [] : [view.name])));
  for (const view of views) {
    if (view.isNamed || view.kind === undefined) continue;
    let name = view.kind;
    for (let number = 2; taken.has(name); number += 1) name = `${view.kind}-${number}`;
    taken.add(name);
    view.name = name;
  }
}

/** How many steps an input has, whatever else is wrong with it. */
export function countSteps(input: unknown): number {
  const entries = ownField(input, 'steps');
  if (!Array.isArray(entries)) return 0;
  return entries.reduce<number>((sum, entry) => {
    const members = ownField(entry, 'parallel');
    return sum + (Array.isArray(members) ? members.length : 1);
  }, 0);
}

/** The steps of an input in order, members of groups in the place of their group. */
export function stepViews(input: unknown): StepView[] {
  const entries = ownField(input, 'steps');
  const views = (Array.isArray(entries) ? (entries as unknown[]) : []).flatMap((entry, group) => {
    if (!isJsonObject(entry)) return [];
    const members = ownField(entry, 'parallel');
    if (!Array.isArray(members)) return [viewOf(entry, ['steps', group], group)];
    return (members as unknown[]).flatMap((member, index) =>
      isJsonObject(member) ? [viewOf(member, ['steps', group, 'parallel', index], group)] : [],
    );
  });
  nameTheRest(views);
  return views;
}
