import { createPatch } from 'rfc6902';
import type { JsonObject } from '../../shared/json.ts';
import type { Arc, KpiTarget, Milestone, Phase } from '../arc.ts';
import type { Statement } from '../statement.ts';

export interface ArcDiff {
  /** JSON Patch (RFC 6902) that makes the second arc of the first. */
  patch: JsonObject[];
  /** The same for people, in the order phases, milestones, channels, KPIs. Empty only when there is no difference. */
  changes: string[];
}

type ChannelShare = Arc['channels'][number];

/**
 * What is different between two versions of an arc. The lines match phases, milestones, channels and KPIs by their ids, whatever
 * their place in the lists; the patch goes by place, as its standard has it.
 */
export function arcDiff(before: Arc, after: Arc): ArcDiff {
  const patch = createPatch(before, after) as unknown as JsonObject[];
  const phases = names([...before.phases, ...after.phases]);
  const milestones = names([...before.milestones, ...after.milestones]);
  const changes = [
    ...statementLines('Summary', 'text', before.summary, after.summary),
    ...listLines(before.phases, after.phases, ({ id }) => id, phaseWords),
    ...listLines(before.milestones, after.milestones, ({ id }) => id, milestoneWords(phases, milestones)),
    ...listLines(before.channels, after.channels, ({ channel }) => channel, channelWords),
    ...listLines(before.kpis, after.kpis, ({ kpi }) => kpi, kpiWords),
  ];
  if (patch.length > 0 && changes.length === 0) return { patch, changes: ['Only the order of entries is another'] };
  return { patch, changes };
}

/** How entries of one kind are spoken of. */
interface Words<T> {
  label(entry: T): string;
  /** Behind the label, when it is new, or gone. */
  added(entry: T): string;
  removed(entry: T): string;
  changed(before: T, after: T): string[];
}

function listLines<T>(
  before: readonly T[],
  after: readonly T[],
  idOf: (entry: T) => string,
  words: Words<T>,
): string[] {
  const old = new Map(before.map((entry) => [idOf(entry), entry]));
  const kept = new Set(after.map(idOf));
  const lines = after.flatMap((entry) => {
    const was = old.get(idOf(entry));
    if (was === undefined) return [`${words.label(entry)} ${words.added(entry)}`];
    return words.changed(was, entry).map((change) => `${words.label(was)}${change}`);
  });
  const gone = before.filter((entry) => !kept.has(idOf(entry)));
  return [...lines, ...gone.map((entry) => `${words.label(entry)} ${words.removed(entry)}`)];
}

const phaseWords: Words<Phase> = {
  label: ({ name }) => `Phase ${name}`,
  added: ({ startsOn, endsOn, budgetShare, channels }) =>
    `added: ${startsOn} to ${endsOn}, budget share ${percent(budgetShare)}, channels ${channels.join(', ')}`,
  removed: ({ startsOn, endsOn, budgetShare }) =>
    `removed: it was ${startsOn} to ${endsOn}, with ${percent(budgetShare)}`,
  changed: (was, is) => [
    ...renamed(was, is),
    ...(was.startsOn === is.startsOn && was.endsOn === is.endsOn
      ? []
      : [` moved from ${was.startsOn} – ${was.endsOn} to ${is.startsOn} – ${is.endsOn}`]),
    ...figure('budget share', was.budgetShare, is.budgetShare, percent),
    ...members('channels', was.channels, is.channels, (channel) => channel),
    ...statementLines('', 'goal', was.goal, is.goal),
  ],
};

const milestoneWords = (
  phases: ReadonlyMap<string, string>,
  milestones: ReadonlyMap<string, string>,
): Words<Milestone> => ({
  label: ({ name }) => `Milestone ${name}`,
  added: ({ dueOn, phase }) => `added: due on ${dueOn} in ${phases.get(phase) ?? phase}`,
  removed: ({ dueOn }) => `removed: it was due on ${dueOn}`,
  changed: (was, is) => [
    ...renamed(was, is),
    ...(was.dueOn === is.dueOn ? [] : [` moved from ${was.dueOn} to ${is.dueOn}`]),
    ...(was.phase === is.phase
      ? []
      : [`: in ${phases.get(is.phase) ?? is.phase} instead of ${phases.get(was.phase) ?? was.phase}`]),
    ...members('waits for', was.dependsOn, is.dependsOn, (id) => milestones.get(id) ?? id),
    ...statementLines('', 'evidence', was.evidence, is.evidence),
  ],
});

const channelWords: Words<ChannelShare> = {
  label: ({ channel }) => `Channel ${channel}`,
  added: ({ budgetShare }) => `added with ${percent(budgetShare)} of the budget`,
  removed: ({ budgetShare }) => `removed: it had ${percent(budgetShare)} of the budget`,
  changed: (was, is) => [
    ...figure('budget share', was.budgetShare, is.budgetShare, percent),
    ...statementLines('', 'reason', was.why, is.why),
  ],
};

const kpiWords: Words<KpiTarget> = {
  label: ({ kpi }) => `KPI ${kpi}`,
  added: ({ target }) => `added: target ${target}`,
  removed: ({ target }) => `removed: its target was ${target}`,
  changed: (was, is) => [
    ...figure('target', was.target, is.target, String),
    ...figure('green from', was.green, is.green, percent),
    ...figure('amber from', was.amber, is.amber, percent),
    ...statementLines('', 'reason', was.why, is.why),
  ],
};

const names = (entries: readonly { id: string; name: string }[]) => new Map(entries.map(({ id, name }) => [id, name]));

const renamed = (was: { name: string }, is: { name: string }) => (was.name === is.name ? [] : [` is now ${is.name}`]);

/** `: budget share 40 % → 45 %`; where rounding hides the difference, in full. */
function figure(what: string, was: number, is: number, write: (value: number) => string): string[] {
  if (was === is) return [];
  const [from, to] = [write(was), write(is)];
  return [from === to ? `: ${what} ${was} → ${is}` : `: ${what} ${from} → ${to}`];
}

/** `: channels + tiktok − x`. */
function members(what: string, was: readonly string[], is: readonly string[], name: (id: string) => string): string[] {
  const added = is.filter((id) => !was.includes(id)).map((id) => `+ ${name(id)}`);
  const removed = was.filter((id) => !is.includes(id)).map((id) => `− ${name(id)}`);
  return added.length + removed.length === 0 ? [] : [`: ${what} ${[...added, ...removed].join(' ')}`];
}

/** A statement is told to be another, not quoted: it can be long. `label` stands before it where nothing else does. */
function statementLines(label: string, what: string, was: Statement, is: Statement): string[] {
  if (was.text !== is.text) return [`${label}: ${what} reworded`];
  return isSame(was.facts, is.facts) ? [] : [`${label}: ${what} cites other facts`];
}

/** A share of 0 to 1 as percent, at most two decimals: `40 %`. */
export const percent = (share: number): string => `${Number((share * 100).toFixed(2))} %`;

/** Whether two values say the same as JSON, whatever made them. */
export const isSame = (a: object, b: object): boolean => createPatch(a, b).length === 0;
