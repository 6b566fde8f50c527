import { DIAMOND, MARGIN, WIDTH } from './layout.ts';
import { element, group, line, Markup, titled } from './markup.ts';
import { LATE, type Look, MILESTONE, MOVE, MUTED, RULE, STATUS } from './palette.ts';
import { measure, numeral, shortDay } from './text.ts';
import type { Timeline, TimelineKpi } from './timeline.ts';

/** A part of the picture, and where it ends. */
interface Part {
  markup: Markup;
  bottom: number;
}

/** Name and facts of the plan. */
export function heading({ plan, today }: Timeline, top: number): Part {
  const facts = [
    `${plan.startsOn} to ${plan.endsOn}`,
    plan.state,
    plan.arcVersion > 0 ? `arc version ${plan.arcVersion}` : 'no approved arc',
    ...(today ? [] : ['today is none of its days']),
  ];
  const markup = group(
    titled(plan.name, line(plan.name, { x: MARGIN, y: top + 18, size: 20, room: WIDTH - 2 * MARGIN, weight: 'bold' })),
    line(facts.join(' · '), { x: MARGIN, y: top + 40, size: 13, fill: MUTED }),
  );
  return { markup, bottom: top + 44 };
}

const CARDS = 4;
const CARD = { gap: 12, height: 58 };
const CARD_WIDTH = (WIDTH - 2 * MARGIN - (CARDS - 1) * CARD.gap) / CARDS;

/** One card a KPI, four on a line. */
export function kpiStrip(kpis: readonly TimelineKpi[], top: number): Part {
  const cards = kpis.map((kpi, index) => {
    const x = MARGIN + (index % CARDS) * (CARD_WIDTH + CARD.gap);
    return kpiCard(kpi, x, top + Math.floor(index / CARDS) * (CARD.height + CARD.gap));
  });
  const lines = Math.ceil(kpis.length / CARDS);
  return {
    markup: group(...cards),
    bottom: lines === 0 ? top - 14 : top + lines * (CARD.height + CARD.gap) - CARD.gap,
  };
}

function kpiCard(kpi: TimelineKpi, x: number, y: number): Markup {
  const look = STATUS[kpi.colour];
  const room = CARD_WIDTH - 50;
  const standing = `${kpi.value === null ? 'no value yet; target' : `${numeral(kpi.value)} of`} ${numeral(kpi.target)} ${kpi.unit}`;
  const observed = kpi.observedAt ? `, ${shortDay(kpi.observedAt)}${kpi.stale ? ' (stale)' : ''}` : '';
  const expected = kpi.expected === null ? '' : ` · ${numeral(kpi.expected)} expected`;
  return titled(
    `${kpi.label}: ${look.word}${observed}; ${standing}${expected}`,
    element('rect', { x, y, width: CARD_WIDTH, height: CARD.height, rx: 6, fill: '#ffffff', stroke: RULE }),
    badge(look, { x: x + 8, y: y + 8, size: 26 }),
    line(kpi.label, { x: x + 42, y: y + 18, size: 13, room, weight: 'bold' }),
    line(standing, { x: x + 42, y: y + 34, size: 12, room }),
    line(`${look.word}${observed}${expected}`, { x: x + 42, y: y + 50, size: 11, room, fill: MUTED }),
  );
}

/** The letter of a state on its colour. */
export function badge(look: Look, { x, y, size }: { x: number; y: number; size: number }): Markup {
  const { fill, stroke, dashes } = look;
  return group(
    element('rect', { x, y, width: size, height: size, rx: 3, fill, stroke, 'stroke-dasharray': dashes }),
    line(look.letter, {
      x: x + size / 2,
      y: y + size / 2 + size * 0.26,
      size: size * 0.72,
      weight: 'bold',
      fill: look.text,
      anchor: 'middle',
    }),
  );
}

/** The diamond of a milestone around a point. */
export function diamond(look: { fill: string; stroke: string }, x: number, y: number): Markup {
  const d = `M${(x - DIAMOND).toFixed(1)} ${y}l${DIAMOND} ${-DIAMOND}l${DIAMOND} ${DIAMOND}l${-DIAMOND} ${DIAMOND}Z`;
  return element('path', { d, fill: look.fill, stroke: look.stroke, 'stroke-width': 1.5 });
}

/** What letters, colours and shapes mean. */
export function legend(top: number): Part {
  const size = 14;
  const swatch = (look: Look) => ({ word: look.word, draw: (x: number, y: number) => badge(look, { x, y, size }) });
  const late = {
    word: 'late',
    draw: (x: number, y: number) =>
      element('rect', { x, y, width: size, height: size, rx: 3, fill: '#ffffff', stroke: LATE, 'stroke-width': 2.5 }),
  };
  const arrow = {
    word: 'has to come first',
    draw: (x: number, y: number) =>
      element('path', { d: `M${x} ${y + 7}H${x + size}`, stroke: MUTED, 'marker-end': 'url(#arrow)' }),
  };
  const shapes = Object.values(MILESTONE).map((look) => ({
    word: look.word,
    draw: (x: number, y: number) => diamond(look, x + DIAMOND, y + DIAMOND),
  }));
  const first = legendLine(
    [
      ['Moves', [...Object.values(MOVE).map(swatch), late]],
      ['Arrow', [arrow]],
    ],
    top,
  );
  const second = legendLine(
    [
      ['Milestones', shapes],
      ['Phases and KPIs', Object.values(STATUS).map(swatch)],
    ],
    top + 22,
  );
  return { markup: group(first, second), bottom: top + 22 + size };
}

interface Key {
  word: string;
  draw: (x: number, y: number) => Markup;
}

function legendLine(parts: readonly (readonly [name: string, keys: readonly Key[]])[], y: number): Markup {
  const drawn: Markup[] = [];
  let x = MARGIN;
  const write = (text: string, weight?: 'bold') => {
    drawn.push(line(text, { x, y: y + 11, size: 11, fill: MUTED, ...(weight ? { weight } : {}) }));
    x += measure(text, 11) + 12;
  };
  for (const [name, keys] of parts) {
    write(name, 'bold');
    for (const { word, draw } of keys) {
      drawn.push(draw(x, y));
      x += 20;
      write(word);
    }
    x += 20;
  }
  return group(...drawn);
}
