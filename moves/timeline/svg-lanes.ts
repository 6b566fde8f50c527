import {
  anchorsOf,
  arrowPath,
  barOf,
  CHART_LEFT,
  CHART_RIGHT,
  DIAMOND,
  type Lane,
  MARGIN,
  type Row,
  type Scale,
  WIDTH,
} from './layout.ts';
import { element, group, line, Markup, titled } from './markup.ts';
import { INK, LATE, MILESTONE, MOVE, MUTED, RULE, STATUS } from './palette.ts';
import { badge, diamond } from './svg-head.ts';
import { fit, measure, percent, shortDay } from './text.ts';
import type { TimelineDependency, TimelineMilestone, TimelineMove, TimelinePhase } from './timeline.ts';

/** Where names begin, and the room that they have. */
const NAME_LEFT = MARGIN + 26;
const NAME_ROOM = CHART_LEFT - NAME_LEFT - 12;

/** What lies behind the arrows, and what lies before them. */
export function laneMarkup(lane: Lane, scale: Scale): { background: Markup; foreground: Markup } {
  const { phase, top, bottom } = lane;
  const background = group(
    element('rect', {
      x: MARGIN - 8,
      y: top,
      width: CHART_LEFT - MARGIN + 2,
      height: bottom - top,
      rx: 6,
      fill: '#f1f5f9',
    }),
    element('path', { d: `M${MARGIN - 8} ${bottom}H${WIDTH - MARGIN}`, stroke: RULE }),
  );
  const rows = lane.rows.map((row) => rowMarkup(row, scale));
  const head = phase ? phaseMarkup(phase, lane, scale) : strayHead(lane);
  return { background, foreground: group(head, ...rows) };
}

function strayHead({ y }: Lane): Markup {
  return group(
    line('Moves of earlier arcs', { x: MARGIN, y: y - 3, size: 13, weight: 'bold' }),
    line('The present arc does not have their phases.', { x: MARGIN, y: y + 13, size: 11, fill: MUTED }),
  );
}

function phaseMarkup(phase: TimelinePhase, { y }: Lane, scale: Scale): Markup {
  const look = STATUS[phase.colour];
  const left = scale.startOf(phase.startsOn);
  const width = Math.max(4, scale.endOf(phase.endsOn) - left);
  const { done, moves, late, blocked, share } = phase.progress;
  const facts = [
    `${percent(phase.budgetShare)} of budget`,
    moves === 0 ? 'no moves yet' : `${done} of ${moves} done`,
    ...(late > 0 ? [`${late} late`] : []),
    ...(blocked > 0 ? [`${blocked} blocked`] : []),
  ].join(' · ');
  const days = `${shortDay(phase.startsOn)} – ${shortDay(phase.endsOn)}`;
  const box = { x: left, y: y - 10, height: 20, rx: 4 };
  return titled(
    `${phase.name} (${look.word}), ${days}: ${phase.goal} ${facts}. Channels: ${phase.channels.join(', ')}`,
    badge(look, { x: MARGIN, y: y - 14, size: 18 }),
    line(phase.name, { x: NAME_LEFT, y: y - 2, size: 13, room: NAME_ROOM, weight: 'bold' }),
    line(facts, { x: NAME_LEFT, y: y + 14, size: 11, room: NAME_ROOM, fill: MUTED }),
    element('rect', { ...box, width, fill: '#ffffff' }),
    element('rect', { ...box, width, fill: look.fill, 'fill-opacity': 0.35 }),
    ...(share ? [element('rect', { ...box, width: width * share, fill: look.fill })] : []),
    element('rect', { ...box, width, fill: 'none', stroke: look.stroke }),
    line(days, { x: left + 8, y: y + 4, size: 11, room: width - 12, fill: INK }),
  );
}

const rowMarkup = (row: Row, scale: Scale): Markup =>
  row.kind === 'move' ? moveMarkup(row.move, row.y, scale) : milestoneMarkup(row.milestone, row.y, scale);

function milestoneMarkup(milestone: TimelineMilestone, y: number, scale: Scale): Markup {
  const look = MILESTONE[milestone.state];
  const x = scale.middleOf(milestone.dueOn);
  const label = `${shortDay(milestone.dueOn)} · ${look.word}`;
  return titled(
    `Milestone ${milestone.name}, ${milestone.dueOn}, ${look.word}: ${milestone.evidence}`,
    diamond(look, MARGIN + 9, y),
    line(milestone.name, { x: NAME_LEFT, y: y + 4, size: 12, room: NAME_ROOM }),
    diamond(look, x, y),
    beside(label, { left: x - DIAMOND, right: x + DIAMOND, y, fill: look.text }),
  );
}

function moveMarkup(move: TimelineMove, y: number, scale: Scale): Markup {
  const look = MOVE[move.state];
  const { left, right } = barOf(move, scale);
  const { late } = move;
  const days = `${shortDay(move.startsOn)} – ${shortDay(move.endsOn)}`;
  return titled(
    `${move.title} (${look.word}${late ? ', late' : ''}), week ${move.week}, ${days}; ${move.owner}, ${move.channel}`,
    badge(look, { x: MARGIN + 2, y: y - 7, size: 14 }),
    line(move.title, { x: NAME_LEFT, y: y + 4, size: 12, room: NAME_ROOM, struck: move.state === 'dropped' }),
    element('rect', {
      x: left,
      y: y - 8,
      width: right - left,
      height: 16,
      rx: 3,
      fill: look.fill,
      stroke: late ? LATE : look.stroke,
      'stroke-width': late ? 2.5 : 1,
      'stroke-dasharray': late ? undefined : look.dashes,
    }),
    line(move.channel, {
      x: (left + right) / 2,
      y: y + 4,
      size: 10,
      room: right - left + 2,
      fill: look.text,
      anchor: 'middle',
      ...(move.state === 'blocked' ? { halo: '#ffedd5' } : {}),
    }),
    beside(late ? `late · ${move.owner}` : move.owner, { left, right, y, fill: late ? LATE : MUTED }),
  );
}

/** Longest text beside a bar or a diamond, in pixels. */
const BESIDE = 130;

/** A text right of something; left of it where the picture ends. */
function beside(text: string, at: { left: number; right: number; y: number; fill: string }): Markup {
  const width = measure(fit(text, BESIDE, 10), 10);
  const isRight = at.right + 12 + width <= CHART_RIGHT;
  return line(text, {
    x: isRight ? at.right + 12 : at.left - 12,
    y: at.y + 4,
    size: 10,
    room: BESIDE,
    fill: at.fill,
    halo: '#ffffff',
    ...(isRight ? {} : { anchor: 'end' as const }),
  });
}

/** One arrow a dependency, from what has to come first. */
export function arrows(dependencies: readonly TimelineDependency[], lanes: readonly Lane[], scale: Scale): Markup {
  const anchors = anchorsOf(lanes, scale);
  const paths = dependencies.flatMap(({ kind, from, to }) => {
    const [first, then] = [anchors[kind].get(from), anchors[kind].get(to)];
    return first && then ? [element('path', { d: arrowPath(first, then), 'marker-end': 'url(#arrow)' })] : [];
  });
  return element('g', { fill: 'none', stroke: MUTED, 'stroke-width': 1 }, ...paths);
}
