import { CHART_LEFT, CHART_RIGHT, lanesOf, MARGIN, type Scale, scaleFrom, WIDTH } from './layout.ts';
import { element, group, line, Markup } from './markup.ts';
import { INK, MUTED, RULE, TODAY } from './palette.ts';
import { heading, legend, kpiStrip } from './svg-head.ts';
import { arrows, laneMarkup } from './svg-lanes.ts';
import { shortDay } from './text.ts';
import type { Timeline, TimelineWeek } from './timeline.ts';

/** Height of the row with the weeks. */
const WEEKS = 40;
/** Height of the row in which today is named. */
const TODAY_ROW = 20;
const EMPTY = 80;

/**
 * The timeline as a picture in SVG: complete in itself, without scripts, fonts or links, 1,200 pixels wide and as high as it
 * needs to be. States are told by letters, words and patterns as well as by colours.
 */
export function timelineSvg(timeline: Timeline): string {
  const head = heading(timeline, MARGIN);
  const strip = kpiStrip(timeline.kpis, head.bottom + 14);
  const key = legend(strip.bottom + 16);
  const chart = chartMarkup(timeline, key.bottom + 16);
  const height = Math.ceil(chart.bottom + MARGIN);
  const drawn = element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      width: WIDTH,
      height,
      viewBox: `0 0 ${WIDTH} ${height}`,
      role: 'img',
      'aria-labelledby': 'title desc',
      'font-family': "Arial, Helvetica, 'Liberation Sans', sans-serif",
      fill: INK,
    },
    element('title', { id: 'title' }, `Timeline of ${timeline.plan.name}`),
    description(timeline),
    definitions(),
    element('rect', { width: WIDTH, height, fill: '#ffffff' }),
    head.markup,
    strip.markup,
    key.markup,
    chart.markup,
  );
  return `<?xml version="1.0" encoding="UTF-8"?>\n${drawn.xml}\n`;
}

/** The weeks and what happens in them. Lines lie between backgrounds and bars, so that they hide no text. */
function chartMarkup(timeline: Timeline, top: number): { markup: Markup; bottom: number } {
  const scale = scaleFrom(timeline.plan.startsOn);
  const below = top + WEEKS + (timeline.today ? TODAY_ROW : 0);
  const lanes = lanesOf(timeline, below + 8);
  const bottom = lanes.at(-1)?.bottom ?? below + EMPTY;
  const drawn = lanes.map((lane) => laneMarkup(lane, scale));
  const markup = group(
    weekScale(timeline.weeks, { scale, top, bottom }),
    ...drawn.map(({ background }) => background),
    ...(timeline.today ? [todayLine(timeline.today, { scale, top: top + WEEKS, bottom })] : []),
    arrows(timeline.dependencies, lanes, scale),
    ...drawn.map(({ foreground }) => foreground),
    ...(lanes.length === 0 ? [emptyNote(timeline, below)] : []),
  );
  return { markup, bottom };
}

function description({ phases, milestones, moves, kpis }: Timeline): Markup {
  const done = moves.filter(({ state }) => state === 'done').length;
  const late = moves.filter((move) => move.late).length;
  const counts = [
    `Phases: ${phases.length}`,
    `milestones: ${milestones.length}`,
    `moves: ${moves.length}, of which ${done} done and ${late} late`,
    `KPIs: ${kpis.length}`,
  ];
  return element('desc', { id: 'desc' }, `${counts.join('; ')}.`);
}

function definitions(): Markup {
  const hatch = element(
    'pattern',
    { id: 'hatch', width: 6, height: 6, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' },
    element('rect', { width: 6, height: 6, fill: '#ffedd5' }),
    element('rect', { width: 2, height: 6, fill: '#fdba74' }),
  );
  const head = element(
    'marker',
    { id: 'arrow', viewBox: '0 0 6 6', refX: 6, refY: 3, markerWidth: 6, markerHeight: 6, orient: 'auto' },
    element('path', { d: 'M0 0L6 3L0 6Z', fill: MUTED }),
  );
  return element('defs', {}, hatch, head);
}

interface Span {
  scale: Scale;
  top: number;
  bottom: number;
}

function weekScale(weeks: readonly TimelineWeek[], { scale, top, bottom }: Span): Markup {
  const columns = weeks.map(({ week, startsOn, endsOn }) => {
    const left = scale.startOf(startsOn);
    const middle = (left + scale.endOf(endsOn)) / 2;
    const shade = { x: left, y: top, width: scale.endOf(endsOn) - left, height: bottom - top };
    return group(
      element('rect', { ...shade, fill: week % 2 === 0 ? '#f8fafc' : '#ffffff' }),
      element('path', { d: `M${left.toFixed(1)} ${top}V${bottom}`, stroke: RULE, 'stroke-width': 0.5 }),
      line(`Week ${week}`, { x: middle, y: top + 16, size: 11, weight: 'bold', anchor: 'middle' }),
      line(shortDay(startsOn), { x: left + 4, y: top + 33, size: 11, fill: MUTED }),
    );
  });
  const rule = (y: number) => element('path', { d: `M${CHART_LEFT} ${y}H${CHART_RIGHT}`, stroke: RULE });
  const edge = element('path', { d: `M${CHART_RIGHT} ${top}V${bottom}`, stroke: RULE, 'stroke-width': 0.5 });
  return group(...columns, edge, rule(top), rule(top + WEEKS));
}

function todayLine(today: string, { scale, top, bottom }: Span): Markup {
  const x = scale.middleOf(today);
  const left = Math.min(CHART_RIGHT - 76, Math.max(CHART_LEFT, x - 38));
  return group(
    element('path', { d: `M${x.toFixed(1)} ${top + 12}V${bottom}`, stroke: TODAY, 'stroke-width': 1.5, opacity: 0.8 }),
    element('rect', { x: left, y: top + 3, width: 76, height: 17, rx: 8, fill: TODAY }),
    line(`today ${shortDay(today)}`, { x: left + 38, y: top + 15, size: 11, fill: '#ffffff', anchor: 'middle' }),
  );
}

function emptyNote({ plan }: Timeline, top: number): Markup {
  const why =
    plan.state === 'planning' ? 'It shows here once an arc is proposed and approved.' : `The plan is ${plan.state}.`;
  return line(`This plan has no approved arc. ${why}`, {
    x: MARGIN,
    y: top + 40,
    size: 14,
    fill: MUTED,
    halo: '#ffffff',
  });
}
